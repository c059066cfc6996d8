/**
 * Writes patch files: HDF5 in the documented layout (`aviris`, `landsat`, float32, gzip 4, and four attributes), so that
 * existing tools read them, plus what they lack (docs/specification.md, section 4). Patch by patch; memory is a patch or
 * two.
 *
 *   datasets    aviris (N,H,W,B)      landsat (N,H,W,C)     mask (N,H,W) uint8, 1 = valid
 *               aviris_lr (N,h,w,B)   landsat_lr (N,h,w,C)  mask_lr (N,h,w) uint8
 *               wavelength (B) nm     fwhm (B) nm           good_bands (B) uint8
 *               band_mask (N,B) uint8, 1 = good in this patch; effective_fwhm (B) nm, band_rule (B) uint8 of resampled bands
 *               origins (N,2) int32 row, column             geotransforms (N,6) float64
 *   attributes  n_patches aviris_shape landsat_shape downsampling_factor | bandlift_format units scale sensor
 *               response_hash source_scene crs_wkt nodata seed gsd lr_gsd note stage
 *
 * A cube whose wavelengths are unknown makes a file for stage 2 alone: attribute stage = 2, neither `landsat`, `landsat_lr`
 * and `landsat_shape` nor `wavelength` and `fwhm`.
 */
import { closeSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import h5wasm, { type File as Hdf5File } from 'h5wasm/node';
import { BandliftError, EXIT } from '../base/errors.js';
import { diskFullError } from '../base/files.js';
import { temporaryName } from '../base/temporary_file.js';
import { GrowingDataset, type Numbers } from './growing_dataset.js';

/** Version of our additions to the layout. */
export const PATCH_FORMAT = 1;
/** Of files whose patches say which bands they have. */
const MASKED_BANDS_FORMAT = 2;
/** Side of a chunk: small enough that a crop does not inflate much more than it needs. */
const CHUNK = 64;

export interface PatchFileInfo {
  readonly height: number;
  readonly width: number;
  /** 0: no Landsat side, a file for stage 2 alone. */
  readonly inBands: number;
  readonly outBands: number;
  /** Landsat pixels are this many aviris pixels wide before they were brought to the patch grid; 1 = same grid. */
  readonly downsamplingFactor: number;
  /** nm; left out where the source does not say. */
  readonly wavelength?: Float64Array;
  readonly fwhm?: Float64Array;
  /** 1 = good; all good without it. */
  readonly goodBands?: Uint8Array;
  /** Where spectra were brought to these bands: how, and how wide the bands are; patches then say which they have. */
  readonly resampled?: { readonly rule: Uint8Array; readonly effectiveFwhm: Float64Array; readonly words: string };
  readonly units?: string;
  /** Stored value = physical value * scale. */
  readonly scale: number;
  readonly sensor?: string;
  readonly responseHash?: string;
  readonly sourceScene: string;
  readonly crsWkt?: string;
  /** The value of pixels without data, where a value and not the mask tells them. */
  readonly nodata?: number;
  readonly seed: number;
  /** Ground sample distances of `aviris` and of the *_lr datasets, m. */
  readonly gsd?: number;
  readonly lrGsd?: number;
  /** Size of `landsat_lr`, when patches carry one. */
  readonly lowResolution?: { readonly height: number; readonly width: number };
  /** Whether patches carry `aviris_lr` and `mask_lr` of that size. */
  readonly degraded?: boolean;
  /** Whether patches carry a mask. */
  readonly masked?: boolean;
  /** What a reader of the file should know, in words. */
  readonly note?: string;
}

export interface WrittenPatch {
  /** [height, width, outBands] */
  readonly aviris: Float32Array;
  /** [height, width, inBands]; left out when inBands is 0. */
  readonly landsat?: Float32Array;
  /** [lowResolution.height, lowResolution.width, inBands] */
  readonly landsatLr?: Float32Array;
  /** [lowResolution.height, lowResolution.width, outBands]: what the spectrometer would see from as far as Landsat. */
  readonly avirisLr?: Float32Array;
  /** [lowResolution.height, lowResolution.width], 1 = valid. */
  readonly maskLr?: Uint8Array;
  /** [height, width], 1 = valid. */
  readonly mask?: Uint8Array;
  /** Row and column of the first pixel in the source scene. */
  readonly origin: readonly [number, number];
  /** x = g[0] + col g[1] + row g[2], y = g[3] + col g[4] + row g[5]; of every patch or of none. */
  readonly geotransform?: readonly number[];
}

const SET_NAMES = [
  'aviris',
  'landsat',
  'landsat_lr',
  'aviris_lr',
  'mask',
  'mask_lr',
  'origins',
  'geotransforms',
] as const;
type SetName = (typeof SET_NAMES)[number];

/** The datasets of a file, by what it is to hold. */
function growingSets(info: PatchFileInfo): Partial<Record<SetName, GrowingDataset>> {
  const { height, width, inBands, outBands, lowResolution: low } = info;
  const tile = [Math.min(CHUNK, height), Math.min(CHUNK, width)];
  const image = (name: SetName, bands: number) =>
    new GrowingDataset(name, [height, width, bands], '<f', [...tile, bands]);
  return {
    aviris: image('aviris', outBands),
    ...(inBands > 0 && { landsat: image('landsat', inBands) }),
    ...(low && inBands > 0 && { landsat_lr: new GrowingDataset('landsat_lr', [low.height, low.width, inBands], '<f') }),
    ...(low &&
      info.degraded && { aviris_lr: new GrowingDataset('aviris_lr', [low.height, low.width, outBands], '<f') }),
    ...(info.masked && { mask: new GrowingDataset('mask', [height, width], '<B', tile) }),
    ...(low && info.degraded && { mask_lr: new GrowingDataset('mask_lr', [low.height, low.width], '<B') }),
    origins: new GrowingDataset('origins', [2], '<i'),
    geotransforms: new GrowingDataset('geotransforms', [6], '<d'),
  };
}

/** HDF5 tells a failed write as some 25 lines of its own sources; the system's words are in one of them. */
export function writeFailure(error: Error, path: string, bytes: number): BandliftError {
  const system = /error message = '([^']+)'/.exec(error.message)?.[1];
  if (system && /no space left|file too large|quota/i.test(system)) return diskFullError(path, bytes);
  const hint = system ?? error.message.split(/\s+#00[01]:/)[0]!.trim();
  return new BandliftError('the patch file could not be written', { file: path, hint }, EXIT.failure);
}

