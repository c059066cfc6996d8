/** A line of doctor's. */
export interface Finding {
  readonly what: string;
  readonly found: string;
  /** Whether it is there and serves. */
  readonly ok: boolean;
  /** Something that bandlift does without: its absence is told, and is no fault. */
  readonly optional?: boolean;
  readonly remedy?: string;
}
