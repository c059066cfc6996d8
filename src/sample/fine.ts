/**
 * The sample's 4 m part: the flight lines once more, a piece of each at 4 m, and what `prepare` makes of them: patches of
 * both grids with the real point spread function. And a Landsat image of a line that nobody trains on, for `predict`.
 */
import { join } from 'node:path';
import { makeFolder } from '../base/folders.js';
import { prepareScene } from '../prepare/prepare.js';
import { EnviWriter } from '../raster/envi.js';
import { applyTaps } from '../resample/apply_taps.js';
import { psfTaps } from '../resample/taps.js';
import { LANDSAT8_OLI } from '../spectra/response.js';
import { lineCorner, lineHeader, SAMPLE_UNITS, type SampleBands, sampleBands } from './lines.js';
import { type SampleUnits, Scene } from './scene.js';

export interface FineSampleOptions {
  readonly out: string;
  readonly seed: number;
  /** Flight lines; the same numbers as the 30 m part's, so that sun and air are those of the same line. */
  readonly lines: number;
  /** Side of a patch in Landsat pixels, even. */
  readonly patch: number;
  /** Patches across and along a line. */
  readonly across: number;
  readonly along: number;
  readonly units?: SampleUnits;
  readonly progress?: (done: number, total: number) => void;
}

export interface FineSampleResult {
  readonly files: string[];
  readonly patches: number;
}

const FINE = 4;
const COARSE = 30;
const RATIO = COARSE / FINE;
/** Lines of a block; the noise is one sequence, so its size does not change the numbers. */
const BLOCK = 30;

/**
 * Writes OUT/cubes_4m/line_K.img + .hdr (425 bands) and OUT/patches_4m/line_K.h5. Same options, same numbers.
 * Errors: BandliftError when the folder cannot be written.
 */
export async function generateFineSample(options: FineSampleOptions): Promise<FineSampleResult> {
  const { out, lines, patch } = options;
  const files: string[] = [];
  let patches = 0;
  for (const name of ['cubes_4m', 'patches_4m']) makeFolder(join(out, name), 'give another --out');
  const bands = sampleBands();
  for (let line = 0; line < lines; line++) {
    const name = `line_${line + 1}`;
    const cube = join(out, 'cubes_4m', `${name}.img`);
    await writeFineLine(options, bands, line, cube);
    const file = join(out, 'patches_4m', `${name}.h5`);
    const report = await prepareScene({ scene: cube, out: file, patch, noise: true, seed: options.seed + line });
    patches += report.kept;
    files.push(cube, cube.replace(/\.img$/, '.hdr'), file);
    options.progress?.(line + 1, lines);
  }
  return { files, patches };
}

async function writeFineLine(options: FineSampleOptions, bands: SampleBands, line: number, path: string) {
  const { seed, patch, across, along, units = 'reflectance' } = options;
  const { wavelength, fwhm, weights } = bands;
  const samples = RATIO * patch * across;
  const height = RATIO * patch * along;
  const scene = new Scene({ seed, line, wavelength, fwhm, weights, units, pixelSize: FINE });
  const cube = await EnviWriter.create(path, {
    ...lineHeader(bands, scene.atmosphere, {
      seed,
      name: `line_${line + 1}`,
      units,
      corner: lineCorner(line),
      pixel: FINE,
    }),
    lines: height,
    samples,
  });
  try {
    for (let y = 0; y < height; y += BLOCK)
      await cube.append(scene.block(y, Math.min(BLOCK, height - y), samples).cube);
  } catch (error) {
    await cube.discard();
    throw error;
  }
  await cube.close();
}

export interface LandsatSampleOptions {
  readonly out: string;
  readonly seed: number;
  /** Number of the line, from 0; one that is not among the patches. */
  readonly line: number;
  readonly height: number;
  readonly width: number;
  readonly units?: SampleUnits;
}

/** Cells of the ground across a Landsat pixel, whose light the sensor's point spread function gathers. */
const CELLS = 2;

/**
 * What OLI sees, [height, width, 7]: the ground in cells of 15 m under a point spread function whose FWHM is a pixel, as
 * `prepare` and back-projection have it, and then OLI's noise.
 */
function asSeen(scene: Scene, height: number, width: number, bands: number): Float32Array {
  const [lines, samples] = [CELLS * height, CELLS * width];
  const ground = new Float32Array(lines * samples * bands);
  const noise = new Float32Array(ground.length);
  for (let y = 0; y < lines; y += BLOCK) {
    const { landsat, landsatNoise } = scene.block(y, Math.min(BLOCK, lines - y), samples);
    const at = y * samples * bands;
    noise.set(landsatNoise, at);
    ground.set(
      landsat.map((v, i) => v - landsatNoise[i]!),
      at,
    );
  }
  const taps = (size: number) => psfTaps(CELLS * size, size, CELLS);
  const seen = Float32Array.from(applyTaps(ground, bands, taps(height), taps(width)));
  // every pixel has an error of its own: that of its first cell
  for (let p = 0; p < height * width; p++) {
    const cell = CELLS * (Math.floor(p / width) * samples + (p % width));
    for (let b = 0; b < bands; b++) seen[p * bands + b]! += noise[cell * bands + b]!;
  }
  return seen;
}

/** Writes OUT/landsat/scene.img + .hdr: 7 bands at 30 m with OLI's noise. Returns the paths. */
export async function generateLandsatSample(options: LandsatSampleOptions): Promise<string[]> {
  const { out, seed, line, height, width, units = 'reflectance' } = options;
  makeFolder(join(out, 'landsat'), 'give another --out');
  const bands = sampleBands();
  const { wavelength, fwhm, weights } = bands;
  const scene = new Scene({ seed, line, wavelength, fwhm, weights, units, pixelSize: COARSE / CELLS });
  const path = join(out, 'landsat', 'scene.img');
  const { mapInfo = [], coordinateSystem = '' } = lineHeader(bands, scene.atmosphere, {
    seed,
    name: 'scene',
    units,
    corner: lineCorner(line),
    pixel: COARSE,
  });
  const image = await EnviWriter.create(path, {
    lines: height,
    samples: width,
    bands: weights.length,
    description: `bandlift sample, seed ${seed}: ${LANDSAT8_OLI.sensor} as it would see a line that is not among the patches; generated, not measured`,
    wavelength: Float64Array.from(LANDSAT8_OLI.bands, ({ wavelength: w, response: r }) => centre(w, r)),
    bandNames: LANDSAT8_OLI.bands.map((band) => band.name),
    mapInfo,
    coordinateSystem,
    nodata: -9999,
    other: { 'data units': SAMPLE_UNITS[units], 'sensor type': LANDSAT8_OLI.sensor },
  });
  try {
    await image.append(asSeen(scene, height, width, weights.length));
  } catch (error) {
    await image.discard();
    throw error;
  }
  await image.close();
  return [path, path.replace(/\.img$/, '.hdr')];
}

/** Mean wavelength under a response. */
function centre(wavelength: Float64Array, response: Float64Array): number {
  const total = response.reduce((sum, r) => sum + r, 0);
  return wavelength.reduce((sum, w, i) => sum + w * response[i]!, 0) / total;
}
