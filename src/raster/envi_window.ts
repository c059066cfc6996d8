/**
 * Windows of an ENVI cube as pixels: chosen bands in a chosen order, physical units, and which pixels have data. Reads the
 * rows it needs and no others; where the pixels of a row lie far apart in the file (bands apart), only their pieces.
 */
import type { EnviCube } from './envi_cube.js';
import { DATA_TYPES } from './envi_header.js';
import { EnviSpans, SPAN_VALUES } from './envi_spans.js';

export interface WindowBands {
  /** Numbers of the stored bands, in the order wanted. */
  readonly stored: Int32Array;
  /** For each of them: 0 = carries no data, its values are 0 and say nothing about a pixel. */
  readonly good: Uint8Array;
  /** Stored values that mean "no data", at most four. */
  readonly fills: readonly number[];
  /** Stored value = physical value * scale. */
  readonly scale: number;
  /** A pixel has no data where none of its values is above this (and other than 0). */
  readonly lowest: number;
}

/**
 * No number of a scene is as large as this; fill values are: the ends of float32 and float64 as they are or in a few digits
 * (-3.4028235e38, -3.4e38, 1e30 of other programs). They are no data whatever the header says.
 */
export const LARGEST_VALUE = 1e30;

/** All bands as they are stored. */
export const everyBand = (bands: number): WindowBands => ({
  stored: Int32Array.from({ length: bands }, (_, b) => b),
  good: new Uint8Array(bands).fill(1),
  fills: [],
  scale: 1,
  lowest: Number.NEGATIVE_INFINITY,
});

/** A gap up to here is cheaper to read over than to skip (bytes; a system call costs about what copying this much does). */
const GAP = 16 * 1024;
/** Bytes of results that are written to again and again while bands come one after the other: they should stay in the cache. */
const GROUP = 2 * 2 ** 20;

export class EnviWindows {
  readonly #spans: EnviSpans;
  readonly #bands: WindowBands;
  readonly #lines: number;
  readonly #samples: number;
  readonly #stored: number;
  readonly #interleave: 'bil' | 'bip' | 'bsq';
  readonly #size: number;
  readonly #raw: boolean;
  readonly #fills: readonly [number, number, number, number];
  /** Per pixel of the rows in work: whether any good band has light. */
  #lit = new Uint8Array(0);

  /** @param raw values as they are stored, fills included, and no account of validity */
  constructor(cube: EnviCube, bands: WindowBands, raw = false) {
    const { lines, samples, bands: stored, interleave, dataType } = cube.header;
    this.#spans = EnviSpans.open(cube, Math.min(Math.max(SPAN_VALUES, stored), lines * samples * stored), !raw);
    this.#raw = raw;
    this.#bands = bands;
    this.#lines = lines;
    this.#samples = samples;
    this.#stored = stored;
    this.#interleave = interleave;
    this.#size = DATA_TYPES[dataType].bytes;
    // NaN equals nothing; values come as float32, and so rounded the ignore value of a header equals that of its file
    const [a = Number.NaN, b = Number.NaN, c = Number.NaN, d = Number.NaN] = bands.fills.map(Math.fround);
    this.#fills = [a, b, c, d];
  }

  close(): void {
    this.#spans.close();
  }

