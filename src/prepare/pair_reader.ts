/**
 * Patches of the fine grid with what a sensor of 15/2 the pixel size would see of them: a Gaussian point spread function whose
 * width at half maximum is one coarse pixel, then the exact area average. Coarse pixel (i, j) covers fine pixels
 * [7.5 i, 7.5 (i + 1)) x [7.5 j, 7.5 (j + 1)) of the scene. The function takes in what lies around the patch; the scene's
 * edges are replicated. Pixels without data are left out of it, and the rest weighted up: LR = sum(w v x) / sum(w v).
 */
import { weighPixels } from '../resample/apply_taps.js';
import { coarseSize } from '../resample/ratio.js';
import { psfTaps, type Taps } from '../resample/taps.js';
import { FACTOR, type FineGrid, RATIO } from './fine_grid.js';

/** Least share of a coarse pixel's weight that must be on valid fine pixels. */
export const LEAST_VALID_WEIGHT = 0.5;
const TINY = 1e-9;
/** Bytes of fine pixels held besides the patch. */
const ROWS_BYTES = 12 * 2 ** 20;

/** Working memory in bytes for patches of `side` coarse pixels: what a PairReader allocates. */
export function readerBytes(side: number, bands: number): number {
  const fine = (FACTOR * side) ** 2;
  return fine * (bands * 4 + 1) + side * side * bands * 8 + ROWS_BYTES + 2 * side * bands * 8;
}

export class PairReader {
  /** Fine pixels of a side. */
  readonly size: number;
  /** [size, size, bands], 0 where not valid, and [size, size]; of the patch read last. */
  readonly fine: Float32Array;
  readonly fineValid: Uint8Array;
  /** [side, side, bands], 0 where not valid, and [side, side]. */
  readonly coarse: Float64Array;
  readonly coarseValid: Uint8Array;
  readonly #grid: FineGrid;
  readonly #bands: number;
  readonly #side: number;
  readonly #rows: Taps;
  readonly #columns: Taps;
  readonly #weight: Float64Array;
  #values = new Float32Array(0);
  #valid = new Uint8Array(0);

  /** @param side of the patches in coarse pixels, even */
  constructor(grid: FineGrid, bands: number, side: number) {
    this.#grid = grid;
    this.#bands = bands;
    this.#side = side;
    this.size = FACTOR * side;
    this.fine = new Float32Array(this.size * this.size * bands);
    this.fineValid = new Uint8Array(this.size * this.size);
    this.coarse = new Float64Array(side * side * bands);
    this.coarseValid = new Uint8Array(side * side);
    this.#weight = new Float64Array(side * side);
    this.#rows = psfTaps(grid.height, coarseSize(grid.height, RATIO), FACTOR);
    this.#columns = psfTaps(grid.width, coarseSize(grid.width, RATIO), FACTOR);
  }

  /** Reads the patch whose first coarse pixel is (row, column) of the scene, both even. */
  read(row: number, column: number): void {
    const [rows, columns] = [this.#rows, this.#columns];
    const span = (taps: Taps, first: number) => {
      const last = taps.start.subarray(first, first + this.#side);
      return [Math.min(...last), Math.max(...last) + taps.taps] as const;
    };
    const [top, bottom] = span(rows, row);
    const [left, right] = span(columns, column);
    const width = right - left;
    const group = Math.max(1, Math.floor(ROWS_BYTES / (width * this.#bands * 4)));
    if (this.#values.length < group * width * this.#bands) {
      this.#values = new Float32Array(group * width * this.#bands);
      this.#valid = new Uint8Array(group * width);
    }
    this.coarse.fill(0);
    this.#weight.fill(0);
    for (let y = top; y < bottom; y += group) {
      const height = Math.min(group, bottom - y);
      this.#grid.read({ y, x: left, height, width }, this.#values, this.#valid);
      for (let line = 0; line < height; line++) {
        this.#copyRow(line * width, y + line - FACTOR * row, FACTOR * column - left);
        this.#spreadRow(line * width, y + line, left, row, column);
      }
    }
    this.#finish();
  }

  /** Puts a row of the window into the patch, if it is one of the patch's. */
  #copyRow(from: number, y: number, x: number): void {
    if (y < 0 || y >= this.size) return;
    const bands = this.#bands;
    const first = from + x;
    this.fine.set(this.#values.subarray(first * bands, (first + this.size) * bands), y * this.size * bands);
    this.fineValid.set(this.#valid.subarray(first, first + this.size), y * this.size);
  }

  /** Adds a row of the window to the coarse pixels it belongs to: across first, then down. */
  #spreadRow(from: number, y: number, left: number, row: number, column: number): void {
    const [rows, columns] = [this.#rows, this.#columns];
    const [bands, side] = [this.#bands, this.#side];
    const shares: [coarse: number, weight: number][] = [];
    for (let i = 0; i < side; i++) {
      const tap = y - rows.start[row + i]!;
      const weight = tap >= 0 && tap < rows.taps ? rows.weight[(row + i) * rows.taps + tap]! : 0;
      if (weight !== 0) shares.push([i, weight]);
    }
    if (shares.length === 0) return;
    const sum = new Float64Array(bands);
    for (let j = 0; j < side; j++) {
      const weights = weighPixels(columns, column + j, this.#values, this.#valid, from - left, sum);
      for (const [i, weight] of shares) {
        const pixel = i * side + j;
        this.#weight[pixel]! += weight * weights;
        const at = pixel * bands;
        for (let b = 0; b < bands; b++) this.coarse[at + b]! += weight * sum[b]!;
      }
    }
  }

  #finish(): void {
    const bands = this.#bands;
    for (let pixel = 0; pixel < this.#weight.length; pixel++) {
      const weight = this.#weight[pixel]!;
      const valid = weight >= LEAST_VALID_WEIGHT - TINY;
      this.coarseValid[pixel] = valid ? 1 : 0;
      for (let at = pixel * bands; at < (pixel + 1) * bands; at++)
        this.coarse[at] = valid ? this.coarse[at]! / weight : 0;
    }
  }
}
