/** How many samples to compute at once under a memory limit. */

export interface MicroBatchChoice {
  /** Samples at once. */
  readonly size: number;
  readonly bytes: number;
}

/**
 * The largest equal parts of `batch` whose bytes fit `limit`: as few parts as possible, then as even as possible (4
 * samples of which 3 would fit are computed as 2 + 2). Returns undefined when not even one sample fits.
 *
 * @param bytesFor total bytes when this many samples are computed at once; grows with the number
 */
export function chooseMicroBatch(
  batch: number,
  limit: number,
  bytesFor: (size: number) => number,
): MicroBatchChoice | undefined {
  for (let parts = 1; parts <= batch; parts++) {
    const size = Math.ceil(batch / parts);
    if (parts > 1 && size === Math.ceil(batch / (parts - 1))) continue;
    const bytes = bytesFor(size);
    if (bytes <= limit) return { size, bytes };
  }
  return undefined;
}

/** The parts in order: start and number of samples. */
export function parts(batch: number, size: number): { start: number; count: number }[] {
  const result = [];
  for (let start = 0; start < batch; start += size) result.push({ start, count: Math.min(size, batch - start) });
  return result;
}
