/**
 * Pairs for stage 1 on one grid, without any spatial degradation: the cube's spectra and what Landsat's bands see of each of
 * them. For cubes of 30 m and 60 m, which hold no finer detail, and for fine ones averaged to such a size.
 */
import { pixelToMap } from '../raster/geo.js';
import type { LineScene } from '../scenes/line_scene.js';
import type { NoiseModel } from '../spectra/oli_noise.js';
import type { BandResampling } from '../spectra/resample_bands.js';
import type { FineGrid } from './fine_grid.js';
import type { PatchOutput } from './patch_output.js';
import { addNoise, simulate } from './simulate.js';
import { intoTile, type Tile, type TileGrid } from './tiles.js';
import { PREPARE_DEFAULTS, type PrepareOptions } from './types.js';

export interface SpectralJob {
  readonly options: PrepareOptions;
  readonly scene: LineScene;
  readonly grid: FineGrid;
  /** Of the scene's bands in each band of the sensor. */
  readonly weights: readonly Float64Array[];
  readonly noise: readonly NoiseModel[];
  /** How the bands that are stored are made of the scene's. */
  readonly resampling?: BandResampling;
}

/** Spectra as they are stored. */
export function storedSpectra(
  { resampling }: Pick<SpectralJob, 'resampling'>,
  values: Float32Array,
  bands: number,
): Float32Array {
  if (resampling === undefined) return values;
  return resampling.apply(values, new Float32Array((values.length / bands) * resampling.bands));
}

/** Bytes of working memory for tiles of `side` pixels. */
export const tileBytes = (side: number, bands: number, inBands: number): number =>
  side * side * (8 * bands + 12 * inBands + 2) + 8 * side * bands;

export async function writeTiles(job: SpectralJob, tiles: TileGrid, output: PatchOutput): Promise<void> {
  const { side } = tiles;
  const { bands } = job.scene;
  const [values, valid] = [new Float32Array(side * side * bands), new Uint8Array(side * side)];
  const [aviris, mask] = [new Float32Array(side * side * bands), new Uint8Array(side * side)];
  for (const row of tiles.rows) {
    const { kept, empty, nodata } = tiles.select(row);
    await output.skip(empty, nodata);
    for (const tile of kept) {
      const window = tiles.inside(tile);
      job.grid.read(window, values, valid);
      intoTile(values, window, bands, side, aviris);
      intoTile(valid, window, 1, side, mask);
      await output.append({
        aviris: storedSpectra(job, aviris, bands),
        landsat: landsatOf(job, tile, aviris, mask, side),
        mask,
        origin: [tile.y, tile.x],
        ...placeOf(job.grid, tile),
      });
    }
  }
}

function placeOf({ georeference }: FineGrid, { y, x }: Tile): { geotransform?: number[] } {
  if (georeference === undefined) return {};
  const g = georeference.geotransform;
  const corner = pixelToMap(g, x, y);
  return { geotransform: [corner[0], g[1], g[2], corner[1], g[4], g[5]] };
}

/** Landsat's bands of a tile [side, side, bands of the sensor], row by row, 0 where not valid. */
function landsatOf(
  { options, scene, grid, weights, noise }: SpectralJob,
  tile: Tile,
  aviris: Float32Array,
  mask: Uint8Array,
  side: number,
): Float32Array {
  const length = side * scene.bands;
  const image = new Float64Array(side * side * weights.length);
  for (let row = 0; row < side; row++) {
    const spectra = Float64Array.from(aviris.subarray(row * length, (row + 1) * length));
    image.set(simulate(spectra, scene.bands, weights), row * side * weights.length);
  }
  if (noise.length > 0)
    addNoise(image, { row: tile.y, column: tile.x, side }, noise, {
      seed: options.seed ?? PREPARE_DEFAULTS.seed,
      scene: scene.name,
      columns: grid.width + side,
    });
  for (let pixel = 0; pixel < mask.length; pixel++)
    if (mask[pixel] === 0) image.fill(0, pixel * weights.length, (pixel + 1) * weights.length);
  return Float32Array.from(image);
}
