/** What a scene takes in memory, so that a limit is kept or refused before anything is read. */
import { formatBytes } from '../base/bytes.js';
import { BandliftError, EXIT } from '../base/errors.js';
import type { LineScene } from '../scenes/line_scene.js';
import { FACTOR, type FineGrid } from './fine_grid.js';
import { readerBytes } from './pair_reader.js';
import { stripBytes } from './patch_grid.js';
import { tileBytes } from './spectral_pairs.js';

const MIB = 2 ** 20;
/** Node itself, and what each thread adds: its heap, the HDF5 library, the reader's buffers (measured; see test/prepare/memory.test.ts). */
export const PROCESS_BYTES = 80 * MIB;
const THREAD_BYTES = 128 * MIB;
/** Copies of a patch in the HDF5 library's memory, which does not shrink: the values, and their chunks being compressed. */
const LIBRARY_COPIES = 1.5;

/**
 * Bytes for patches of `side` coarse pixels, in a thread.
 * @param resampled bands that spectra are brought to, 0: the scene's own are stored
 */
export function sceneBytes(scene: LineScene, grid: FineGrid, side: number, resampled = 0): number {
  const pixels = (FACTOR * side) ** 2 + side * side;
  const patch = (FACTOR * side) ** 2 * (resampled || scene.bands) * 4;
  return (
    pixels * resampled * 4 +
    THREAD_BYTES +
    scene.workBytes +
    readerBytes(side, scene.bands) +
    LIBRARY_COPIES * patch +
    stripBytes(grid, side) +
    grid.workBytes
  );
}

/** Throws a BandliftError where a scene does not fit into `limit` bytes, with what would. */
export function checkMemory(
  scene: LineScene,
  grid: FineGrid,
  side: number,
  limit: number | undefined,
  resampled = 0,
): void {
  const bytes = sceneBytes(scene, grid, side, resampled);
  if (limit === undefined || bytes <= limit) return;
  let fits = side - 2;
  while (fits >= 2 && sceneBytes(scene, grid, fits, resampled) > limit) fits -= 2;
  throw new BandliftError(
    'does not fit into the memory allowed for it',
    {
      file: scene.path,
      field: 'max-memory',
      // below 0 when the process itself already takes more than the limit
      found:
        limit > 0 ? `${formatBytes(limit)} for this scene` : 'nothing left for this scene beside the program itself',
      expected: `at least ${formatBytes(bytes)} for patches of ${side} Landsat pixels`,
      hint: `raise the limit by ${formatBytes(bytes - limit)}, use fewer --workers${fits >= 2 ? `, or --patch ${fits}` : ''}`,
    },
    EXIT.outOfMemory,
  );
}

/** Bytes for tiles of `side` pixels of one grid. Throws a BandliftError where these are more than `limit`. */
export function tiledBytes(
  scene: LineScene,
  grid: FineGrid,
  side: number,
  inBands: number,
  limit: number | undefined,
  resampled = 0,
): number {
  const patch = side * side * ((resampled || scene.bands) + inBands) * 4;
  const fixed = THREAD_BYTES + scene.workBytes + grid.workBytes + side * side * resampled * 4;
  const bytes = fixed + tileBytes(side, scene.bands, inBands) + LIBRARY_COPIES * patch + side * grid.width;
  if (limit !== undefined && bytes > limit)
    throw new BandliftError(
      'does not fit into the memory allowed for it',
      {
        file: scene.path,
        field: 'max-memory',
        found: `${formatBytes(Math.max(0, limit))} for this scene`,
        expected: `at least ${formatBytes(bytes)} for tiles of ${side} pixels`,
        hint: 'raise the limit, use fewer --workers, or a smaller --tile',
      },
      EXIT.outOfMemory,
    );
  return bytes;
}
