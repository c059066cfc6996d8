/**
 * A data worker: owns its HDF5 files, decodes patches one by one, fills its places of batches, and walks the training
 * patches for statistics. One request at a time, in order.
 */
import { parentPort } from 'node:worker_threads';
import { Random } from '../base/random.js';
import { serve } from '../base/worker_rpc.js';
import { factorOf } from '../resample/ratio.js';
import {
  copyPixels,
  type DecodedPatch,
  inputGoodBands,
  invalidError,
  oneGrid,
  type StoredWindow,
  sourcePixels,
  storedBands,
} from './assemble.js';
import { Hdf5PatchFile, hasDatasets } from './hdf5_file.js';
import { DEFAULT_SIDES } from './hdf5_layout.js';
import { IDENTITY, markNonNegative, Normalizer } from './normalize.js';
import { PatchCache } from './patch_cache.js';
import { countInto, countLength } from './quantile.js';
import type { PatchFile, Sides } from './types.js';
import type { PatchAddress, Replies, Requests, WindowSize } from './worker_protocol.js';

const files: Hdf5PatchFile[] = [];
let cache = new PatchCache([], 0);

/** Identity turn: the pixels of a window in raster order. */
const UNTURNED = 0;

const ones = (length: number) => new Float32Array(length).fill(1);

function windowOf(address: PatchAddress, size: WindowSize): StoredWindow {
  return { y: address.y, x: address.x, ...size, storedWidth: files[address.file]!.info.width };
}

/** The whole input of a file whose input is on a grid of its own. */
const wholeInput = ({ inputHeight, inputWidth }: PatchFile): StoredWindow => ({
  y: 0,
  x: 0,
  height: inputHeight,
  width: inputWidth,
  storedWidth: inputWidth,
});

/** A window of a patch with its pixels copied out; the whole stored patch is given as it is. */
function cut(address: PatchAddress, size: WindowSize): DecodedPatch {
  const patch = cache.load(address.file, address.patch);
  const { info } = files[address.file]!;
  if (size.height === info.height && size.width === info.width) return patch;
  const pixels = sourcePixels(UNTURNED, windowOf(address, size));
  const input = new Float32Array(pixels.length * info.inBands);
  const target = new Float32Array(pixels.length * info.outBands);
  copyPixels(patch.input, info.inBands, pixels, patch.valid, input);
  copyPixels(patch.target, info.outBands, pixels, patch.valid, target);
  const { valid } = patch;
  return valid ? { input, target, valid: Uint8Array.from(pixels, (p) => valid[p]!) } : { input, target };
}

async function open(request: Requests['open']): Promise<Replies['open']> {
  const sides = request.sides === 'auto' ? await usualSides(request.paths) : request.sides;
  for (const [i, path] of request.paths.entries())
    files.push(await Hdf5PatchFile.open(path, sides, request.cached?.[i]));
  cache = new PatchCache(files, request.cacheBytes);
  const made = files.filter((f) => f.degrades);
  const coarse =
    made.length === 0
      ? []
      : [
          `${made[0]!.info.path}${made.length > 1 ? ` and ${made.length - 1} more` : ''}: no *_lr datasets; Landsat's grid is laid over the patch from its first pixel (${files[0]!.info.inputHeight} x ${files[0]!.info.inputWidth} of its pixels) and made by the point spread, edges replicated`,
          ...made
            .filter((f) => f.isCoarse)
            .slice(0, 1)
            .map(
              (f) =>
                `${f.info.path}: its patches are on Landsat's grid already; what is made of them is ${factorOf(f.info.ratio)} times coarser`,
            ),
        ];
  return { files: files.map((f) => f.info), chunkPatches: files.map((f) => f.chunkPatches), coarse };
}

/** Landsat's own grid where every file holds both sides of it: there the network will predict. */
async function usualSides(paths: readonly string[]): Promise<Sides> {
  for (const path of paths) if (!(await hasDatasets(path, ['landsat_lr', 'aviris_lr']))) return DEFAULT_SIDES;
  return { input: 'landsat_lr', target: 'aviris_lr' };
}

