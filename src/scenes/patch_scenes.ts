/** Patch files as scenes: each patch is a small raster of its own, with its place on the ground where the file says it. */
import type { File as Hdf5File } from 'h5wasm/node';
import { BandliftError } from '../base/errors.js';
import { describeArray, findDataset, hasMask, type StoredArray } from '../data/hdf5_dataset.js';
import {
  checkStillWhole,
  FLAGS,
  goodBandsOf,
  list,
  numberAttribute,
  scaleOf,
  sceneOf,
  textAttribute,
} from '../data/hdf5_fields.js';
import { openHdf5, readBox, reason } from '../data/hdf5_library.js';
import { checkWindow, type Geotransform, refine } from '../raster/geo.js';
import type { GeoReference, Window } from '../raster/types.js';
import { toNanometres } from '../spectra/units.js';
import type { Pixels, Scene } from './types.js';

export interface PatchSceneOptions {
  /**
   * Which images: `landsat_lr` (native 30 m grid) where the file has it, else `landsat` (the same on the fine grid), is the
   * default; `aviris_lr` and `aviris` for a prediction of stage 2 alone.
   */
  readonly dataset?: 'landsat_lr' | 'landsat' | 'aviris_lr' | 'aviris';
}

/** What all patches of a file share. */
interface PatchImages {
  readonly path: string;
  readonly file: Hdf5File;
  readonly bytes: number;
  readonly dataset: string;
  readonly images: StoredArray;
  /** Whether the file has a `mask` on the grid of the images. */
  readonly masked: boolean;
  /** Stored value = physical value * scale. */
  readonly scale: number;
  readonly nodata: number | undefined;
  /** Scenes that are not closed. */
  open: number;
}

class PatchScene implements Scene {
  readonly path: string;
  readonly name: string;
  readonly height: number;
  readonly width: number;
  readonly bands: number;
  readonly georeference?: GeoReference;
  readonly units?: string;
  readonly wavelength?: Float64Array;
  readonly fwhm?: Float64Array;
  readonly goodBands?: Uint8Array;
  readonly sensor?: string;
  readonly warnings: readonly string[];
  readonly #shared: PatchImages;
  readonly #patch: number;
  #open = true;

  constructor(shared: PatchImages, patch: number, name: string, about: Partial<Scene>) {
    this.#shared = shared;
    this.#patch = patch;
    this.path = shared.path;
    this.name = name;
    [, this.height, this.width, this.bands] = shared.images.shape;
    this.warnings = [];
    Object.assign(this, about);
  }