  /**
   * Pixels [y, y + height) x [x, x + width), which must lie inside the cube.
   * @param values [height, width, bands] in physical units, 0 where not valid and in bad bands; left out: validity alone
   * @param valid [height, width]; 1 where every good band is finite and no fill, and at least one of them has light
   */
  read(y: number, x: number, height: number, width: number, values: Float32Array | undefined, valid: Uint8Array): void {
    const bands = this.#bands.stored.length;
    values?.fill(0, 0, height * width * bands);
    valid.fill(1, 0, height * width);
    const rows = Math.max(1, Math.min(height, Math.floor(GROUP / (width * bands * 4)), SPAN_VALUES));
    if (this.#lit.length < rows * width) this.#lit = new Uint8Array(rows * width);
    for (let top = 0; top < height; top += rows) {
      const count = Math.min(rows, height - top);
      const [from, to] = [top * width, (top + count) * width];
      const out = values?.subarray(from * bands, to * bands);
      const ok = valid.subarray(from, to);
      this.#lit.fill(0, 0, to - from);
      for (let row = 0; row < count; ) row += this.#rows(y + top + row, x, count - row, width, row, out, ok);
      if (!this.#raw) this.#finish(out, ok, bands);
    }
  }

  /** Reads as many rows at once as lie together; how many. */
  #rows(
    y: number,
    x: number,
    count: number,
    width: number,
    row: number,
    out: Float32Array | undefined,
    ok: Uint8Array,
  ): number {
    if (this.#interleave === 'bip') this.#pixelRow(y, x, width, row * width, out, ok);
    else if (this.#interleave === 'bil' && this.#lineAtOnce(width)) this.#line(y, x, width, row * width, out, ok);
    else if (this.#interleave === 'bil') this.#bandRows(y, x, 1, width, row * width, out, ok);
    else {
      this.#bandRows(y, x, count, width, row * width, out, ok);
      return count;
    }
    return 1;
  }

  #lineAtOnce(width: number): boolean {
    return (this.#samples - width) * this.#size <= GAP && this.#samples * this.#stored <= SPAN_VALUES;
  }

  /** One row of a BIP cube: pixels lie together. */
  #pixelRow(y: number, x: number, width: number, at: number, out: Float32Array | undefined, ok: Uint8Array): void {
    const stored = this.#stored;
    const { stored: index, good, scale, lowest } = this.#bands;
    const [f0, f1, f2, f3] = this.#fills;
    const bands = index.length;
    const most = Math.max(1, Math.floor(SPAN_VALUES / stored));
    for (let done = 0; done < width; done += most) {
      const count = Math.min(most, width - done);
      const run = this.#spans.read((y * this.#samples + x + done) * stored, count * stored);
      if (run === undefined) {
        if (this.#spans.ignored) ok.fill(0, at + done, at + done + count);
        continue;
      }
      for (let i = 0; i < count; i++) {
        const pixel = at + done + i;
        let fine = 1;
        let lit = 0;
        for (let b = 0; b < bands; b++) {
          if (good[b] === 0) continue;
          const v = run[i * stored + index[b]!]!;
          if (v === f0 || v === f1 || v === f2 || v === f3 || !(Math.abs(v) < LARGEST_VALUE)) fine = 0;
          if (v > lowest && v !== 0) lit = 1;
          if (out) out[pixel * bands + b] = v / scale;
        }
        ok[pixel] = fine;
        this.#lit[pixel] = lit;
      }
    }
  }

  /** One row of a BIL cube whose bands lie close together: the whole line at once. */
  #line(y: number, x: number, width: number, at: number, out: Float32Array | undefined, ok: Uint8Array): void {
    const samples = this.#samples;
    const run = this.#spans.read(y * samples * this.#stored, samples * this.#stored);
    if (run === undefined) {
      if (this.#spans.ignored) ok.fill(0, at, at + width);
      return;
    }
    const { stored } = this.#bands;
    for (let b = 0; b < stored.length; b++)
      this.#place(run, stored[b]! * samples + x, 1, samples, width, b, at, out, ok);
  }

  /** Rows of a cube whose bands lie apart, band after band. */
  #bandRows(
    y: number,
    x: number,
    count: number,
    width: number,
    at: number,
    out: Float32Array | undefined,
    ok: Uint8Array,
  ): void {
    const samples = this.#samples;
    const { stored, good } = this.#bands;
    // where a band's rows are next to each other in the file
    const together = this.#interleave === 'bsq' && (samples - width) * this.#size <= GAP;
    const rowsAtOnce = together ? Math.max(1, Math.min(count, Math.floor(SPAN_VALUES / samples))) : 1;
    const columns = Math.min(width, SPAN_VALUES);
    for (let b = 0; b < stored.length; b++) {
      if (good[b] === 0) continue;
      for (let row = 0; row < count; row += rowsAtOnce)
        for (let column = 0; column < width; column += columns) {
          const rows = Math.min(rowsAtOnce, count - row);
          const wide = Math.min(columns, width - column);
          const line = y + row;
          const start =
            this.#interleave === 'bsq'
              ? (stored[b]! * this.#lines + line) * samples
              : (line * this.#stored + stored[b]!) * samples;
          const run = this.#spans.read(start + x + column, (rows - 1) * samples + wide);
          const to = at + row * width + column;
          if (run) this.#place(run, 0, rows, samples, wide, b, to, out, ok, width);
          else if (this.#spans.ignored)
            for (let r = 0; r < rows; r++) ok.fill(0, to + r * width, to + r * width + wide);
        }
    }
  }

  /** Puts `rows` x `wide` values of one band, `stride` apart by row, to their pixels. */
  #place(
    run: Float32Array,
    first: number,
    rows: number,
    stride: number,
    wide: number,
    band: number,
    at: number,
    out: Float32Array | undefined,
    ok: Uint8Array,
    rowPixels = wide,
  ): void {
    if (this.#bands.good[band] === 0) return;
    const bands = this.#bands.stored.length;
    const { scale, lowest } = this.#bands;
    const [f0, f1, f2, f3] = this.#fills;
    const lit = this.#lit;
    for (let row = 0; row < rows; row++) {
      const from = first + row * stride;
      const to = at + row * rowPixels;
      for (let i = 0; i < wide; i++) {
        const v = run[from + i]!;
        if (v === f0 || v === f1 || v === f2 || v === f3 || !(Math.abs(v) < LARGEST_VALUE)) ok[to + i] = 0;
        if (v > lowest && v !== 0) lit[to + i] = 1;
        if (out) out[(to + i) * bands + band] = v / scale;
      }
    }
  }

  /** A pixel without any light has no data either; pixels without data hold 0. */
  #finish(out: Float32Array | undefined, ok: Uint8Array, bands: number): void {
    for (let pixel = 0; pixel < ok.length; pixel++) {
      if (this.#lit[pixel] === 0) ok[pixel] = 0;
      if (ok[pixel] === 0) out?.fill(0, pixel * bands, (pixel + 1) * bands);
    }
  }
}
