/** What went wrong in the user's terms: one line, with the file, the field, what was found and what to do. */
export interface ErrorDetail {
  file?: string;
  field?: string;
  found?: string | number;
  expected?: string | number;
  hint?: string;
}

/** Exit codes of the command line; documented in docs/reference/runs.md. */
export const EXIT = {
  ok: 0,
  failure: 1,
  usage: 2,
  badInput: 3,
  notFinite: 4,
  outOfMemory: 5,
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** An error whose message is meant for the user; anything else that escapes is a defect of bandlift. */
export class BandliftError extends Error {
  override name = 'BandliftError';
  readonly exitCode: ExitCode;
  readonly detail: ErrorDetail;
  constructor(message: string, detail: ErrorDetail = {}, exitCode: ExitCode = EXIT.badInput) {
    const parts = [
      detail.file === undefined ? '' : `${detail.file}: `,
      detail.field === undefined ? '' : `${detail.field}: `,
      message,
      detail.found === undefined ? '' : `; found ${detail.found}`,
      detail.expected === undefined ? '' : `, expected ${detail.expected}`,
      detail.hint === undefined ? '' : `; ${detail.hint}`,
    ];
    super(parts.join('').replaceAll('\n', ' '));
    this.exitCode = exitCode;
    this.detail = detail;
  }
}