  async read(window: Window): Promise<Pixels> {
    const { file, path, dataset, images, masked, scale, nodata } = this.#shared;
    checkWindow(window, this.height, this.width, path);
    checkStillWhole(path, this.#shared.bytes);
    const { y, x, height, width } = window;
    const stored = readBox(file, path, dataset, images.type, [this.#patch, y, x, 0], [1, height, width, this.bands]);
    // out of the library's memory, which the next call takes again
    const values = new Float32Array(stored.length);
    const valid = new Uint8Array(height * width).fill(1);
    const fill = nodata === undefined ? Number.NaN : Math.fround(nodata);
    for (let p = 0, i = 0; p < valid.length; p++)
      for (let b = 0; b < this.bands; b++, i++) {
        const value = Math.fround(stored[i]!);
        if (value === fill || value - value !== 0) valid[p] = 0;
        else values[i] = value / scale;
      }
    if (masked) {
      const flags = readBox(file, path, 'mask', FLAGS, [this.#patch, y, x], [1, height, width]);
      for (let p = 0; p < valid.length; p++) if (flags[p] === 0) valid[p] = 0;
    }
    for (let p = 0; p < valid.length; p++) if (valid[p] === 0) values.fill(0, p * this.bands, (p + 1) * this.bands);
    return { values, valid };
  }

  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    this.#shared.open--;
    if (this.#shared.open === 0) this.#shared.file.close();
  }
}

function nanometres(centres: Float64Array, path: string): Float64Array {
  try {
    return toNanometres(centres);
  } catch (error) {
    throw error instanceof BandliftError ? new BandliftError(error.message, { file: path }) : error;
  }
}

function choose(file: Hdf5File, path: string, wanted: PatchSceneOptions['dataset']): string {
  const candidates = wanted === undefined ? ['landsat_lr', 'landsat'] : [wanted];
  const name = candidates.find((candidate) => findDataset(file, path, candidate));
  if (name !== undefined) return name;
  throw new BandliftError(`dataset '${candidates.join("' or '")}' is missing`, {
    file: path,
    found: file.keys().slice(0, 12).join(', ') || 'nothing',
    expected: 'a patch file, as bandlift prepare writes it',
  });
}

/** The place of every patch's images: `geotransforms` is that of the fine grid. */
function placesOf(file: Hdf5File, path: string, images: StoredArray, fineHeight: number | undefined): GeoReference[] {
  const [patches, height] = images.shape;
  const places = list(file, path, 'geotransforms', [patches, 6]);
  if (places === undefined || fineHeight === undefined) return [];
  const crsWkt = textAttribute(file, 'crs_wkt');
  const factor = numberAttribute(file, path, 'downsampling_factor') ?? 1;
  // 255 px of 4 m are 34 px of 30 m exactly; other sizes leave a part of a coarse pixel over
  const coarse = Math.abs(fineHeight / factor - height) < 1 ? factor : fineHeight / height;
  const ratio = height === fineHeight ? 1 : coarse;
  return Array.from({ length: patches }, (_, n) => {
    const geotransform = places.subarray(6 * n, 6 * n + 6) as unknown as Geotransform;
    const place: GeoReference = {
      geotransform: Array.from(geotransform) as unknown as Geotransform,
      ...(crsWkt === undefined ? {} : { crsWkt }),
    };
    return ratio === 1 ? place : refine(place, 1, ratio);
  });
}

function describe(file: Hdf5File, path: string, bytes: number, wanted: PatchSceneOptions['dataset']): Scene[] {
  const dataset = choose(file, path, wanted);
  const images = describeArray(file, path, bytes, dataset);
  const [patches, height, width, bands] = images.shape;
  const fine = ['aviris', 'landsat'].find((name) => findDataset(file, path, name));
  const fineShape = fine === undefined ? undefined : describeArray(file, path, bytes, fine).shape;
  // a mask is of the fine grid
  const grid = [patches, ...(fineShape ?? images.shape).slice(1, 3)];
  const masked = hasMask(file, path, 'mask', grid) && grid.join() === [patches, height, width].join();
  const shared: PatchImages = {
    path,
    file,
    bytes,
    dataset,
    images,
    masked,
    scale: scaleOf(file, path) ?? 1,
    nodata: numberAttribute(file, path, 'nodata'),
    open: patches,
  };
  const units = textAttribute(file, 'units');
  const about: { -readonly [K in keyof Scene]?: Scene[K] } = units === undefined ? {} : { units };
  if (dataset.startsWith('aviris')) {
    const centres = list(file, path, 'wavelength', [bands]);
    const widths = list(file, path, 'fwhm', [bands]);
    const good = goodBandsOf(file, path, bands);
    if (centres) about.wavelength = nanometres(centres, path);
    if (centres && widths) about.fwhm = widths.map((w) => (w * about.wavelength![0]!) / centres[0]!);
    if (good) about.goodBands = good;
  } else {
    const sensor = textAttribute(file, 'sensor');
    if (sensor !== undefined) about.sensor = sensor;
  }
  const places = placesOf(file, path, images, fineShape?.[1]);
  if (places.length === 0) about.warnings = ['the patches do not say where on the ground they lie'];
  const scene = sceneOf(file, path);
  const digits = Math.max(3, String(patches - 1).length);
  return Array.from({ length: patches }, (_, n) => {
    const place = places[n];
    const name = `${scene}_patch${String(n).padStart(digits, '0')}`;
    return new PatchScene(shared, n, name, place === undefined ? about : { ...about, georeference: place });
  });
}

/**
 * Opens every patch of a file; the file is closed with the last of them. Only headers and small lists are read.
 * Errors: BandliftError naming file and dataset.
 */
export async function openPatchScenes(path: string, options: PatchSceneOptions = {}): Promise<Scene[]> {
  const { file, bytes } = await openHdf5(path);
  try {
    return describe(file, path, bytes, options.dataset);
  } catch (error) {
    file.close();
    if (error instanceof BandliftError) throw error;
    throw new BandliftError(`cannot be read: ${reason(error)}`, {
      file: path,
      hint: 'the file is damaged or incomplete',
    });
  }
}
