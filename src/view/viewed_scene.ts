/** One open scene of the viewer: what it is, its tiles, its stretches and its spectra. */
import { BandliftError } from '../base/errors.js';
import { crsName } from '../raster/crs.js';
import type { Window } from '../raster/types.js';
import type { Scene } from '../scenes/types.js';
import { sampleBands } from './band_samples.js';
import { type Spectrum, spectrumOf } from './spectrum.js';
import { TileCache } from './tile_cache.js';

/** Side of a tile in pixels. */
export const TILE = 256;
/** Values of tiles that are kept, over all scenes. */
const CACHE_BYTES = 96 * 2 ** 20;
/** Rows and columns of the sample that a stretch is made from. */
const STRETCH_SIDE = 96;
/** Shares of the sample that a stretch may be made from. */
export const SHARES = [0, 0.005, 0.02, 0.05, 0.5, 0.95, 0.98, 0.995, 1];

export type Role = 'scene' | 'truth' | 'uncertainty';

export interface Tile {
  readonly width: number;
  readonly height: number;
  /** [height, width, bands]; NaN = no data. */
  readonly values: Float32Array;
}

export const tileCache = () => new TileCache(CACHE_BYTES);

export class ViewedScene {
  readonly id: number;
  readonly role: Role;
  readonly scene: Scene;
  readonly #cache: TileCache;
  readonly #stretches = new Map<number, Promise<number[]>>();
  #work: Promise<unknown> = Promise.resolve();

  constructor(id: number, role: Role, scene: Scene, cache: TileCache) {
    this.id = id;
    this.role = role;
    this.scene = scene;
    this.#cache = cache;
  }

  /** Levels of tiles: at level n one pixel stands for 2^n x 2^n, and the whole scene fits a tile at the last. */
  get levels(): number {
    return 1 + Math.max(0, Math.ceil(Math.log2(Math.max(this.scene.width, this.scene.height) / TILE)));
  }

  /** What the page is told. @param name by which the scene is told from the others */
  describe(name: string): Record<string, unknown> {
    const { scene } = this;
    const list = (values: ArrayLike<number> | undefined) => values && Array.from(values);
    return {
      id: this.id,
      role: this.role,
      name,
      path: scene.path,
      kind: scene.kind,
      sensor: scene.sensor,
      height: scene.height,
      width: scene.width,
      bands: scene.bands,
      levels: this.levels,
      wavelength: list(scene.wavelength),
      fwhm: list(scene.fwhm),
      goodBands: list(scene.goodBands),
      bandNames: scene.bandNames,
      units: scene.units,
      geotransform: scene.georeference?.geotransform,
      crs: scene.georeference && crsName(scene.georeference.crsWkt),
      warnings: scene.warnings,
    };
  }

  /** One piece of work at a time for each scene: a scene reads into buffers of its own, and memory stays bounded. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#work.then(work);
    this.#work = result.catch(() => {});
    return result;
  }

  /** Throws a BandliftError for a tile or band that is not there. */
  async tile(level: number, x: number, y: number, bands: readonly number[]): Promise<Tile> {
    this.#checkBands(bands);
    const step = 2 ** level;
    if (!(level >= 0 && level < this.levels && x >= 0 && y >= 0))
      throw new BandliftError('no such tile', {
        file: this.scene.path,
        found: `level ${level}, ${x}, ${y}`,
        expected: `levels 0 to ${this.levels - 1}`,
      });
    const [xs, ys] = [positions(x, step, this.scene.width), positions(y, step, this.scene.height)];
    if (xs.length === 0 || ys.length === 0)
      throw new BandliftError('the tile lies outside the scene', {
        file: this.scene.path,
        found: `level ${level}, ${x}, ${y}`,
      });
    const key = `${this.id} ${level} ${x} ${y} ${bands.join()}`;
    const values = await this.#cache.get(key, () => this.#inTurn(() => sampleBands(this.scene, ys, xs, bands)));
    return { width: xs.length, height: ys.length, values };
  }

  #checkBands(bands: readonly number[]): void {
    for (const band of bands)
      if (!(band >= 0 && band < this.scene.bands))
        throw new BandliftError('no such band', {
          file: this.scene.path,
          found: band,
          expected: `0 to ${this.scene.bands - 1}`,
        });
  }

  /** Values of a band at SHARES of its sorted values, over a sample of the whole scene. */
  stretch(band: number): Promise<number[]> {
    this.#checkBands([band]);
    let found = this.#stretches.get(band);
    if (found === undefined) {
      found = this.#inTurn(() => this.#quantiles(band));
      this.#stretches.set(band, found);
      found.catch(() => this.#stretches.delete(band));
    }
    return found;
  }

  async #quantiles(band: number): Promise<number[]> {
    const ys = spread(this.scene.height);
    const values = (await sampleBands(this.scene, ys, spread(this.scene.width), [band]))
      .filter((v) => Number.isFinite(v))
      .sort();
    if (values.length === 0) return SHARES.map((share) => share);
    return SHARES.map((share) => values[Math.round(share * (values.length - 1))]!);
  }

  spectrum(window: Window): Promise<Spectrum> {
    return this.#inTurn(() => spectrumOf(this.scene, window));
  }

  close(): Promise<void> {
    return this.scene.close();
  }
}

/** Middles of the pixels of a tile, in a scene's pixels. */
function positions(tile: number, step: number, size: number): number[] {
  const found: number[] = [];
  for (let i = 0; i < TILE; i++) {
    const first = (tile * TILE + i) * step;
    if (first >= size) break;
    found.push(Math.min(size - 1, first + (step >> 1)));
  }
  // evenly spaced to the end: what is left of a last pixel counts for nothing
  if (found.length > 1 && found[found.length - 1]! - found[found.length - 2]! !== step) found.pop();
  return found;
}

/** Evenly spaced positions over a side. */
function spread(size: number): number[] {
  const step = Math.max(1, Math.ceil(size / STRETCH_SIDE));
  return Array.from({ length: Math.ceil((size - (step >> 1)) / step) }, (_, i) => i * step + (step >> 1));
}
