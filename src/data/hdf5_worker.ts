/**
 * The worker thread that owns the HDF5 files: decodes patches one by one (bounded memory), keeps decoded ones while they
 * fit into the cache, assembles batches, and walks the training split for statistics.
 */
import { parentPort } from 'node:worker_threads';
import { BandliftError } from '../errors.js';
import { checkPatch, type DecodedPatch, placeSide } from './assemble.js';
import { Hdf5PatchFile } from './hdf5_file.js';
import { OrderStatistics } from './quantile.js';
import type { Answer, Envelope, PatchAddress, Reply, Request } from './worker_protocol.js';

const files: Hdf5PatchFile[] = [];
const cache = new Map<string, DecodedPatch>();
let cacheLimit = 0;
let cached = 0;

const bytesOf = (p: DecodedPatch) => p.input.byteLength + p.target.byteLength + (p.valid?.byteLength ?? 0);

function decode(file: Hdf5PatchFile, patch: number): DecodedPatch {
  const input = file.read('landsat', patch);
  const target = file.read('aviris', patch);
  const valid = checkPatch(file.info, patch, input, target, file.mask(patch));
  return { input, target, ...(valid ? { valid } : {}) };
}

/** First in, last out: over an epoch in random order, a cache that keeps what it has serves its share of every epoch. */
function load(address: PatchAddress): DecodedPatch {
  const file = files[address.file]!;
  const key = `${address.file}:${address.patch}`;
  const found = cache.get(key);
  if (found) return found;
  const keep = (k: string, decoded: DecodedPatch) => {
    if (cached + bytesOf(decoded) > cacheLimit || cache.has(k)) return;
    cache.set(k, decoded);
    cached += bytesOf(decoded);
  };
  const decoded = decode(file, address.patch);
  keep(key, decoded);
  // patches in the same chunk were just inflated by HDF5: read them along while there is room for them
  const first = address.patch - (address.patch % file.patchesPerChunk);
  for (let p = first; p < Math.min(first + file.patchesPerChunk, file.info.patches); p++)
    if (p !== address.patch && cached + bytesOf(decoded) <= cacheLimit) keep(`${address.file}:${p}`, decode(file, p));
  return decoded;
}

async function open(request: Request & { kind: 'open' }): Promise<Reply['open']> {
  cacheLimit = request.cacheBytes;
  for (const path of request.paths) files.push(await Hdf5PatchFile.open(path));
  return { files: files.map((f) => f.info) };
}

function batch(request: Request & { kind: 'batch' }): Reply['batch'] {
  const { height, width, inBands, outBands } = files[0]!.info;
  const pixels = height * width;
  const n = request.patches.length;
  const fits = request.buffers?.target.length === n * pixels * outBands && (request.buffers.mask !== undefined) === request.mask;
  const input = fits ? request.buffers!.input : new Float32Array(n * pixels * inBands);
  const target = fits ? request.buffers!.target : new Float32Array(n * pixels * outBands);
  const mask = request.mask ? (fits ? request.buffers!.mask! : new Float32Array(n * pixels)) : undefined;
  let validPixels = 0;
  request.patches.forEach((address, i) => {
    const patch = load(address);
    const turn = request.turns[i]!;
    placeSide(patch.input, inBands, height, width, turn, request.input, patch.valid, input, i * pixels * inBands);
    placeSide(patch.target, outBands, height, width, turn, request.target, patch.valid, target, i * pixels * outBands);
    if (!mask) {
      validPixels += pixels;
      return;
    }
    const whole = new Float32Array(pixels).fill(1);
    const own = patch.valid ? Float32Array.from(patch.valid) : whole;
    placeSide(own, 1, height, width, turn, undefined, undefined, mask, i * pixels);
    for (let p = 0; p < pixels; p++) validPixels += own[p]!;
  });
  return { input, target, ...(mask ? { mask } : {}), validPixels };
}

