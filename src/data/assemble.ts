/** Pure functions from decoded patches to the arrays of a batch: validity, tiles, flips and quarter turns. */
import { BandliftError } from '../base/errors.js';
import type { PatchFile } from './types.js';

/** A patch as stored (before it is cut into tiles), physical units. */
export interface DecodedPatch {
  /** [inputHeight, inputWidth, inBands] */
  readonly input: Float32Array;
  /** [h, w, outBands] */
  readonly target: Float32Array;
  /** [h, w], 1 = valid; absent when all are. On one grid it speaks for both sides. */
  readonly valid?: Uint8Array;
  /** [inputHeight, inputWidth] where the input is on a grid of its own. */
  readonly inputValid?: Uint8Array;
}

/** A rectangle of a stored patch. */
export interface StoredWindow {
  readonly y: number;
  readonly x: number;
  readonly height: number;
  readonly width: number;
  /** Width of the stored patch. */
  readonly storedWidth: number;
}

const SIDES = ['input', 'target'] as const;

/** Whether both sides are on one grid, pixel by pixel. */
export const oneGrid = (file: Pick<PatchFile, 'height' | 'width' | 'inputHeight' | 'inputWidth'>): boolean =>
  file.height === file.inputHeight && file.width === file.inputWidth;

/**
 * Which pixels of one side are valid, by the same rules; the input of stage 2 has a good-band list too when its bands are
 * the target's.
 */
export function sideValidity(
  file: PatchFile,
  values: Float32Array,
  bands: number,
  good: Uint8Array | undefined,
  mask?: Uint8Array,
): Uint8Array | undefined {
  const valid = mask ?? new Uint8Array(values.length / bands).fill(1);
  markInvalid(file, values, bands, good, valid);
  return valid.includes(0) ? valid : undefined;
}

/**
 * The target's mask [h, w] without the pixels whose middle lies in an input pixel that is not valid, as `prepare` writes its
 * masks: what the network was not shown is not held against it.
 */
export function belowInput(file: PatchFile, inputValid: Uint8Array, mask?: Uint8Array): Uint8Array {
  const { height, width, inputHeight, inputWidth } = file;
  const below = (size: number, inputSize: number) =>
    Int32Array.from({ length: size }, (_, i) => Math.floor(((i + 0.5) * inputSize) / size));
  const [rows, columns] = [below(height, inputHeight), below(width, inputWidth)];
  return Uint8Array.from({ length: height * width }, (_, at) => {
    const seen = inputValid[rows[Math.floor(at / width)]! * inputWidth + columns[at % width]!]!;
    return seen & (mask?.[at] ?? 1);
  });
}

/**
 * Which pixels are valid: mask 1 and every good band a finite number other than nodata. Numbers of bad bands count for
 * nothing, but where they are not finite they become 0 in place, so that they cannot spread. Undefined when all are valid.
 */
export function validity(
  file: PatchFile,
  input: Float32Array,
  target: Float32Array,
  mask?: Uint8Array,
): Uint8Array | undefined {
  const valid = mask ?? new Uint8Array(input.length / file.inBands).fill(1);
  markInvalid(file, input, file.inBands, inputGoodBands(file), valid);
  markInvalid(file, target, file.outBands, file.goodBands, valid);
  return valid.includes(0) ? valid : undefined;
}

/** Good bands of the input: the target's where the input is a cube of the same bands, all where it is Landsat. */
export const inputGoodBands = (file: PatchFile): Uint8Array | undefined =>
  file.sides.input.startsWith('landsat') ? undefined : file.goodBands;

/** [bands], 1 = good, of a stored patch; undefined where all are. */
export const storedBands = (file: PatchFile, patch: number): Uint8Array | undefined =>
  file.bandMask?.subarray(patch * file.outBands, (patch + 1) * file.outBands) ?? file.goodBands;

