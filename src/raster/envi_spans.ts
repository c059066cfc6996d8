/**
 * Runs of stored values of an ENVI data file as float32. One buffer of raw bytes and one of numbers are kept, so memory does
 * not grow with what is read. Reading is synchronous: a window of a cube in bands takes thousands of short calls.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { BandliftError } from '../base/errors.js';
import { fileError } from '../base/files.js';
import type { EnviCube } from './envi_cube.js';
import { DATA_TYPES, type DataType } from './envi_header.js';

/** Most values of one run. */
export const SPAN_VALUES = 2 ** 20;

type RawArray = Uint8Array | Int16Array | Int32Array | Float32Array | Float64Array | Uint16Array;
const VIEWS: Record<DataType, (buffer: ArrayBuffer) => RawArray> = {
  1: (buffer) => new Uint8Array(buffer),
  2: (buffer) => new Int16Array(buffer),
  3: (buffer) => new Int32Array(buffer),
  4: (buffer) => new Float32Array(buffer),
  5: (buffer) => new Float64Array(buffer),
  12: (buffer) => new Uint16Array(buffer),
};

function swap(bytes: Buffer, size: number): void {
  if (size === 2) bytes.swap16();
  else if (size === 4) bytes.swap32();
  else if (size === 8) bytes.swap64();
}

export class EnviSpans {
  readonly #cube: EnviCube;
  readonly #handle: number;
  readonly #size: number;
  readonly #raw: ArrayBuffer;
  readonly #numbers: RawArray;
  readonly #values: Float32Array;
  /** Stored bytes of runs without data, and whether they are the ignore value; 0 may be that, too. */
  readonly #blank: { readonly bytes: Buffer; readonly ignored: boolean }[] = [];

  private constructor(cube: EnviCube, handle: number, most: number, findBlank: boolean) {
    const { dataType, byteOrder, nodata } = cube.header;
    this.#cube = cube;
    this.#handle = handle;
    this.#size = DATA_TYPES[dataType].bytes;
    this.#raw = new ArrayBuffer(most * this.#size);
    this.#numbers = VIEWS[dataType](this.#raw);
    this.#values = new Float32Array(most);
    for (const value of findBlank ? new Set([nodata ?? 0, 0]) : []) {
      const buffer = new ArrayBuffer(most * this.#size);
      // an ignore value that the type cannot hold is in no file: NaN among integers, -9999 without a sign
      const stored = VIEWS[dataType](buffer).fill(value)[0]!;
      if (Math.fround(stored) !== Math.fround(value)) continue;
      const bytes = Buffer.from(buffer);
      if (byteOrder === 1) swap(bytes, this.#size);
      this.#blank.push({ bytes, ignored: value === nodata });
    }
  }

  /**
   * @param most values of the longest run that will be read
   * @param findBlank whether runs without data are told apart; `read` then returns undefined for them
   */
  static open(cube: EnviCube, most: number, findBlank: boolean): EnviSpans {
    try {
      return new EnviSpans(cube, openSync(cube.dataPath, 'r'), most, findBlank);
    } catch (error) {
      throw fileError(error, cube.dataPath);
    }
  }

  /**
   * `count` values from the value numbered `first` on, as they are stored, in a view that holds until the next call;
   * undefined where all of them are 0 or all are the ignore value, which `ignored` then tells.
   * Errors: BandliftError where the file ends early or cannot be read.
   */
  read(first: number, count: number): Float32Array | undefined {
    const bytes = Buffer.from(this.#raw, 0, count * this.#size);
    this.#fill(bytes, this.#cube.header.headerOffset + first * this.#size);
    const blank = this.#blank.find((other) => bytes.compare(other.bytes, 0, bytes.length) === 0);
    this.ignored = blank?.ignored === true;
    if (blank !== undefined) return undefined;
    if (this.#cube.header.byteOrder === 1) swap(bytes, this.#size);
    const values = this.#values.subarray(0, count);
    values.set(this.#numbers.subarray(0, count));
    return values;
  }

  /** Whether the last run held nothing but the ignore value. */
  ignored = false;

  #fill(target: Buffer, position: number): void {
    const { dataPath } = this.#cube;
    for (let done = 0; done < target.length; ) {
      let count: number;
      try {
        count = readSync(this.#handle, target, done, target.length - done, position + done);
      } catch (error) {
        throw fileError(error, dataPath);
      }
      if (count === 0)
        throw new BandliftError('the file ended while it was read', {
          file: dataPath,
          found: `${position + done} bytes`,
          hint: 'it has become shorter since it was opened',
        });
      done += count;
    }
  }

  close(): void {
    closeSync(this.#handle);
  }
}