export class PatchWriter {
  readonly path: string;
  readonly info: PatchFileInfo;
  readonly #temporary: string;
  readonly #file: Hdf5File;
  readonly #sets: Readonly<Partial<Record<SetName, GrowingDataset>>>;
  #count = 0;
  #placed: boolean | undefined;
  #open = true;

  private constructor(path: string, info: PatchFileInfo, temporary: string) {
    this.path = path;
    this.info = info;
    this.#temporary = temporary;
    this.#file = new h5wasm.File(temporary, 'w');
    this.#sets = growingSets(info);
  }

  /** Begins a temporary file beside `path`; `close` gives it its name. Errors: BandliftError when the file cannot be made. */
  static async create(path: string, info: PatchFileInfo): Promise<PatchWriter> {
    const module = await h5wasm.ready;
    module.activate_throwing_error_handler();
    const { wavelength, fwhm, goodBands } = info;
    for (const [name, list] of Object.entries({ wavelength, fwhm, goodBands }))
      if (list && list.length !== info.outBands)
        throw new Error(`${path}: ${name} has ${list.length} entries for ${info.outBands} bands`);
    const temporary = temporaryName(path);
    try {
      // fails with the system's own words where HDF5 would print a stack
      closeSync(openSync(temporary, 'wx'));
      return new PatchWriter(path, info, temporary);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw new BandliftError(
        'the patch file cannot be written',
        { file: path, hint: (error as Error).message },
        EXIT.failure,
      );
    }
  }

  /** Patches written so far. */
  get count(): number {
    return this.#count;
  }

