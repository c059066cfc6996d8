/**
 * One HDF5 patch file, open for reading: everything is checked when it is opened, patches are read one by one in slices
 * of bounded size. h5wasm reads from disk as needed; its heap ends at 2 GiB, so no slice is larger than 128 MiB.
 */
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import h5wasm, { Dataset, type File as Hdf5File } from 'h5wasm/node';
import { BandliftError } from '../errors.js';
import { fileError } from '../io/files.js';
import type { PatchFile } from './types.js';

const SIGNATURE = Buffer.from('894844460d0a1a0a', 'hex');
const SLICE_BYTES = 128 * 2 ** 20;
/** A patch is held in memory whole, more than once. */
const MAX_PATCH_BYTES = 2 ** 30;
const LAYOUT_HINT = "expected datasets 'aviris' (N,H,W,B) and 'landsat' (N,H,W,C)";

let wasm: Awaited<typeof h5wasm.ready> | undefined;

async function library(): Promise<void> {
  if (wasm) return;
  wasm = await h5wasm.ready;
  // without it a missing file or broken chunk only writes to the console
  (wasm as unknown as { activate_throwing_error_handler(): void }).activate_throwing_error_handler();
}

/** HDF5 starts with a signature at 0, 512, 1024, 2048, ... */
function checkSignature(path: string): number {
  try {
    const { size } = statSync(path);
    const fd = openSync(path, 'r');
    try {
      const bytes = Buffer.alloc(8);
      for (let at = 0; at + 8 <= size && at <= 2 ** 20; at = at === 0 ? 512 : at * 2) {
        readSync(fd, bytes, 0, 8, at);
        if (bytes.equals(SIGNATURE)) return size;
      }
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw fileError(error, path);
  }
  throw new BandliftError('not an HDF5 file', { file: path, hint: 'the beginning of the file has no HDF5 signature' });
}

const reason = (error: unknown) => (error instanceof Error ? error.message : String(error)).split('\n')[0]!.trim().slice(0, 160);

type Numbers = Float32Array | Float64Array | Int16Array | Uint16Array;

export class Hdf5PatchFile {
  readonly info: PatchFile;
  /** Patches that share a chunk along the first dimension: reading one inflates all of them. */
  readonly patchesPerChunk: number;
  readonly #file: Hdf5File;

  private constructor(file: Hdf5File, info: PatchFile, patchesPerChunk: number) {
    this.#file = file;
    this.info = info;
    this.patchesPerChunk = patchesPerChunk;
  }

  static async open(path: string): Promise<Hdf5PatchFile> {
    const bytes = checkSignature(path);
    await library();
    let file: Hdf5File;
    try {
      file = new h5wasm.File(path, 'r');
    } catch (error) {
      throw new BandliftError(`cannot be read as HDF5: ${reason(error)}`, { file: path, hint: 'is the file complete?' });
    }
    try {
      const { info, patchesPerChunk } = describe(file, path, bytes);
      return new Hdf5PatchFile(file, info, patchesPerChunk);
    } catch (error) {
      file.close();
      if (error instanceof BandliftError) throw error;
      throw new BandliftError(`cannot be read: ${reason(error)}`, { file: path, hint: 'is the file complete?' });
    }
  }

  /** One patch of `aviris` or `landsat`, [height, width, bands], converted to float32. */
  read(name: 'aviris' | 'landsat', patch: number): Float32Array {
    const { path, height, width, inBands, outBands } = this.info;
    const bands = name === 'aviris' ? outBands : inBands;
    const dataset = this.#file.get(name) as Dataset;
    const result = new Float32Array(height * width * bands);
    const rows = Math.max(1, Math.floor(SLICE_BYTES / (width * bands * 8)));
    for (let y = 0; y < height; y += rows) {
      const last = Math.min(height, y + rows);
      let part: Numbers;
      try {
        part = dataset.slice([[patch, patch + 1], [y, last], [0, width], [0, bands]]) as Numbers;
      } catch (error) {
        throw new BandliftError(`patch ${patch} cannot be read: ${reason(error)}`, { file: path, field: name, hint: 'the file is damaged' });
      }
      if (part.length !== (last - y) * width * bands)
        throw new BandliftError(`patch ${patch} is incomplete`, { file: path, field: name, found: part.length, expected: (last - y) * width * bands });
      result.set(part, y * width * bands);
    }
    return result;
  }

  /** The file's own mask of a patch, 1 = valid, if it has one. */
  mask(patch: number): Uint8Array | undefined {
    const dataset = this.#file.get('mask');
    if (!(dataset instanceof Dataset)) return undefined;
    const { height, width } = this.info;
    return Uint8Array.from(dataset.slice([[patch, patch + 1], [0, height], [0, width]]) as Uint8Array);
  }

  close(): void {
    this.#file.close();
  }
}

const FLOATS = /^[<>|]?(f4|f8|i2|u2|f|d|h|H)$/;

function dataset4(file: Hdf5File, path: string, bytes: number, name: string): { dataset: Dataset; shape: [number, number, number, number] } {
  const dataset = file.get(name);
  if (!(dataset instanceof Dataset)) throw new BandliftError(`dataset '${name}' is missing`, { file: path, hint: LAYOUT_HINT });
  const where = { file: path, field: name };
  const { shape } = dataset;
  if (!shape || shape.length !== 4)
    throw new BandliftError('wrong number of dimensions', { ...where, found: `(${shape?.join(',') ?? 'none'})`, expected: '(N,H,W,bands)' });
  if (shape[0] === 0) throw new BandliftError('holds no patches', { ...where, found: `(${shape.join(',')})`, expected: 'at least one patch' });
  if (shape.some((side) => side === 0)) throw new BandliftError('has an empty dimension', { ...where, found: `(${shape.join(',')})` });
  const dtype = String(dataset.dtype);
  if (!FLOATS.test(dtype))
    throw new BandliftError('wrong type of numbers', { ...where, found: dtype, expected: 'float32, float64, int16 or uint16' });
  const item = dataset.metadata.size;
  const patchBytes = shape.slice(1).reduce((a, b) => a * b, 8);
  if (!(patchBytes <= MAX_PATCH_BYTES))
    throw new BandliftError('one patch is too large', {
      ...where,
      found: `${shape.slice(1).join(' x ')} numbers`,
      expected: 'at most 134 million numbers in a patch',
      hint: 'cut smaller patches',
    });
  const chunked = (dataset.metadata.chunks?.length ?? 0) > 0;
  const total = shape.reduce((a, b) => a * b, item);
  if (!chunked && total > bytes)
    throw new BandliftError('claims more data than the file holds', { ...where, found: `${total} bytes in a file of ${bytes}`, hint: 'is the file complete?' });
  // deflate shrinks by at most 1032 : 1
  if (chunked && total > bytes * 1100)
    throw new BandliftError('claims more data than the file can hold', { ...where, found: `${total} bytes in a file of ${bytes}` });
  return { dataset, shape: shape as [number, number, number, number] };
}

function vector(file: Hdf5File, path: string, name: string, length: number): Float64Array | undefined {
  const dataset = file.get(name);
  if (!(dataset instanceof Dataset)) return undefined;
  const { shape } = dataset;
  if (!shape || shape.length !== 1 || shape[0] !== length)
    throw new BandliftError('wrong shape', { file: path, field: name, found: `(${shape?.join(',') ?? ''})`, expected: `(${length})` });
  return Float64Array.from(dataset.value as ArrayLike<number>);
}

function describe(file: Hdf5File, path: string, bytes: number): { info: PatchFile; patchesPerChunk: number } {
  const aviris = dataset4(file, path, bytes, 'aviris');
  const landsat = dataset4(file, path, bytes, 'landsat');
  const [patches, height, width, outBands] = aviris.shape;
  const [lPatches, lHeight, lWidth, inBands] = landsat.shape;
  if (lPatches !== patches || lHeight !== height || lWidth !== width)
    throw new BandliftError("does not match 'aviris'", {
      file: path,
      field: 'landsat',
      found: `(${landsat.shape.join(',')})`,
      expected: `(${patches},${height},${width},bands)`,
    });
  const attribute = (name: string): unknown => file.attrs[name]?.value ?? undefined;
  const text = (name: string) => {
    const value = attribute(name);
    return typeof value === 'string' && value !== '' ? value : undefined;
  };
  const declared = attribute('n_patches');
  if (declared !== undefined && Number(declared) !== patches)
    throw new BandliftError('does not match the datasets', { file: path, field: 'attribute n_patches', found: Number(declared), expected: patches });
  const wavelength = vector(file, path, 'wavelength', outBands);
  const fwhm = vector(file, path, 'fwhm', outBands);
  const good = vector(file, path, 'good_bands', outBands);
  const origins = file.get('origins');
  let originValues: Int32Array | undefined;
  if (origins instanceof Dataset) {
    const { shape } = origins;
    if (shape?.length !== 2 || shape[0] !== patches || shape[1] !== 2)
      throw new BandliftError('wrong shape', { file: path, field: 'origins', found: `(${shape?.join(',') ?? ''})`, expected: `(${patches},2)` });
    originValues = Int32Array.from(origins.value as ArrayLike<number>);
  }
  const mask = file.get('mask');
  if (mask instanceof Dataset && mask.shape?.join() !== [patches, height, width].join())
    throw new BandliftError('wrong shape', { file: path, field: 'mask', found: `(${mask.shape?.join(',') ?? ''})`, expected: `(${patches},${height},${width})` });
  const nodata = attribute('nodata');
  const units = text('units');
  const sensor = text('sensor');
  const responseHash = text('response_hash');
  const chunks = aviris.dataset.metadata.chunks;
  const patchesPerChunk = Math.max(1, chunks?.[0] ?? 1);
  const info: PatchFile = {
    path,
    patches,
    height,
    width,
    inBands,
    outBands,
    scene: text('source_scene') ?? basename(path).replace(/\.[^.]+$/, ''),
    masked: mask instanceof Dataset || nodata !== undefined,
    ...(wavelength ? { wavelength } : {}),
    ...(fwhm ? { fwhm } : {}),
    ...(good ? { goodBands: Uint8Array.from(good, (g) => (g > 0 ? 1 : 0)) } : {}),
    ...(units ? { units } : {}),
    ...(sensor ? { sensor } : {}),
    ...(responseHash ? { responseHash } : {}),
    ...(originValues ? { origins: originValues } : {}),
    ...(nodata === undefined ? {} : { nodata: Number(nodata) }),
  };
  return { info, patchesPerChunk };
}
