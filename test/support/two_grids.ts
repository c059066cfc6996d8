/** Small scenes as `prepare` writes them: both grids, smooth spectra, Landsat bands that are mixtures of the fine ones. */
import { join } from 'node:path';
import { Random } from '../../src/base/random.js';
import { PatchWriter } from '../../src/data/patch_writer.js';
import { applyTaps } from '../../src/resample/apply_taps.js';
import { psfTaps } from '../../src/resample/taps.js';

export interface TwoGrids {
  /** Landsat pixels of a side, even; default 4. */
  readonly side?: number;
  readonly bands?: number;
  readonly inBands?: number;
  readonly scenes?: number;
  /** Patches of a scene. */
  readonly patches?: number;
  readonly name?: (scene: number) => string;
  /** Masks the first Landsat pixel of every patch, and what lies below it on the fine grid. */
  readonly hole?: boolean;
  /** Bands marked bad, which then hold rubbish of up to 1000; on the coarse grid too. */
  readonly bad?: readonly number[];
  /** The file's nodata value: the second Landsat pixel of the second row of every patch and the fine pixels below hold it, unmasked. */
  readonly nodata?: number;
}

/** A patch of waves with edges: something that a network can learn to sharpen. */
function finePatch(size: number, bands: number, seed: number): Float32Array {
  const random = new Random(seed, 31);
  const waves = Array.from({ length: 3 }, () => Array.from({ length: 4 }, () => random.uniform()));
  const spectra = Array.from({ length: 3 }, () => Float64Array.from({ length: bands }, () => random.uniform()));
  const image = new Float32Array(size * size * bands);
  for (let y = 0; y < size; y++)
    for (let x = 0; x < size; x++) {
      const amounts = waves.map(([a, b, c, d]) => (Math.sin(0.5 * (a! * y + b! * x) + 6 * c!) > d! - 0.5 ? 1 : 0.2));
      for (let b = 0; b < bands; b++)
        image[(y * size + x) * bands + b] = 0.05 + amounts.reduce((sum, v, k) => sum + v * spectra[k]![b]!, 0) / 3;
    }
  return image;
}

/** Writes SCENE.h5 files below `folder`; their paths. */
export async function writeTwoGrids(folder: string, options: TwoGrids = {}): Promise<string[]> {
  const { side = 4, bands = 5, inBands = 3, scenes = 3, patches = 4, name = (s: number) => `scene_${s}` } = options;
  const { hole = false, bad, nodata } = options;
  const fine = (side * 15) / 2;
  const down = psfTaps(fine, side, 7.5);
  const paths: string[] = [];
  for (let scene = 0; scene < scenes; scene++) {
    const path = join(folder, `${name(scene)}.h5`);
    const writer = await PatchWriter.create(path, {
      height: fine,
      width: fine,
      inBands,
      outBands: bands,
      downsamplingFactor: 7.5,
      wavelength: Float64Array.from({ length: bands }, (_, b) => 450 + 50 * b),
      fwhm: new Float64Array(bands).fill(5),
      units: 'reflectance',
      scale: 1,
      sourceScene: name(scene),
      seed: 1,
      lowResolution: { height: side, width: side },
      degraded: true,
      masked: true,
      ...(bad ? { goodBands: Uint8Array.from({ length: bands }, (_, b) => (bad.includes(b) ? 0 : 1)) } : {}),
      ...(nodata === undefined ? {} : { nodata }),
    });
    for (let p = 0; p < patches; p++) {
      const aviris = finePatch(fine, bands, 100 * scene + p);
      const avirisLr = Float32Array.from(applyTaps(aviris, bands, down, down));
      const mixtures = (image: Float32Array) => {
        const pixels = image.length / bands;
        return Float32Array.from({ length: pixels * inBands }, (_, i) => {
          const [pixel, k] = [Math.floor(i / inBands), i % inBands];
          return 0.7 * image[pixel * bands + (k % bands)]! + 0.3 * image[pixel * bands + ((k + 1) % bands)]!;
        });
      };
      const [landsat, landsatLr] = [mixtures(aviris), mixtures(avirisLr)];
      const rubbish = new Random(p, 32);
      if (bad)
        for (const cube of [aviris, avirisLr])
          for (let i = 0; i < cube.length; i++) if (bad.includes(i % bands)) cube[i] = 1000 * rubbish.uniform();
      if (nodata !== undefined) {
        const coarse = (at: number) => Math.floor(((at + 0.5) * side) / fine);
        const isFine = (i: number) => coarse(Math.floor(i / fine)) === 1 && coarse(i % fine) === 1;
        for (const [cube, n] of [
          [aviris, bands],
          [landsat, inBands],
        ] as const)
          for (let i = 0; i < cube.length; i++) if (isFine(Math.floor(i / n))) cube[i] = nodata;
        avirisLr.fill(nodata, (side + 1) * bands, (side + 2) * bands);
        landsatLr.fill(nodata, (side + 1) * inBands, (side + 2) * inBands);
      }
      writer.append({
        aviris,
        landsat,
        landsatLr,
        avirisLr,
        mask: Uint8Array.from({ length: fine * fine }, (_, i) => (hole && i % fine < 8 && i < 8 * fine ? 0 : 1)),
        maskLr: Uint8Array.from({ length: side * side }, (_, i) => (hole && i === 0 ? 0 : 1)),
        origin: [fine * p, 0],
        geotransform: [0, 4, 0, 0, 0, -4],
      });
    }
    writer.close();
    paths.push(path);
  }
  return paths;
}
