/** Physical values -> the bytes of a result cube, row by row, and a count of what did not fit. */
import { type CubeDescription, nodataOf, scaleOf } from './cube_description.js';

export interface CubeCounts {
  /** Pixels written, with or without data. */
  pixels: number;
  /** Of these, pixels without data. */
  nodata: number;
  /** Values beyond the range of int16. */
  clamped: number;
  /** NaN or infinite values of valid pixels; written as nodata. */
  notFinite: number;
  /** Values of valid pixels that were held at a bound of what the input allows. */
  bounded: number;
}

export const noCounts = (): CubeCounts => ({ pixels: 0, nodata: 0, clamped: 0, notFinite: 0, bounded: 0 });

export function addCounts(to: CubeCounts, more: CubeCounts): void {
  for (const key of Object.keys(to) as (keyof CubeCounts)[]) to[key] += more[key];
}

const MOST = 32767;

/** What turns rows of values into rows of stored numbers. Typed arrays have the machine's byte order: little endian on x86-64. */
export class RowEncoder {
  readonly #description: CubeDescription;
  readonly #nodata: number;
  readonly #scale: number;

  constructor(description: CubeDescription) {
    this.#description = description;
    this.#nodata = nodataOf(description);
    this.#scale = scaleOf(description);
  }

  /**
   * `rows` rows of `width` pixels as bytes in the cube's interleave: [row][pixel][band] (bip) or [row][band][pixel] (bil).
   *
   * @param values [rows, width, bands] in physical units
   * @param valid [rows, width], 1 = valid; all valid without it
   */
  encode(
    values: Float32Array,
    valid: Uint8Array | undefined,
    rows: number,
    width: number,
    counts: CubeCounts,
  ): Uint8Array {
    const { bands, interleave, dataType } = this.#description;
    const out = dataType === 'float32' ? new Float32Array(values.length) : new Int16Array(values.length);
    // distance between the bands of a pixel, and between pixels, in stored values
    const [bandStep, pixelStep] = interleave === 'bip' ? [1, bands] : [width, 1];
    for (let row = 0; row < rows; row++)
      for (let x = 0; x < width; x++) {
        const pixel = row * width + x;
        const to = row * width * bands + x * pixelStep;
        if (valid !== undefined && valid[pixel] === 0) {
          for (let b = 0; b < bands; b++) out[to + b * bandStep] = this.#nodata;
          counts.nodata++;
        } else if (out instanceof Float32Array) this.#pixelFloat(values, pixel * bands, out, to, bandStep, counts);
        else this.#pixelInteger(values, pixel * bands, out, to, bandStep, counts);
      }
    counts.pixels += rows * width;
    return new Uint8Array(out.buffer);
  }

  #pixelFloat(from: Float32Array, at: number, to: Float32Array, first: number, step: number, counts: CubeCounts): void {
    const { bands } = this.#description;
    for (let b = 0, i = first; b < bands; b++, i += step) {
      const value = from[at + b]!;
      if (value - value === 0) to[i] = value;
      else {
        to[i] = this.#nodata;
        counts.notFinite++;
      }
    }
  }

  /** Nearest integer, halves up (Math.round). */
  #pixelInteger(from: Float32Array, at: number, to: Int16Array, first: number, step: number, counts: CubeCounts): void {
    const { bands } = this.#description;
    const scale = this.#scale;
    for (let b = 0, i = first; b < bands; b++, i += step) {
      const value = Math.round(from[at + b]! * scale);
      if (value >= -MOST && value <= MOST) to[i] = value;
      else if (value - value === 0) {
        to[i] = value < 0 ? -MOST : MOST;
        counts.clamped++;
      } else {
        to[i] = this.#nodata;
        counts.notFinite++;
      }
    }
  }
}
