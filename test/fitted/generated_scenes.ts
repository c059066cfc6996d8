/**
 * Scenes of generated spectra on the grid of AVIRIS-NG: smooth mixtures of a soil, a leaf and water-like curve, and for each
 * scene a small linear error of its own, as another instrument and atmosphere would have it.
 */
import { Random } from '../../src/base/random.js';
import type { SceneSpectra } from '../../src/fit/scene_ridge.js';
import { commonGrid, spectraOf } from '../../src/fitted/sources.js';

const { wavelength } = commonGrid();
const bump = (nm: number, centre: number, width: number) => Math.exp(-(((nm - centre) / width) ** 2));
const soil = Float64Array.from(wavelength, (nm) => 0.1 + 0.25 * (1 - Math.exp(-(nm - 350) / 700)));
const leaf = Float64Array.from(
  wavelength,
  (nm) =>
    0.04 + 0.06 * bump(nm, 550, 40) + (0.42 / (1 + Math.exp(-(nm - 715) / 12))) * (0.35 + 0.65 * bump(nm, 1000, 550)),
);
const dark = Float64Array.from(wavelength, (nm) => 0.03 + 0.05 * bump(nm, 500, 120));

export interface GeneratedScene {
  readonly pixels?: number;
  readonly width?: number;
  /** Size of the scene's own error, and of each pixel's, relative to the spectrum. */
  readonly differs?: number;
  readonly noise?: number;
}

/** The scene `seed`; pixels in its left half are like those in its right one. */
export function generatedScene(seed: number, options: GeneratedScene = {}): SceneSpectra {
  const { pixels = 240, width, differs = 0.02, noise = 0.004 } = options;
  const random = new Random(seed, 77);
  const slope = [random.normal(), random.normal(), random.normal()].map((z) => differs * z);
  const spectra = new Float32Array(pixels * wavelength.length);
  for (let p = 0; p < pixels; p++) {
    const [a, b, c] = [random.uniform(), random.uniform(), 0.3 * random.uniform()];
    const light = 0.5 + random.uniform();
    const own = [random.normal(), random.normal()].map((z) => noise * z);
    wavelength.forEach((nm, k) => {
      const y = (light * (a * soil[k]! + b * leaf[k]! + c * dark[k]!)) / (a + b + c);
      const wave = slope[0]! * Math.sin(nm / 60) + slope[1]! * Math.cos(nm / 90) + slope[2]! * Math.sin(nm / 35);
      const fine = own[0]! * Math.sin(nm / 25) + own[1]! * Math.cos(nm / 25);
      spectra[p * wavelength.length + k] = y * (1 + wave + fine);
    });
  }
  return spectraOf(`scene ${seed}`, spectra, wavelength, new Uint8Array(wavelength.length).fill(1), width);
}
