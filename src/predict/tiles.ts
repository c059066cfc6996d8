/** The grid of tiles over a scene, and which part of every other grid belongs to a tile. */
import type { Layout, Region } from '../tiling/footprint.js';

export interface TileGrid {
  /** Of the scene, in pixels. */
  readonly height: number;
  readonly width: number;
  readonly tileHeight: number;
  readonly tileWidth: number;
  readonly rows: number;
  readonly columns: number;
}

export function makeGrid(height: number, width: number, tileHeight: number, tileWidth: number): TileGrid {
  const [th, tw] = [Math.min(tileHeight, height), Math.min(tileWidth, width)];
  return { height, width, tileHeight: th, tileWidth: tw, rows: Math.ceil(height / th), columns: Math.ceil(width / tw) };
}

export const tileCount = (grid: TileGrid): number => grid.rows * grid.columns;

/** Pixels of the scene that tile `index` stands for; row by row from the upper left. */
export function tileRegion(grid: TileGrid, index: number): Region {
  const { height, width, tileHeight, tileWidth, columns } = grid;
  const [row, column] = [Math.floor(index / columns), index % columns];
  const [y0, x0] = [row * tileHeight, column * tileWidth];
  return { y0, y1: Math.min(y0 + tileHeight, height), x0, x1: Math.min(x0 + tileWidth, width) };
}

/**
 * The part of a value's grid that belongs to a tile: the pixels whose centres lie in it, so that the tiles cover every pixel of
 * every grid once. Undefined where a coarse grid has no pixel for the tile.
 */
export function shareOf(grid: Pick<TileGrid, 'height' | 'width'>, layout: Layout, tile: Region): Region | undefined {
  const { kind, h, w } = layout;
  const y0 = firstPixel(tile.y0, h, grid.height);
  const y1 = firstPixel(tile.y1, h, grid.height);
  const x0 = firstPixel(tile.x0, w, grid.width);
  const x1 = firstPixel(tile.x1, w, grid.width);
  if (y1 <= y0 || x1 <= x0) return undefined;
  // in raster order tiles are full rows
  return kind === 'line' ? { y0: 0, y1: 1, x0: y0 * w, x1: y1 * w } : { y0, y1, x0, x1 };
}

/** First pixel o of a grid of `size` pixels over the scene's `all` whose centre (o + 1/2) all / size is not before `v`. */
const firstPixel = (v: number, size: number, all: number): number => Math.ceil((2 * v * size - all) / (2 * all));

/** Scene pixel that holds the centre of pixel `i` of a grid of `size` pixels over the scene's `all`. */
export const parentPixel = (i: number, size: number, all: number): number =>
  Math.floor(((2 * i + 1) * all) / (2 * size));
