/**
 * Windows of cubes in HDF5 datasets: chosen bands of one or several datasets of the same lines and samples, in physical units.
 * Memory stays bounded whatever the file says: chunks are kept as far as a budget goes, the least recently used given up
 * first; datasets in one piece are read in pieces.
 */
import type { StoredNumbers } from '../data/hdf5_library.js';
import { LARGEST_VALUE } from '../raster/envi_window.js';
import { type NumberArray, type ProductFile, readNumbers } from './hdf5_array.js';

/** Bytes read at once of a dataset that lies in one piece, and of small chunks together. */
const PIECE_BYTES = 4 * 2 ** 20;
const SMALL_CHUNK = 2 ** 20;

/** A dataset of three dimensions. */
export interface CubePart {
  readonly array: NumberArray;
  /** Which dimension counts what. */
  readonly axes: { readonly line: number; readonly sample: number; readonly band: number };
  /** Stored values that mean "no data". */
  readonly fills: readonly number[];
  /** Physical value = stored * gain / divisor + offset. */
  readonly gain: number;
  readonly divisor: number;
  readonly offset: number;
}

/** A band of the cube. */
export interface CubeBand {
  readonly part: number;
  /** Number in its dataset. */
  readonly stored: number;
}

/** A box of a part: where it begins and what it spans, in the order of the dataset's dimensions. */
interface Box {
  readonly offset: readonly number[];
  readonly count: readonly number[];
}

/** What a window of numbers is to be found in. */
interface Target {
  readonly y: number;
  readonly x: number;
  readonly height: number;
  readonly width: number;
  readonly values: Float32Array | undefined;
  readonly ok: Uint8Array;
  readonly lit: Uint8Array;
}

const product = (sizes: readonly number[]) => sizes.reduce((a, b) => a * b, 1);

export class Hdf5Windows {
  readonly #file: ProductFile;
  readonly #parts: readonly CubePart[];
  readonly #bands: number;
  /** For each part: numbers of its bands in the result and in the dataset, those wanted only. */
  readonly #wanted: readonly { readonly to: Int32Array; readonly from: Int32Array }[];
  readonly #lowest: number;
  readonly #budget: number;
  readonly #kept = new Map<string, StoredNumbers>();
  #keptBytes = 0;
  #lit = new Uint8Array(0);

