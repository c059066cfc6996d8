/** One HDF5 patch file, open for reading: checked when it is opened; patches are read in boxes of bounded size. */
import type { File as Hdf5File } from 'h5wasm/node';
import { BandliftError } from '../base/errors.js';
import { cropped, degraded } from './degrade.js';
import { findDataset } from './hdf5_dataset.js';
import { checkStillWhole, FLAGS } from './hdf5_fields.js';
import { describeLayout, type PatchLayout, type StoredSide } from './hdf5_layout.js';
import { openHdf5, readBox, reason, SLAB_BYTES } from './hdf5_library.js';
import { readCached } from './stage1_cache.js';
import type { CachedInput, PatchFile, Sides } from './types.js';

export class Hdf5PatchFile {
  readonly #file: Hdf5File;
  readonly #layout: PatchLayout;
  readonly #bytes: number;
  readonly #cached: CachedInput | undefined;

  private constructor(file: Hdf5File, layout: PatchLayout, bytes: number, cached?: CachedInput) {
    this.#file = file;
    this.#layout = layout;
    this.#bytes = bytes;
    this.#cached = cached;
  }

  /** Reads headers and small lists, no patches. Throws a BandliftError naming file and dataset. */
  static async open(path: string, sides?: Sides, cached?: CachedInput): Promise<Hdf5PatchFile> {
    const { file, bytes } = await openHdf5(path);
    try {
      return new Hdf5PatchFile(file, describeLayout(file, path, bytes, sides, cached), bytes, cached);
    } catch (error) {
      file.close();
      if (error instanceof BandliftError) throw error;
      throw new BandliftError(`cannot be read: ${reason(error)}`, {
        file: path,
        hint: 'the file is damaged or incomplete',
      });
    }
  }

  get info(): PatchFile {
    return this.#layout.info;
  }

  /** Whether a side is made of another dataset because the file lacks it. */
  get degrades(): boolean {
    return this.#layout.input?.degrade !== undefined || this.#layout.target.degrade !== undefined;
  }

  /** Whether the file says that `aviris` itself is on Landsat's grid. */
  get isCoarse(): boolean {
    return this.#layout.downsamplingFactor === 1;
  }

  /** Patches whose targets lie in the same chunks: they are best read together. */
  get chunkPatches(): number {
    return this.#layout.target.array.chunkPatches;
  }

  /** `count` patches from `first` of one side, each [height, width, bands] of its grid, in physical units (stored / scale). */
  read(name: 'input' | 'target', first: number, count: number): Float32Array[] {
    const side = this.#layout[name];
    if (!side) return readCached(this.#cached!, first, count);
    const patches = this.#readStored(side, first, count);
    const { crop, degrade } = side;
    if (!crop) return patches;
    const [, , width, bands] = side.array.shape;
    const nodata = this.info.nodata;
    return patches.map((stored, i) => {
      const part = cropped(stored, width, bands, crop);
      if (!degrade) return part;
      // what is not valid must not be averaged as if it were light
      if (nodata !== undefined && (this.info.scale ?? 1) === 1) unscale(part, 1, nodata);
      this.#storedMask(side, first + i)?.forEach((valid, pixel) => {
        if (valid === 0) part.fill(Number.NaN, pixel * bands, (pixel + 1) * bands);
      });
      return degraded(part, crop.height, crop.width, bands, degrade, this.info.ratio);
    });
  }

  #readStored({ dataset: name, array }: StoredSide, first: number, count: number): Float32Array[] {
    const { info } = this.#layout;
    const [, height, width, bands] = array.shape;
    checkStillWhole(info.path, this.#bytes);
    const line = width * bands;
    const patches = Array.from({ length: count }, () => new Float32Array(height * line));
    let rows = Math.max(1, Math.floor(SLAB_BYTES / (count * line * array.type.size)));
    // whole chunks, so that none is inflated twice
    if (rows > array.chunkRows) rows -= rows % array.chunkRows;
    for (let y = 0; y < height; y += rows) {
      const n = Math.min(rows, height - y) * line;
      const box = readBox(this.#file, info.path, name, array.type, [first, y, 0, 0], [count, n / line, width, bands]);
      patches.forEach((patch, i) => {
        patch.set(box.subarray(i * n, (i + 1) * n), y * line);
      });
    }
    const scale = info.scale ?? 1;
    if (scale !== 1) for (const patch of patches) unscale(patch, scale, info.nodata);
    return patches;
  }

  /** The file's own mask of a side [height, width], 1 = valid, if it has one; a degraded side has NaN instead. */
  mask(name: 'input' | 'target', patch: number): Uint8Array | undefined {
    const side = this.#layout[name];
    return side && !side.degrade ? this.#storedMask(side, patch) : undefined;
  }

  /** The part of the file's mask that a side uses, before it is degraded. */
  #storedMask(side: StoredSide, patch: number): Uint8Array | undefined {
    if (!side.mask) return undefined;
    const [, height, width] = side.array.shape;
    const box = readBox(this.#file, this.info.path, side.mask, FLAGS, [patch, 0, 0], [1, height, width]);
    const mask = Float32Array.from(box, (v) => (v === 0 ? 0 : 1));
    return Uint8Array.from(side.crop ? cropped(mask, width, 1, side.crop) : mask);
  }

  close(): void {
    this.#file.close();
  }
}

/** Whether a patch file holds all of these datasets. Throws a BandliftError when it cannot be read. */
export async function hasDatasets(path: string, names: readonly string[]): Promise<boolean> {
  const { file } = await openHdf5(path);
  try {
    return names.every((name) => findDataset(file, path, name) !== undefined);
  } finally {
    file.close();
  }
}

/** Stored -> physical; nodata is one of the stored values and becomes NaN. */
function unscale(values: Float32Array, scale: number, nodata: number | undefined): void {
  const fill = Math.fround(nodata ?? Number.NaN);
  for (let i = 0; i < values.length; i++) values[i] = values[i] === fill ? Number.NaN : values[i]! / scale;
}