function markInvalid(
  file: PatchFile,
  values: Float32Array,
  bands: number,
  good: Uint8Array | undefined,
  valid: Uint8Array,
): void {
  // where values were scaled or degraded, nodata has become NaN already
  const nodata = (file.scale ?? 1) === 1 ? Math.fround(file.nodata ?? Number.NaN) : Number.NaN;
  for (let p = 0, i = 0; p < valid.length; p++) {
    for (let b = 0; b < bands; b++, i++) {
      const v = values[i]!;
      if (v - v === 0 && v !== nodata) continue;
      if (good && good[b] === 0) values[i] = 0;
      else valid[p] = 0;
    }
  }
}

/** The error for a window that must be valid and is not; undefined when it is. */
export function invalidError(
  file: PatchFile,
  patch: number,
  decoded: DecodedPatch,
  window: StoredWindow,
): BandliftError | undefined {
  const { valid } = decoded;
  if (!valid) return undefined;
  for (let y = window.y; y < window.y + window.height; y++) {
    for (let x = window.x; x < window.x + window.width; x++) {
      const pixel = y * window.storedWidth + x;
      if (valid[pixel] !== 0) continue;
      for (const side of oneGrid(file) ? SIDES : (['target'] as const)) {
        const bands = side === 'input' ? file.inBands : file.outBands;
        const spectrum = decoded[side].subarray(pixel * bands, (pixel + 1) * bands);
        const good = (b: number) => side === 'input' || file.goodBands?.[b] !== 0;
        const band = spectrum.findIndex(
          (v, b) => good(b) && (!Number.isFinite(v) || v === Math.fround(file.nodata ?? Number.NaN)),
        );
        if (band < 0) continue;
        return new BandliftError(`patch ${patch}, row ${y}, column ${x}, band ${band} is not a valid number`, {
          file: file.path,
          field: file.sides[side],
          found: spectrum[band]!,
          hint: "correct it, or mark invalid pixels by an attribute 'nodata' or a dataset 'mask' (N,H,W; 1 = valid)",
        });
      }
      return new BandliftError(`patch ${patch}, row ${y}, column ${x} is marked invalid`, {
        file: file.path,
        field: 'mask',
      });
    }
  }
  return undefined;
}

/**
 * Pixel of a patch (h x w) that comes to (y, x) of the turned one. Turns 0..3: so many quarter turns counter-clockwise
 * (numpy.rot90); +4: mirrored left to right before. Patches that are not square keep their shape under 0, 2, 4, 6 only.
 */
export function sourcePixel(
  turn: number,
  y: number,
  x: number,
  h: number,
  w: number,
): readonly [row: number, column: number] {
  let r = y;
  let c = x;
  switch (turn & 3) {
    case 1:
      [r, c] = [x, w - 1 - y];
      break;
    case 2:
      [r, c] = [h - 1 - y, w - 1 - x];
      break;
    case 3:
      [r, c] = [h - 1 - x, y];
      break;
  }
  return [r, turn & 4 ? w - 1 - c : c];
}

/** For each pixel of the turned window, raster order, the number of its pixel in the stored patch. */
export function sourcePixels(turn: number, window: StoredWindow): Uint32Array {
  const { height: h, width: w } = window;
  const pixels = new Uint32Array(h * w);
  for (let y = 0, i = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      const [row, column] = sourcePixel(turn, y, x, h, w);
      pixels[i++] = (window.y + row) * window.storedWidth + window.x + column;
    }
  }
  return pixels;
}

/** Copies pixels of `from` [pixels, bands] to `to`; invalid ones become 0. */
export function copyPixels(
  from: Float32Array,
  bands: number,
  pixels: Uint32Array,
  valid: Uint8Array | undefined,
  to: Float32Array,
): void {
  for (let p = 0; p < pixels.length; p++) {
    const pixel = pixels[p]!;
    if (valid && valid[pixel] === 0) to.fill(0, p * bands, (p + 1) * bands);
    else for (let b = 0; b < bands; b++) to[p * bands + b] = from[pixel * bands + b]!;
  }
}