  append(patch: WrittenPatch): void {
    const data: Partial<Record<SetName, Numbers>> = {
      aviris: patch.aviris,
      origins: Int32Array.from(patch.origin),
      ...(patch.geotransform && { geotransforms: Float64Array.from(patch.geotransform) }),
      ...(patch.landsat && { landsat: patch.landsat }),
      ...(patch.landsatLr && { landsat_lr: patch.landsatLr }),
      ...(patch.avirisLr && { aviris_lr: patch.avirisLr }),
      ...(patch.mask && { mask: patch.mask }),
      ...(patch.maskLr && { mask_lr: patch.maskLr }),
    };
    for (const name of SET_NAMES) {
      // whether there are map positions shows with the first patch
      const wanted = name === 'geotransforms' ? (this.#placed ?? data[name] !== undefined) : this.#sets[name];
      if ((data[name] !== undefined) !== Boolean(wanted))
        throw new Error(`${this.path}: ${name} for every patch or for none`);
    }
    this.#placed = data.geotransforms !== undefined;
    this.#guard(() => {
      for (const name of SET_NAMES) {
        const values = data[name];
        if (values) this.#sets[name]!.append(this.#file, values);
      }
    });
    this.#count++;
  }

  /** Writes lists and attributes, closes, flushes to the disk and renames. Without a patch there is no file. */
  close(): void {
    if (this.#count === 0) {
      this.discard();
      throw new BandliftError('no patch was written', { file: this.path });
    }
    this.#guard(() => {
      this.#describe();
      this.#open = false;
      if (this.#file.close() < 0) throw new Error('HDF5 could not close the file');
      const handle = openSync(this.#temporary, 'r+');
      try {
        fsyncSync(handle);
      } finally {
        closeSync(handle);
      }
      renameSync(this.#temporary, this.path);
    });
  }

  /** Gives up: removes what was written. Nothing to do after `close` or a failed write. */
  discard(): void {
    if (!this.#open) return;
    this.#open = false;
    try {
      this.#file.close();
    } finally {
      rmSync(this.#temporary, { force: true });
    }
  }

  /** Of the patches so far and the next, not compressed. */
  #bytes(): number {
    const { height, width, inBands, outBands } = this.info;
    return (this.#count + 1) * height * width * (inBands + outBands) * 4;
  }

  #describe(): void {
    const { info } = this;
    const file = this.#file;
    const bands = info.outBands;
    const { wavelength, fwhm } = info;
    for (const [name, data] of Object.entries({ wavelength, fwhm }))
      if (data) file.create_dataset({ name, data, shape: [bands], dtype: '<d' });
    const good = info.goodBands ?? new Uint8Array(bands).fill(1);
    file.create_dataset({ name: 'good_bands', data: good, shape: [bands], dtype: '<B' });
    const { resampled } = info;
    if (resampled) {
      const all = new Uint8Array(this.#count * bands);
      for (let p = 0; p < this.#count; p++) all.set(good, p * bands);
      file.create_dataset({ name: 'band_mask', data: all, shape: [this.#count, bands], dtype: '<B' });
      file.create_dataset({ name: 'band_rule', data: resampled.rule, shape: [bands], dtype: '<B' });
      file.create_dataset({ name: 'effective_fwhm', data: resampled.effectiveFwhm, shape: [bands], dtype: '<d' });
    }
    const shape = (channels: number) => BigInt64Array.from([info.height, info.width, channels], BigInt);
    file.create_attribute('n_patches', BigInt64Array.of(BigInt(this.#count)), [], '<q');
    file.create_attribute('aviris_shape', shape(bands), [3], '<q');
    if (info.inBands > 0) file.create_attribute('landsat_shape', shape(info.inBands), [3], '<q');
    else file.create_attribute('stage', 2, [], '<i');
    file.create_attribute('bandlift_format', resampled ? MASKED_BANDS_FORMAT : PATCH_FORMAT, [], '<i');
    file.create_attribute('seed', BigInt64Array.of(BigInt(info.seed)), [], '<q');
    const numbers = {
      downsampling_factor: info.downsamplingFactor,
      scale: info.scale,
      nodata: info.nodata,
      gsd: info.gsd,
      lr_gsd: info.lrGsd,
    };
    for (const [name, value] of Object.entries(numbers))
      if (value !== undefined) file.create_attribute(name, value, [], '<d');
    const words = {
      units: info.units,
      sensor: info.sensor,
      response_hash: info.responseHash,
      source_scene: info.sourceScene,
      crs_wkt: info.crsWkt,
      note: info.note,
      band_resampling: resampled?.words,
    };
    for (const [name, value] of Object.entries(words)) if (value !== undefined) file.create_attribute(name, value);
  }

  /** A failure of HDF5 (a full disk, most often) leaves no half-written file. */
  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      try {
        this.discard();
      } catch {
        // the first error is the one to tell
      }
      rmSync(this.#temporary, { force: true });
      if (error instanceof BandliftError) throw error;
      throw writeFailure(error as Error, this.path, this.#bytes());
    }
  }
}
