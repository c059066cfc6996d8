/**
 * Some bands of a scene at a grid of pixels: tiles of any level, and the sample that a stretch is made from. Every pixel shown is
 * one of the file's (the nearest, not a mean): nothing is read but the rows, or the pixels, that are asked for.
 */
import { setImmediate as pause } from 'node:timers/promises';
import { DATA_TYPES } from '../raster/envi_header.js';
import type { EnviWindows } from '../raster/envi_window.js';
import { EnviScene } from '../scenes/envi_scene.js';
import type { Scene } from '../scenes/types.js';

/** Pixels of a row that lie this many bytes apart are read one by one. */
const FAR = 4096;
/** Most values of a window that is read whole (16 MB). */
const MOST_VALUES = 2 ** 22;
/** Rows after which other requests get their turn. */
const ROWS_AT_ONCE = 16;

/**
 * @param ys, xs rows and columns of the scene, ascending and evenly spaced
 * @param bands numbers from 0
 * @returns [ys, xs, bands] in physical units; NaN where a pixel has no data
 */
export async function sampleBands(
  scene: Scene,
  ys: readonly number[],
  xs: readonly number[],
  bands: readonly number[],
): Promise<Float32Array> {
  if (!(scene instanceof EnviScene)) return sampleWhole(scene, ys, xs, bands);
  const windows = scene.bandWindows(bands);
  try {
    return await sampleCube(scene, windows, ys, xs, bands.length);
  } finally {
    windows.close();
  }
}

const stepOf = (positions: readonly number[]) => (positions.length > 1 ? positions[1]! - positions[0]! : 1);
const spanOf = (positions: readonly number[]) => positions[positions.length - 1]! - positions[0]! + 1;

async function sampleCube(
  scene: EnviScene,
  windows: EnviWindows,
  ys: readonly number[],
  xs: readonly number[],
  bands: number,
): Promise<Float32Array> {
  const { interleave, dataType, bands: stored } = scene.cube.header;
  const step = stepOf(xs);
  const onePixel = interleave === 'bip' && step > 1 && step * stored * DATA_TYPES[dataType].bytes > FAR;
  const span = onePixel ? 1 : spanOf(xs);
  const row = new Float32Array(span * bands);
  const valid = new Uint8Array(span);
  const out = new Float32Array(ys.length * xs.length * bands);
  for (let i = 0, at = 0; i < ys.length; i++) {
    if (i % ROWS_AT_ONCE === ROWS_AT_ONCE - 1) await pause();
    if (!onePixel) windows.read(ys[i]!, xs[0]!, 1, span, row, valid);
    for (const x of xs) {
      if (onePixel) windows.read(ys[i]!, x, 1, 1, row, valid);
      const from = onePixel ? 0 : x - xs[0]!;
      for (let k = 0; k < bands; k++, at++) out[at] = valid[from] === 1 ? row[from * bands + k]! : Number.NaN;
    }
  }
  return out;
}

/** Of scenes whose files hold all bands together, or few. */
async function sampleWhole(
  scene: Scene,
  ys: readonly number[],
  xs: readonly number[],
  bands: readonly number[],
): Promise<Float32Array> {
  const out = new Float32Array(ys.length * xs.length * bands.length);
  const columns = Math.max(1, Math.floor(MOST_VALUES / scene.bands / stepOf(xs)));
  for (let first = 0; first < xs.length; first += columns) {
    const some = xs.slice(first, first + columns);
    const width = spanOf(some);
    const rows = stepOf(ys) === 1 ? Math.max(1, Math.floor(MOST_VALUES / (width * scene.bands))) : 1;
    for (let top = 0; top < ys.length; top += rows) {
      const height = Math.min(rows, ys.length - top);
      const { values, valid } = await scene.read({ y: ys[top]!, x: some[0]!, height, width });
      for (let r = 0; r < height; r++)
        some.forEach((x, i) => {
          const from = r * width + x - some[0]!;
          const to = ((top + r) * xs.length + first + i) * bands.length;
          bands.forEach((b, k) => {
            out[to + k] = valid[from] === 1 ? values[from * scene.bands + b]! : Number.NaN;
          });
        });
    }
  }
  return out;
}