function quantiles(request: Request & { kind: 'quantiles' }): Reply['quantiles'] {
  const { inBands, outBands } = files[0]!.info;
  const make = (bands: number) => Array.from({ length: request.perBand ? bands : 1 }, () => new OrderStatistics(request.fractions));
  const sides = [
    { name: 'input', bands: inBands, statistics: make(inBands) },
    { name: 'target', bands: outBands, statistics: make(outBands) },
  ] as const;
  for (let pass = 0; pass < 3; pass++) {
    for (const address of request.patches) {
      const patch = load(address);
      for (const { name, bands, statistics } of sides) {
        const values = patch[name];
        const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
        for (let p = 0, i = 0; i < bits.length; p++, i += bands) {
          if (patch.valid && patch.valid[p] === 0) continue;
          if (request.perBand) for (let b = 0; b < bands; b++) statistics[b]!.add(bits[i + b]!);
          else for (let b = 0; b < bands; b++) statistics[0]!.add(bits[i + b]!);
        }
      }
    }
    for (const { statistics } of sides) {
      if (statistics[0]!.count === 0) throw new BandliftError('the training patches hold no valid pixel', { file: files[0]!.info.path });
      for (const s of statistics) s.endPass();
    }
  }
  const [a, b] = sides.map(({ statistics }) => statistics.map((s) => s.quantiles()));
  return { input: a!, target: b!, values: sides[1].statistics[0]!.count };
}

function mean(request: Request & { kind: 'mean' }): Reply['mean'] {
  const { inBands, outBands } = files[0]!.info;
  const input = new Float64Array(inBands);
  const target = new Float64Array(outBands);
  let pixels = 0;
  for (const address of request.patches) {
    const patch = load(address);
    for (let p = 0; p < patch.input.length / inBands; p++) {
      if (patch.valid && patch.valid[p] === 0) continue;
      pixels++;
      for (let b = 0; b < inBands; b++) input[b]! += patch.input[p * inBands + b]!;
      for (let b = 0; b < outBands; b++) target[b]! += patch.target[p * outBands + b]!;
    }
  }
  return { input: input.map((v) => v / pixels), target: target.map((v) => v / pixels), pixels };
}

function spectra(request: Request & { kind: 'spectra' }): Reply['spectra'] {
  const { inBands, outBands } = files[0]!.info;
  const input = new Float32Array(request.pixels.length * inBands);
  const target = new Float32Array(request.pixels.length * outBands);
  let count = 0;
  for (const address of request.pixels) {
    const patch = load(address);
    if (patch.valid && patch.valid[address.pixel] === 0) continue;
    input.set(patch.input.subarray(address.pixel * inBands, (address.pixel + 1) * inBands), count * inBands);
    target.set(patch.target.subarray(address.pixel * outBands, (address.pixel + 1) * outBands), count * outBands);
    count++;
  }
  return { input: input.slice(0, count * inBands), target: target.slice(0, count * outBands), count };
}

async function answer(request: Request): Promise<Reply[keyof Reply]> {
  switch (request.kind) {
    case 'open':
      return open(request);
    case 'batch':
      return batch(request);
    case 'quantiles':
      return quantiles(request);
    case 'mean':
      return mean(request);
    case 'spectra':
      return spectra(request);
  }
}

parentPort!.on('message', async ({ id, request }: Envelope) => {
  let result: Answer;
  let transfer: ArrayBuffer[] = [];
  try {
    const reply = await answer(request);
    result = { id, reply };
    if (request.kind === 'batch') {
      const b = reply as Reply['batch'];
      transfer = [b.input, b.target, ...(b.mask ? [b.mask] : [])].map((a) => a.buffer as ArrayBuffer);
    }
  } catch (error) {
    const e = error as Error;
    result = { id, error: error instanceof BandliftError ? { message: e.message, exitCode: (e as BandliftError).exitCode } : { message: e.stack ?? String(e) } };
  }
  parentPort!.postMessage(result, transfer);
});