function batch(request: Requests['batch']): Replies['batch'] {
  const { buffers, window: size } = request;
  const { inBands, outBands } = files[0]!.info;
  const input = new Normalizer(request.input ?? IDENTITY, inBands);
  const target = new Normalizer(request.target ?? IDENTITY, outBands);
  const n = size.height * size.width;
  let validPixels = 0;
  for (const address of request.patches) {
    if (Atomics.load(request.cancelled, 0) !== 0) break;
    const { info } = files[address.file]!;
    const patch = cache.load(address.file, address.patch);
    const window = windowOf(address, size);
    if (!request.masked) {
      const error = invalidError(info, address.patch, patch, window);
      if (error) throw error;
    }
    const pixels = sourcePixels(address.turn, window);
    const part = <T extends Float32Array | Uint8Array>(array: T, numbers: number) =>
      array.subarray(address.place * numbers, (address.place + 1) * numbers) as T;
    const same = oneGrid(info);
    const inputPixels = same ? pixels : sourcePixels(address.turn, wholeInput(info));
    const inputValid = same ? patch.valid : patch.inputValid;
    const inputPart = part(buffers.input, inputPixels.length * inBands);
    input.place(patch.input, inputPixels, inputValid, inputPart);
    if (request.nonNegative) {
      const marks = part(buffers.nonNegative, inputPixels.length);
      markNonNegative(patch.input, inBands, inputPixels, inputValid, marks);
    }
    target.place(patch.target, pixels, patch.valid, part(buffers.target, n * outBands));
    const mask = part(buffers.mask, n);
    const { valid } = patch;
    if (valid) for (let p = 0; p < n; p++) mask[p] = valid[pixels[p]!]!;
    else mask.set(ones(n));
    for (let p = 0; p < n; p++) validPixels += mask[p]!;
  }
  return { validPixels };
}

function count(request: Requests['count']): Replies['count'] {
  const { info } = files[0]!;
  const { inBands, outBands } = info;
  const input = request.input && new Uint32Array(countLength(request.input));
  const target = request.target && new Uint32Array(countLength(request.target));
  for (const address of request.patches) {
    const patch = cut(address, request.window);
    const inputValid = oneGrid(info) ? patch.valid : patch.inputValid;
    const good = storedBands(files[address.file]!.info, address.patch);
    if (input) countInto(request.input!, patch.input, inBands, inputValid, inputGoodBands(info), input);
    if (target) countInto(request.target!, patch.target, outBands, patch.valid, good, target);
  }
  return { input, target };
}

function sums(request: Requests['sums']): Replies['sums'] {
  const { inBands, outBands } = files[0]!.info;
  const n = request.patches.length;
  const reply = {
    input: new Float64Array(n * inBands),
    target: new Float64Array(n * outBands),
    inputPixels: new Float64Array(n),
    pixels: new Float64Array(n),
  };
  const add = (values: Float32Array, bands: number, valid: Uint8Array | undefined, to: Float64Array) => {
    for (let i = 0, p = 0; i < values.length; i += bands, p++) {
      if (valid && valid[p] === 0) continue;
      for (let b = 0; b < bands; b++) to[b]! += values[i + b]!;
    }
  };
  request.patches.forEach((address, i) => {
    const patch = cut(address, request.window);
    const inputValid = oneGrid(files[address.file]!.info) ? patch.valid : patch.inputValid;
    add(patch.input, inBands, inputValid, reply.input.subarray(i * inBands, (i + 1) * inBands));
    add(patch.target, outBands, patch.valid, reply.target.subarray(i * outBands, (i + 1) * outBands));
    add(ones(patch.input.length / inBands), 1, inputValid, reply.inputPixels.subarray(i, i + 1));
    add(ones(patch.target.length / outBands), 1, patch.valid, reply.pixels.subarray(i, i + 1));
  });
  return reply;
}

function spectra(request: Requests['spectra']): Replies['spectra'] {
  const { inBands, outBands } = files[0]!.info;
  const patches = request.patches.map((address) => {
    if (!oneGrid(files[address.file]!.info)) throw new RangeError('spectra of pixels that are not on one grid');
    const patch = cut(address, request.window);
    const all = Array.from({ length: patch.input.length / inBands }, (_, p) => p);
    const candidates = patch.valid ? all.filter((p) => patch.valid![p] !== 0) : all;
    const random = new Random(address.seed);
    const found = candidates.length === 0 ? 0 : address.count;
    const pixels = Uint32Array.from({ length: found }, () => candidates[random.integer(candidates.length)]!);
    const input = new Float32Array(found * inBands);
    const target = new Float32Array(found * outBands);
    copyPixels(patch.input, inBands, pixels, undefined, input);
    copyPixels(patch.target, outBands, pixels, undefined, target);
    return { input, target };
  });
  return { patches };
}

serve<Requests, Replies>(parentPort!, { open, batch, count, sums, spectra });
