/**
 * What is known of an unfinished result cube, in NAME.partial.json beside NAME.partial: which units of work are on the disk,
 * and its header as it was at the start (so that a resumed cube is the same to the byte, its date too).
 */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { writeFileAtomic } from '../base/atomic.js';
import { BandliftError } from '../base/errors.js';
import { fileError } from '../base/files.js';

const whole = z.number().int().nonnegative();
const schema = z.object({
  format: z.literal(1),
  /** Says what the cube is made of and how: input, checkpoints, settings. */
  key: z.string(),
  /** Sizes, interleave and numbers of the data file. */
  layout: z.string(),
  header: z.string(),
  /** Ranges of units that are on the disk, first and last. */
  done: z.array(z.tuple([whole, whole])),
  counts: z.strictObject({ pixels: whole, nodata: whole, clamped: whole, notFinite: whole, bounded: whole.default(0) }),
  /** Every unit is done: the data file is being renamed. */
  finishing: z.boolean(),
});
export type Journal = z.infer<typeof schema>;

/** The journal at `path`, undefined where there is none. Throws a BandliftError for one that cannot be used. */
export async function readJournal(path: string): Promise<Journal | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw fileError(error, path);
  }
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    throw new BandliftError('is not the journal of an unfinished result', {
      file: path,
      hint: 'it is damaged or of another version of bandlift: remove it and the .partial file beside it',
    });
  }
}

export async function writeJournal(path: string, journal: Journal): Promise<void> {
  await writeFileAtomic(path, `${JSON.stringify(journal)}\n`);
}

/** Sorted units as ranges. */
export function toRanges(units: Iterable<number>): [number, number][] {
  const ranges: [number, number][] = [];
  for (const unit of [...units].sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last && unit === last[1] + 1) last[1] = unit;
    else ranges.push([unit, unit]);
  }
  return ranges;
}

/** A cube of 2^31 pixels has fewer units than this, whatever they are; more can only come from a damaged journal. */
const MOST_UNITS = 2 ** 24;

export function fromRanges(ranges: Journal['done'], path: string): Set<number> {
  const count = ranges.reduce((sum, [first, last]) => sum + Math.max(0, last - first + 1), 0);
  if (count > MOST_UNITS)
    throw new BandliftError('claims too many units of work', { file: path, found: count, hint: 'remove it' });
  const units = new Set<number>();
  for (const [first, last] of ranges) for (let unit = first; unit <= last; unit++) units.add(unit);
  return units;
}
