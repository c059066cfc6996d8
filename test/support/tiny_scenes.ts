/** Scenes of a few pixels whose spectra a network can learn: files line_0.h5, line_1.h5, ... below a folder. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Random } from '../../src/base/random.js';
import { type Written, writeHdf5 } from './patch_files.js';

export interface TinyScenes {
  readonly sensor?: string;
  readonly scenes?: number;
  readonly patches?: number;
  readonly side?: number;
  readonly bands?: number;
  /** Scenes without a valid pixel. */
  readonly masked?: readonly number[];
  /** Bands marked bad, which then hold rubbish of up to 1000. */
  readonly bad?: readonly number[];
  /** Default: 450 nm, 650 nm, ... */
  readonly wavelength?: readonly number[];
  readonly units?: string;
  readonly name?: (scene: number) => string;
  /** Another one gives other numbers of the same materials. */
  readonly seed?: number;
  /** Row and column of the first patch of each scene; patches stand beside each other. */
  readonly origins?: boolean;
}

const IN = 7;

/** Mixtures of three materials in `bands` bands and in 7; the patch files' folder. */
export async function writeTinyScenes(folder: string, options: TinyScenes = {}): Promise<string> {
  const { scenes = 4, patches = 2, side = 4, bands = 8, masked = [], bad, seed = 0 } = options;
  const { units = 'reflectance', name = (s) => `line_${s}` } = options;
  const wavelength = options.wavelength ?? Array.from({ length: bands }, (_, b) => 450 + 200 * b);
  mkdirSync(folder, { recursive: true });
  const materials = new Random(99);
  const spectra = Array.from({ length: 3 * bands }, () => 0.1 + 0.3 * materials.uniform());
  const coarse = Array.from({ length: 3 * IN }, () => 0.1 + 0.3 * materials.uniform());
  for (let scene = 0; scene < scenes; scene++) {
    const random = new Random(seed, 10 + scene);
    const pixels = patches * side * side;
    const [aviris, landsat] = [new Float32Array(pixels * bands), new Float32Array(pixels * IN)];
    for (let p = 0; p < pixels; p++) {
      const shares = [random.uniform(), random.uniform(), random.uniform()];
      const mixed = (of: readonly number[], n: number, b: number) =>
        shares.reduce((sum, share, k) => sum + share * of[k * n + b]!, 0);
      for (let k = 0; k < IN; k++) landsat[p * IN + k] = mixed(coarse, IN, k);
      for (let b = 0; b < bands; b++)
        aviris[p * bands + b] = bad?.includes(b)
          ? 1000 * random.uniform()
          : mixed(spectra, bands, b) + 0.1 * mixed(spectra, bands, b) ** 2 + 0.002 * random.normal();
    }
    const shape = [patches, side, side];
    const datasets: Record<string, Written> = {
      aviris: { data: aviris, shape: [...shape, bands] },
      landsat: { data: landsat, shape: [...shape, IN] },
      mask: { data: new Uint8Array(pixels).fill(masked.includes(scene) ? 0 : 1), shape },
      wavelength: { data: Float64Array.from(wavelength), shape: [bands] },
      fwhm: { data: new Float64Array(bands).fill(20), shape: [bands] },
    };
    if (bad)
      datasets.good_bands = {
        data: Uint8Array.from({ length: bands }, (_, b) => (bad.includes(b) ? 0 : 1)),
        shape: [bands],
      };
    if (options.origins)
      datasets.origins = {
        data: Int32Array.from({ length: 2 * patches }, (_, i) => (i % 2 === 0 ? 0 : side * ((i - 1) / 2))),
        shape: [patches, 2],
      };
    await writeHdf5(join(folder, `${name(scene)}.h5`), datasets, {
      units,
      source_scene: name(scene),
      ...(options.sensor === undefined ? {} : { sensor: options.sensor }),
    });
  }
  return folder;
}
