/**
 * Writes patch files: HDF5 in the documented layout (`aviris`, `landsat`, float32, gzip 4, and four attributes), so that
 * existing tools read them, plus what they lack (domain.md 4). Patch by patch; memory is a patch or two.
 *
 *   datasets    aviris (N,H,W,B)   landsat (N,H,W,C)   landsat_lr (N,h,w,C)   mask (N,H,W) uint8, 1 = valid
 *               wavelength (B) nm  fwhm (B) nm         good_bands (B) uint8   origins (N,2) int32 row, column
 *               geotransforms (N,6) float64
 *   attributes  n_patches aviris_shape landsat_shape downsampling_factor | bandlift_format units scale sensor
 *               response_hash source_scene crs_wkt nodata seed note
 */
import { closeSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import h5wasm, { type Dataset, type File as Hdf5File } from 'h5wasm/node';
import { BandliftError, EXIT } from '../errors.js';
import { diskFullError } from '../io/files.js';

/** Version of our additions to the layout. */
export const PATCH_FORMAT = 1;
const GZIP_LEVEL = 4;
/** Side of a chunk: small enough that a crop does not inflate much more than it needs. */
const CHUNK = 64;

export interface PatchFileInfo {
  readonly height: number;
  readonly width: number;
  readonly inBands: number;
  readonly outBands: number;
  /** Landsat pixels are this many aviris pixels wide before they were brought to the patch grid; 1 = same grid. */
  readonly downsamplingFactor: number;
  /** nm */
  readonly wavelength: Float64Array;
  readonly fwhm: Float64Array;
  /** 1 = good; all good without it. */
  readonly goodBands?: Uint8Array;
  readonly units: string;
  /** Stored value = physical value * scale. */
  readonly scale: number;
  readonly sensor: string;
  readonly responseHash: string;
  readonly sourceScene: string;
  readonly crsWkt: string;
  readonly nodata: number;
  readonly seed: number;
  /** Size of `landsat_lr`, when patches carry one. */
  readonly lowResolution?: { readonly height: number; readonly width: number };
  /** Whether patches carry a mask. */
  readonly masked?: boolean;
  /** What a reader of the file should know, in words. */
  readonly note?: string;
}

export interface WrittenPatch {
  /** [height, width, outBands] */
  readonly aviris: Float32Array;
  /** [height, width, inBands] */
  readonly landsat: Float32Array;
  /** [lowResolution.height, lowResolution.width, inBands] */
  readonly landsatLr?: Float32Array;
  /** [height, width], 1 = valid. */
  readonly mask?: Uint8Array;
  /** Row and column of the first pixel in the source scene. */
  readonly origin: readonly [number, number];
  /** x = g[0] + col g[1] + row g[2], y = g[3] + col g[4] + row g[5]. */
  readonly geotransform: readonly number[];
}

/** One dataset that grows along its first axis. */
class Growing {
  readonly #name: string;
  readonly #shape: readonly number[];
  readonly #dtype: string;
  readonly #chunk: readonly number[] | undefined;
  #dataset: Dataset | undefined;
  #count = 0;

  constructor(name: string, shape: readonly number[], dtype: string, chunk?: readonly number[]) {
    this.#name = name;
    this.#shape = shape;
    this.#dtype = dtype;
    this.#chunk = chunk;
  }

  append(file: Hdf5File, data: Float32Array | Float64Array | Uint8Array | Int32Array): void {
    const size = this.#shape.reduce((a, b) => a * b, 1);
    if (data.length !== size)
      throw new Error(`patch ${this.#count}, ${this.#name}: ${data.length} values, expected ${size}`);
    const n = this.#count++;
    if (this.#dataset === undefined) {
      // HDF5 through h5wasm cannot make an empty dataset: it begins with the first patch
      this.#dataset = file.create_dataset({
        name: this.#name,
        data,
        shape: [1, ...this.#shape],
        dtype: this.#dtype,
        maxshape: [null, ...this.#shape],
        chunks: [1, ...(this.#chunk ?? this.#shape)],
        compression: 'gzip',
        compression_opts: GZIP_LEVEL,
      });
      return;
    }
    this.#dataset.resize([n + 1, ...this.#shape]);
    this.#dataset.write_slice([[n, n + 1], ...this.#shape.map((side) => [0, side] as [number, number])], data);
  }
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
  readonly #file: Hdf5File;
  readonly #sets: Record<'aviris' | 'landsat' | 'origins' | 'geotransforms', Growing>;
  readonly #mask: Growing | undefined;
  readonly #lowResolution: Growing | undefined;
  #count = 0;
  #open = true;

  private constructor(path: string, info: PatchFileInfo, file: Hdf5File) {
    this.path = path;
    this.info = info;
    this.#file = file;
    const { height, width, inBands, outBands } = info;
    const tile = [Math.min(CHUNK, height), Math.min(CHUNK, width)];
    this.#sets = {
      aviris: new Growing('aviris', [height, width, outBands], '<f', [...tile, outBands]),
      landsat: new Growing('landsat', [height, width, inBands], '<f', [...tile, inBands]),
      origins: new Growing('origins', [2], '<i'),
      geotransforms: new Growing('geotransforms', [6], '<d'),
    };
    this.#mask = info.masked ? new Growing('mask', [height, width], '<B', tile) : undefined;
    const low = info.lowResolution;
    this.#lowResolution = low && new Growing('landsat_lr', [low.height, low.width, inBands], '<f');
  }

  /** Begins `path`.tmp; `close` gives it its name. Errors: BandliftError when the file cannot be made. */
  static async create(path: string, info: PatchFileInfo): Promise<PatchWriter> {
    const module = await h5wasm.ready;
    module.activate_throwing_error_handler();
    const lists = { wavelength: info.wavelength, fwhm: info.fwhm, goodBands: info.goodBands ?? info.wavelength };
    for (const [name, list] of Object.entries(lists))
      if (list.length !== info.outBands)
        throw new Error(`${path}: ${name} has ${list.length} entries for ${info.outBands} bands`);
    try {
      // fails with the system's own words where HDF5 would print a stack
      closeSync(openSync(`${path}.tmp`, 'w'));
      return new PatchWriter(path, info, new h5wasm.File(`${path}.tmp`, 'w'));
    } catch (error) {
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
    if ((patch.mask !== undefined) !== (this.#mask !== undefined))
      throw new Error(`${this.path}: a mask for every patch or for none`);
    if ((patch.landsatLr !== undefined) !== (this.#lowResolution !== undefined))
      throw new Error(`${this.path}: landsat_lr for every patch or for none`);
    this.#guard(() => {
      this.#sets.aviris.append(this.#file, patch.aviris);
      this.#sets.landsat.append(this.#file, patch.landsat);
      this.#sets.origins.append(this.#file, Int32Array.from(patch.origin));
      this.#sets.geotransforms.append(this.#file, Float64Array.from(patch.geotransform));
      if (patch.mask) this.#mask?.append(this.#file, patch.mask);
      if (patch.landsatLr) this.#lowResolution?.append(this.#file, patch.landsatLr);
    });
    this.#count++;
  }

  /** Writes lists and attributes, closes, flushes to the disk and renames. Without a patch there is no file. */
  close(): void {
    const temporary = `${this.path}.tmp`;
    if (this.#count === 0) {
      this.discard();
      throw new BandliftError('no patch was written', { file: this.path });
    }
    this.#guard(() => {
      this.#describe();
      this.#open = false;
      if (this.#file.close() < 0) throw new Error('HDF5 could not close the file');
      const handle = openSync(temporary, 'r+');
      try {
        fsyncSync(handle);
      } finally {
        closeSync(handle);
      }
      renameSync(temporary, this.path);
    });
  }

  /** Gives up: removes what was written. Nothing to do after `close` or a failed write. */
  discard(): void {
    if (!this.#open) return;
    this.#open = false;
    try {
      this.#file.close();
    } finally {
      rmSync(`${this.path}.tmp`, { force: true });
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
    file.create_dataset({ name: 'wavelength', data: info.wavelength, shape: [bands], dtype: '<d' });
    file.create_dataset({ name: 'fwhm', data: info.fwhm, shape: [bands], dtype: '<d' });
    file.create_dataset({
      name: 'good_bands',
      data: info.goodBands ?? new Uint8Array(bands).fill(1),
      shape: [bands],
      dtype: '<B',
    });
    const shape = (channels: number) => BigInt64Array.from([info.height, info.width, channels], BigInt);
    file.create_attribute('n_patches', BigInt64Array.of(BigInt(this.#count)), [], '<q');
    file.create_attribute('aviris_shape', shape(bands), [3], '<q');
    file.create_attribute('landsat_shape', shape(info.inBands), [3], '<q');
    file.create_attribute('downsampling_factor', info.downsamplingFactor, [], '<d');
    file.create_attribute('bandlift_format', PATCH_FORMAT, [], '<i');
    file.create_attribute('scale', info.scale, [], '<d');
    file.create_attribute('nodata', info.nodata, [], '<d');
    file.create_attribute('seed', BigInt64Array.of(BigInt(info.seed)), [], '<q');
    const words = {
      units: info.units,
      sensor: info.sensor,
      response_hash: info.responseHash,
      source_scene: info.sourceScene,
      crs_wkt: info.crsWkt,
    };
    for (const [name, value] of Object.entries({ ...words, ...(info.note === undefined ? {} : { note: info.note }) }))
      file.create_attribute(name, value);
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
      rmSync(`${this.path}.tmp`, { force: true });
      if (error instanceof BandliftError) throw error;
      throw writeFailure(error as Error, this.path, this.#bytes());
    }
  }
}
