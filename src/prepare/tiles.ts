/**
 * Tiles of a grid, side by side. What is left at the right and lower edge is a tile of the same size, too, whose pixels
 * beyond the scene are not valid: nothing is dropped, and no pixel is in two tiles.
 */
import type { Window } from '../raster/types.js';
import type { FineGrid } from './fine_grid.js';

export interface Tile {
  readonly y: number;
  readonly x: number;
}

export class TileGrid {
  readonly side: number;
  /** First rows of the tiles. */
  readonly rows: readonly number[];
  readonly columns: readonly number[];
  readonly #grid: FineGrid;
  readonly #maxNodata: number;
  /** Of a row of tiles; made when it is needed. */
  #valid: Uint8Array | undefined;

  constructor(grid: FineGrid, side: number, maxNodata: number) {
    const starts = (size: number) => Array.from({ length: Math.ceil(size / side) }, (_, i) => i * side);
    this.side = side;
    this.rows = starts(grid.height);
    this.columns = starts(grid.width);
    this.#grid = grid;
    this.#maxNodata = maxNodata;
  }

  get candidates(): number {
    return this.rows.length * this.columns.length;
  }

  /** The part of a tile that lies in the scene. */
  inside({ y, x }: Tile): Window {
    const { height, width } = this.#grid;
    return { y, x, height: Math.min(this.side, height - y), width: Math.min(this.side, width - x) };
  }

  /** The tiles of one row that have data enough; shares are of the pixels in the scene. */
  select(y: number): { kept: Tile[]; empty: number; nodata: number } {
    const { width } = this.#grid;
    const { height } = this.inside({ y, x: 0 });
    this.#valid ??= new Uint8Array(this.side * width);
    const all = this.#valid;
    this.#grid.read({ y, x: 0, height, width }, undefined, all);
    const kept: Tile[] = [];
    let empty = 0;
    for (const x of this.columns) {
      const end = x + this.inside({ y, x }).width;
      let valid = 0;
      for (let row = 0; row < height; row++) for (let c = x; c < end; c++) valid += all[row * width + c]!;
      const pixels = height * (end - x);
      if (valid === 0) empty++;
      else if (pixels - valid <= this.#maxNodata * pixels) kept.push({ y, x });
    }
    return { kept, empty, nodata: this.columns.length - empty - kept.length };
  }
}

/** A window of the scene with `bands` values a pixel as the first rows and columns of a tile; 0 elsewhere. */
export function intoTile<T extends Float32Array | Uint8Array>(
  values: T,
  { height, width }: Window,
  bands: number,
  side: number,
  tile: T,
): T {
  tile.fill(0);
  for (let row = 0; row < height; row++)
    tile.set(values.subarray(row * width * bands, (row + 1) * width * bands) as T & Float32Array, row * side * bands);
  return tile;
}
