/** Where patches lie in a scene, and which of them have data enough. Reads validity alone: cheap where a line is empty. */
import { BandliftError, EXIT } from '../base/errors.js';
import { coarseSize } from '../resample/ratio.js';
import { FACTOR, type FineGrid, RATIO } from './fine_grid.js';
import { DEFAULT_SIDE } from './types.js';

/** A patch that is kept: its first coarse pixel. */
export interface PatchPlace {
  readonly row: number;
  readonly column: number;
}

/**
 * Side of the patches in coarse pixels: the one asked for, or 34, or where the scene is smaller than that the largest even
 * number that fits. Errors: BandliftError where the scene is too small.
 */
export function patchSide(grid: FineGrid, asked: number | undefined, path: string): { side: number; note?: string } {
  const largest = Math.min(coarseSize(grid.height, RATIO), coarseSize(grid.width, RATIO));
  const size = `${grid.height} x ${grid.width} pixels`;
  const fail = (side: number): never => {
    throw new BandliftError('the scene is smaller than one patch', {
      file: path,
      found: size,
      expected: `at least ${FACTOR * side} x ${FACTOR * side} (${side} coarse pixels of ${FACTOR})`,
      hint:
        largest >= 2
          ? `use --patch ${largest - (largest % 2)} or less`
          : `no patch fits${grid.resampled ? '; --keep-gsd takes its own pixels' : ''}`,
    });
  };
  if (asked !== undefined) return asked > largest ? fail(asked) : { side: asked };
  if (largest >= DEFAULT_SIDE) return { side: DEFAULT_SIDE };
  if (largest < 2) return fail(2);
  const side = largest - (largest % 2);
  return { side, note: `${path}: ${size} hold no patch of ${DEFAULT_SIDE} coarse pixels; patches are of ${side}` };
}

/** Throws unless a number of coarse pixels is even: only then do fine pixels begin where coarse ones do. */
export function checkEven(value: number, field: string): void {
  if (!Number.isInteger(value) || value < 2 || value % 2 !== 0)
    throw new BandliftError(
      'must be an even number of Landsat pixels, since two of them are 15 fine ones',
      { field, found: value, expected: '2, 4, 6, ...' },
      EXIT.usage,
    );
}

/** Starts 0, stride, 2 stride, ... in `size` coarse pixels: those whose patch lies inside, and how many stick out. */
function starts(size: number, side: number, stride: number): { inside: number[]; outside: number } {
  const all = Array.from({ length: Math.ceil(size / stride) }, (_, i) => i * stride);
  const inside = all.filter((start) => start + side <= size);
  return { inside, outside: all.length - inside.length };
}

export class PatchGrid {
  readonly side: number;
  readonly stride: number;
  /** Rows of patches, by their first coarse row. */
  readonly rows: readonly number[];
  readonly columns: readonly number[];
  readonly candidates: number;
  readonly outside: number;
  readonly #grid: FineGrid;
  /** Of a row of patches; made when it is needed. */
  #valid: Uint8Array | undefined;
  readonly #maxNodata: number;

  constructor(grid: FineGrid, side: number, stride: number, maxNodata: number) {
    const down = starts(coarseSize(grid.height, RATIO), side, stride);
    const across = starts(coarseSize(grid.width, RATIO), side, stride);
    this.side = side;
    this.stride = stride;
    this.rows = down.inside;
    this.columns = across.inside;
    this.candidates = (down.inside.length + down.outside) * (across.inside.length + across.outside);
    this.outside = this.candidates - this.rows.length * this.columns.length;
    this.#grid = grid;
    this.#maxNodata = maxNodata;
  }

  /** The patches of one row that have data enough. */
  select(row: number): { kept: PatchPlace[]; empty: number; nodata: number } {
    const { width } = this.#grid;
    const size = FACTOR * this.side;
    this.#valid ??= new Uint8Array(stripBytes(this.#grid, this.side));
    const all = this.#valid;
    this.#grid.read({ y: FACTOR * row, x: 0, height: size, width }, undefined, all);
    const kept: PatchPlace[] = [];
    let empty = 0;
    for (const column of this.columns) {
      let valid = 0;
      for (let y = 0; y < size; y++)
        for (let at = y * width + FACTOR * column, end = at + size; at < end; at++) valid += all[at]!;
      if (valid === 0) empty++;
      else if (size * size - valid <= this.#maxNodata * size * size) kept.push({ row, column });
    }
    return { kept, empty, nodata: this.columns.length - empty - kept.length };
  }
}

/** Bytes of the validity of a row of patches. */
export const stripBytes = (grid: FineGrid, side: number): number => FACTOR * side * grid.width;
