/** What a patch file says about itself. */
import type { PatchFileInfo } from '../data/patch_writer.js';
import type { LineScene } from '../scenes/line_scene.js';
import type { NoiseModel } from '../spectra/oli_noise.js';
import { type BandResampling, RESAMPLING_RULE } from '../spectra/resample_bands.js';
import type { SensorResponse } from '../spectra/response.js';
import { FACTOR, type FineGrid, LEAST_VALID_AREA } from './fine_grid.js';
import { LEAST_VALID_WEIGHT } from './pair_reader.js';
import { PREPARE_DEFAULTS, type PrepareOptions } from './types.js';

const percent = (share: number) => `${100 * share} %`;

interface Described {
  readonly options: PrepareOptions;
  readonly scene: LineScene;
  readonly grid: FineGrid;
  readonly sensor?: SensorResponse;
  readonly noise: readonly NoiseModel[];
  readonly resampling?: BandResampling;
  /** Pairs on one grid. */
  readonly tiles?: object;
}

function coarseSentences(sensor: SensorResponse | undefined, noise: readonly NoiseModel[]): string[] {
  return [
    `*_lr: Gaussian point spread function of FWHM ${FACTOR} pixels with the scene around the patch, then the exact average ` +
      `of ${FACTOR} x ${FACTOR} pixels; valid where at least ${percent(LEAST_VALID_WEIGHT)} of the weight is on valid pixels`,
    ...(sensor
      ? [
          `landsat: landsat_lr brought to the patch grid by bicubic interpolation (a = -0.75) of the patch alone; response: ${sensor.source}`,
          noise.length > 0 ? "OLI's noise added" : 'no noise added',
        ]
      : ['no wavelengths: for stage 2 alone']),
  ];
}

/** In words, for a person who meets the file without this program. */
function note({ grid, sensor, noise, options, tiles }: Described): string {
  const coarse = tiles
    ? [
        'both sides on one grid, without spatial degradation; pixels beyond the edge of the scene are masked',
        `landsat: the bands of each spectrum; response: ${sensor?.source}`,
        noise.length > 0 ? "OLI's noise added" : 'no noise added',
      ]
    : coarseSentences(sensor, noise);
  const sentences = [
    'written by bandlift prepare',
    `origins are rows and columns of the ${grid.resampled ? 'resampled' : "scene's own"} pixel grid`,
    ...(grid.resampled ? [`${grid.resampled}, valid where at least ${percent(LEAST_VALID_AREA)} of the area is`] : []),
    ...coarse,
    'values are 0 where the masks are 0 and in bands without data (good_bands 0)',
    ...(grid.resampled || tiles || options.keepGsd !== true ? [] : ["the scene's own pixel size is kept"]),
  ];
  return sentences.join('; ');
}

/** The patch file of a scene, patches of `side` coarse pixels, or of `side` pixels of one grid. */
export function describePatches(job: Described, side: number): PatchFileInfo {
  const { scene, grid, sensor, options } = job;
  const factor = job.tiles ? 1 : FACTOR;
  const size = factor * side;
  const { units } = scene;
  const { resampling } = job;
  const { wavelength, fwhm } = resampling ? options.bands! : scene;
  const crsWkt = grid.georeference?.crsWkt;
  return {
    height: size,
    width: size,
    inBands: sensor?.bands.length ?? 0,
    outBands: resampling?.bands ?? scene.bands,
    downsamplingFactor: factor,
    ...(wavelength && { wavelength }),
    ...(fwhm && { fwhm }),
    goodBands: resampling?.good ?? scene.goodBands,
    ...(resampling && {
      resampled: { rule: resampling.rule, effectiveFwhm: resampling.effectiveFwhm, words: RESAMPLING_RULE },
    }),
    ...(units !== undefined && { units }),
    scale: 1,
    ...(sensor && { sensor: sensor.sensor, responseHash: sensor.hash }),
    sourceScene: scene.name,
    ...(crsWkt !== undefined && { crsWkt }),
    seed: options.seed ?? PREPARE_DEFAULTS.seed,
    ...(grid.gsd !== undefined && { gsd: grid.gsd, lrGsd: factor * grid.gsd }),
    ...(!job.tiles && { lowResolution: { height: side, width: side }, degraded: true }),
    masked: true,
    note: note(job),
  };
}
