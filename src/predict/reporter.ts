/** Where a prediction says what it does; the command line implements it for terminals, logs and machines. */
export interface Reporter {
  line(text?: string): void;
  warn(text: string): void;
  event(kind: string, fields: Record<string, unknown>): void;
  progress(total: number, unit: string, start?: number): { update(done: number, status: string): void; stop(): void };
  /** Whether a bar is drawn; otherwise progress is told in lines. */
  readonly isTerminal: boolean;
}
