/** What `inspect` says of something: names and values. */
export type Facts = Record<string, unknown>;

export const range = (values: ArrayLike<number> | undefined) =>
  values && values.length > 0 ? `${values[0]!.toFixed(1)} to ${values[values.length - 1]!.toFixed(1)} nm` : 'unknown';

export const size = (height: number, width: number) => `${height} x ${width} pixels`;

export const told = (warnings: readonly string[]): Facts =>
  warnings.length > 0 ? { warnings: warnings.join('; ') } : {};
