/** Where long work says what it does. The command line implements it for terminals, logs and machines; the library is silent. */

export interface Progress {
  /** Done so far, and a few words on the current state. */
  update(done: number, status: string): void;
  stop(): void;
}

export interface Reporter {
  /** A line for people. */
  line(text?: string): void;
  /** What a person should know but need not act on at once. */
  warn(text: string): void;
  /** An object for machines. */
  event(kind: string, fields: Record<string, unknown>): void;
  /** Begins a progress bar from `start` (default 0) to `total`, counted in `unit`. */
  progress(total: number, unit: string, start?: number): Progress;
  /** Whether a bar is drawn; where it is not, long work tells its progress in lines. */
  readonly isTerminal?: boolean;
}

export const silentReporter: Reporter = {
  line() {},
  warn() {},
  event() {},
  progress: () => ({ update() {}, stop() {} }),
};
