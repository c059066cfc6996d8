/** One HDF5 patch file, open for reading: checked when it is opened; patches are read in boxes of bounded size. */
import { statSync } from 'node:fs';
import type { File as Hdf5File } from 'h5wasm/node';
import { BandliftError } from '../errors.js';
import { describeLayout, type Layout, type StoredArray } from './hdf5_layout.js';
import { openHdf5, readBox, reason, SLAB_BYTES } from './hdf5_library.js';
import type { PatchFile } from './types.js';

export class Hdf5PatchFile {
  readonly #file: Hdf5File;
  readonly #layout: Layout;
  readonly #bytes: number;

  private constructor(file: Hdf5File, layout: Layout, bytes: number) {
    this.#file = file;
    this.#layout = layout;
    this.#bytes = bytes;
  }

  /** Reads headers and small lists, no patches. Throws a BandliftError naming file and dataset. */
  static async open(path: string): Promise<Hdf5PatchFile> {
    const { file, bytes } = await openHdf5(path);
    try {
      return new Hdf5PatchFile(file, describeLayout(file, path, bytes), bytes);
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

  /** Patches whose `aviris` lie in the same chunks: they are best read together. */
  get chunkPatches(): number {
    return this.#layout.aviris.chunkPatches;
  }

  /** `count` patches from `first` of one dataset, each [height, width, bands], in physical units (stored / scale). */
  read(name: 'aviris' | 'landsat', first: number, count: number): Float32Array[] {
    const { info } = this.#layout;
    const array: StoredArray = this.#layout[name];
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

  /** The file's own mask of a patch [height, width], 1 = valid, if it has one. */
  mask(patch: number): Uint8Array | undefined {
    const { info, mask } = this.#layout;
    if (!mask) return undefined;
    const type = { float: false, signed: false, size: 1 };
    const box = readBox(this.#file, info.path, 'mask', type, [patch, 0, 0], [1, info.height, info.width]);
    return Uint8Array.from(box, (v) => (v === 0 ? 0 : 1));
  }

  close(): void {
    this.#file.close();
  }
}

/** HDF5 gives zeros for what has been cut off from a file while it was open. */
function checkStillWhole(path: string, expected: number): void {
  const found = statSync(path, { throwIfNoEntry: false })?.size;
  if (found !== undefined && found < expected)
    throw new BandliftError('has become shorter since it was opened', {
      file: path,
      found: `${found} bytes`,
      expected: `${expected} bytes`,
      hint: 'is somebody writing it? start again when it is done',
    });
}

/** Stored -> physical; nodata is one of the stored values and becomes NaN. */
function unscale(values: Float32Array, scale: number, nodata: number | undefined): void {
  const fill = Math.fround(nodata ?? Number.NaN);
  for (let i = 0; i < values.length; i++) values[i] = values[i] === fill ? Number.NaN : values[i]! / scale;
}