  /**
   * @param good for each band: 0 = its values are 0 and say nothing about a pixel
   * @param lowest a pixel has no data where none of its values is above this (and other than a stored 0)
   * @param budget bytes of chunks kept
   */
  constructor(
    file: ProductFile,
    parts: readonly CubePart[],
    bands: readonly CubeBand[],
    good: ArrayLike<number>,
    lowest: number,
    budget: number,
  ) {
    this.#file = file;
    this.#parts = parts;
    this.#bands = bands.length;
    this.#wanted = parts.map((_, part) => {
      const to = bands.flatMap((band, b) => (band.part === part && good[b] !== 0 ? [b] : []));
      return { to: Int32Array.from(to), from: Int32Array.from(to, (b) => bands[b]!.stored) };
    });
    this.#lowest = lowest;
    this.#budget = budget;
  }

  /**
   * Pixels [y, y + height) x [x, x + width), which must lie inside.
   * @param values [height, width, bands], 0 where not valid and in bad bands; left out: validity alone
   * @param valid [height, width]; 1 where every good band is finite and no fill, and at least one of them has light
   * @param raw values as they are, NaN for fills, and no account of validity
   */
  read(
    y: number,
    x: number,
    height: number,
    width: number,
    values: Float32Array | undefined,
    valid: Uint8Array,
    raw = false,
  ): void {
    const pixels = height * width;
    const bands = this.#bands;
    values?.fill(0, 0, pixels * bands);
    valid.fill(1, 0, pixels);
    if (this.#lit.length < pixels) this.#lit = new Uint8Array(pixels);
    const lit = this.#lit.fill(0, 0, pixels);
    const target = { y, x, height, width, values, ok: valid, lit };
    this.#parts.forEach((part, p) => {
      const { from } = this.#wanted[p]!;
      if (from.length === 0) return;
      // not Math.min(...from), whose arguments go on the stack
      const [first, last] = from.reduce(
        ([low, high], b) => [Math.min(low, b), Math.max(high, b)],
        [from[0]!, from[0]!],
      );
      if (part.array.chunks) this.#readChunks(p, target, first!, last!, raw);
      else this.#readPiece(p, target, target, first!, last!, raw);
    });
    if (raw) return;
    for (let pixel = 0; pixel < pixels; pixel++) {
      if (lit[pixel] === 0) valid[pixel] = 0;
      if (valid[pixel] === 0) values?.fill(0, pixel * bands, (pixel + 1) * bands);
    }
  }

  /** A part of the window of a dataset in one piece; halved until it is small. */
  #readPiece(
    p: number,
    target: Target,
    piece: { readonly y: number; readonly x: number; readonly height: number; readonly width: number },
    first: number,
    last: number,
    raw: boolean,
  ): void {
    const { array, axes } = this.#parts[p]!;
    const { y, x, height, width } = piece;
    const bytes = height * width * (last - first + 1) * array.type.size;
    if (bytes > PIECE_BYTES && height * width > 1) {
      const down = height > 1;
      const half = Math.floor((down ? height : width) / 2);
      const rest = down
        ? { y: y + half, x, height: height - half, width }
        : { y, x: x + half, height, width: width - half };
      this.#readPiece(
        p,
        target,
        down ? { y, x, height: half, width } : { y, x, height, width: half },
        first,
        last,
        raw,
      );
      this.#readPiece(p, target, rest, first, last, raw);
      return;
    }
    const box = boxOf(axes, [y, x, first], [height, width, last - first + 1]);
    this.#place(p, readNumbers(this.#file, array, box.offset, box.count), box, target, raw);
  }

  /** The chunks that the window and the wanted bands touch, small ones several at once. */
  #readChunks(p: number, target: Target, first: number, last: number, raw: boolean): void {
    const { array, axes } = this.#parts[p]!;
    const [lines, samples, depth] = [axes.line, axes.sample, axes.band].map((axis) => array.shape[axis]!) as [
      number,
      number,
      number,
    ];
    const chunk = (axis: number) => Math.min(array.shape[axis]!, array.chunks![axis]!);
    let [tall, wide] = [chunk(axes.line), chunk(axes.sample)];
    const deep = chunk(axes.band);
    const small = () => tall * wide * deep * array.type.size < SMALL_CHUNK;
    while (small() && wide < samples) wide *= 2;
    while (small() && tall < lines) tall *= 2;
    const { from } = this.#wanted[p]!;
    const touched = new Set(from.map((b) => Math.floor(b / deep)));
    for (let top = Math.floor(target.y / tall) * tall; top < target.y + target.height; top += tall)
      for (let left = Math.floor(target.x / wide) * wide; left < target.x + target.width; left += wide)
        for (let b = Math.floor(first / deep); b * deep <= last; b++) {
          if (!touched.has(b)) continue;
          const box = boxOf(
            axes,
            [top, left, b * deep],
            [Math.min(tall, lines - top), Math.min(wide, samples - left), Math.min(deep, depth - b * deep)],
          );
          this.#place(p, this.#chunk(p, box), box, target, raw);
        }
  }

  /** The numbers of a box, from those kept or from the file. */
  #chunk(p: number, box: Box): StoredNumbers {
    const key = `${p}/${box.offset.join('/')}`;
    const found = this.#kept.get(key);
    if (found) {
      // to the end of the map's order: used last
      this.#kept.delete(key);
      this.#kept.set(key, found);
      return found;
    }
    const numbers = readNumbers(this.#file, this.#parts[p]!.array, box.offset, box.count);
    if (numbers.byteLength > this.#budget) return numbers;
    // before the copy is made
    for (const [oldest, held] of this.#kept) {
      if (this.#keptBytes + numbers.byteLength <= this.#budget) break;
      this.#kept.delete(oldest);
      this.#keptBytes -= held.byteLength;
    }
    // out of the library's memory, which the next call takes again
    const copy = numbers.slice();
    this.#kept.set(key, copy);
    this.#keptBytes += copy.byteLength;
    return copy;
  }

  /** Brings what a box and the window share to its place. */
  #place(p: number, numbers: StoredNumbers, { offset, count }: Box, target: Target, raw: boolean): void {
    const { axes, fills, gain, divisor, offset: shift, array } = this.#parts[p]!;
    const { to, from } = this.#wanted[p]!;
    const { values, ok, lit } = target;
    const step = [count[1]! * count[2]!, count[2]!, 1];
    const [lineStep, sampleStep, bandStep] = [step[axes.line]!, step[axes.sample]!, step[axes.band]!];
    const [top, left, low] = [offset[axes.line]!, offset[axes.sample]!, offset[axes.band]!];
    const high = low + count[axes.band]!;
    const inside = Int32Array.from(to.keys()).filter((i) => from[i]! >= low && from[i]! < high);
    const starts = Int32Array.from(inside, (i) => (from[i]! - low) * bandStep);
    const places = Int32Array.from(inside, (i) => to[i]!);
    const single = array.type.float && array.type.size === 4;
    const [f0, f1] = [fills[0] ?? Number.NaN, fills[1] ?? Number.NaN].map((fill) =>
      single ? Math.fround(fill) : fill,
    );
    const lowest = this.#lowest;
    const bands = this.#bands;
    const y1 = Math.min(top + count[axes.line]!, target.y + target.height);
    const x0 = Math.max(left, target.x);
    const x1 = Math.min(left + count[axes.sample]!, target.x + target.width);
    for (let y = Math.max(top, target.y); y < y1; y++) {
      let pixel = (y - target.y) * target.width + x0 - target.x;
      let start = (y - top) * lineStep + (x0 - left) * sampleStep;
      for (let x = x0; x < x1; x++, pixel++, start += sampleStep)
        for (let i = 0; i < starts.length; i++) {
          const stored = numbers[start + starts[i]!]!;
          const value = (stored * gain) / divisor + shift;
          // not (x < LARGEST) is true for NaN as well
          const bad = stored === f0 || stored === f1 || !(Math.abs(stored) < LARGEST_VALUE);
          if (bad) ok[pixel] = 0;
          else if (stored !== 0 && value > lowest) lit[pixel] = 1;
          if (values) values[pixel * bands + places[i]!] = bad && raw ? Number.NaN : value;
        }
    }
  }
}

/** From lines, samples and bands to the order of a dataset's dimensions. */
function boxOf(axes: CubePart['axes'], start: readonly number[], size: readonly number[]): Box {
  const offset = [0, 0, 0];
  const count = [0, 0, 0];
  [axes.line, axes.sample, axes.band].forEach((axis, i) => {
    offset[axis] = start[i]!;
    count[axis] = size[i]!;
  });
  return { offset, count };
}

/** Bytes of the largest box that is read of a part at once. */
export const chunkBytes = ({ array }: CubePart): number =>
  array.chunks ? Math.max(SMALL_CHUNK, product(array.chunks) * array.type.size) : PIECE_BYTES;
