/** Made-up evaluation results: smooth curves and invented landscapes, for looking at and for testing the report. */
import type { EvaluationResult, PictureSet } from '../../src/evaluate/result.js';
import type { Bands, MethodResult, RegionMetrics } from '../../src/metrics/types.js';
import { DROPPED_RANGES, regionMask } from '../../src/spectra/bands.js';

/** Numbers in [0, 1) from a seed (a linear congruential generator, Numerical Recipes' constants). */
export function numbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** AVIRIS-NG's 425 bands of 5 nm without the dropped ones. */
export const wavelengths = (): number[] =>
  Array.from({ length: 425 }, (_, b) => 376.4 + 5.009 * b).filter(
    (w) => !DROPPED_RANGES.some(([from, to]) => w >= from && w <= to),
  );

/** Reflectance like a plant's (green = 1) or like a soil's (0) at a wavelength. */
export function reflectance(nm: number, green: number): number {
  const edge = 1 / (1 + Math.exp(-(nm - 718) / 14));
  const water = 1 - 0.55 * Math.exp(-(((nm - 1450) / 90) ** 2)) - 0.6 * Math.exp(-(((nm - 1940) / 110) ** 2));
  const plant =
    (0.04 + 0.05 * Math.exp(-(((nm - 552) / 32) ** 2)) + 0.43 * edge) *
    water *
    Math.exp(-Math.max(0, nm - 1250) / 1400);
  const soil = 0.07 + 0.32 * (1 - Math.exp(-(nm - 350) / 700)) - 0.05 * Math.exp(-(((nm - 2205) / 22) ** 2));
  return green * plant + (1 - green) * soil;
}

export interface Quality {
  readonly label: string;
  readonly role: MethodResult['role'];
  readonly about: string;
  readonly sam: number;
  readonly rmse: number;
  readonly psnr: number;
}

function method(q: Quality, wavelength: readonly number[] | null, bands: number, pixels: number): MethodResult {
  const random = numbers(q.label.length * 77);
  const position = Array.from({ length: bands }, (_, b) => wavelength?.[b] ?? 380 + (2000 * b) / bands);
  const rmse = position.map(
    (nm) =>
      q.rmse * (0.65 + 0.5 * Math.exp(-(((nm - 740) / 60) ** 2)) + 0.7 * Math.exp(-(((nm - 1130) / 110) ** 2))) +
      q.rmse * 0.06 * random(),
  );
  const psnr = rmse.map((e) => q.psnr - 20 * Math.log10(e / q.rmse) - 2 + random() * 0.3);
  const share = (e: number) => e / (q.rmse * 2 + 0.05);
  const byBand = {
    rmse,
    mae: rmse.map((e) => e * 0.74),
    psnr,
    ssim: rmse.map((e) => 1 - share(e) * 0.5),
    cc: rmse.map((e) => 1 - share(e) * 0.4),
  };
  const of = (use: (band: number) => boolean, factor: number): RegionMetrics => {
    const chosen = rmse.filter((_, b) => use(b));
    const value = Math.sqrt(chosen.reduce((sum, e) => sum + e * e, 0) / chosen.length);
    return {
      bands: chosen.length,
      samDeg: q.sam * factor,
      rmse: factor === 1 ? q.rmse : value,
      mae: value * 0.74,
      mrae: value * 5.1,
      psnr: factor === 1 ? q.psnr : q.psnr + 1 / factor - 1,
      ssim: 1 - share(value) * 0.5,
      ergas: 61 * value,
      cc: 1 - share(value) * 0.4,
      negativeShare: 0.01 * share(value),
    };
  };
  const regions: Partial<Record<Bands, RegionMetrics>> = { all: of(() => true, 1) };
  if (wavelength)
    for (const [region, factor] of [
      ['vnir', 0.82],
      ['swir', 1.13],
      ['clear', 0.57],
    ] as const) {
      const mask = regionMask(wavelength, region);
      regions[region] = of((b) => mask[b] === 1, factor);
    }
  const { label, role, about } = q;
  return { label, role, about, regions, byBand, validPixels: pixels, zeroNormPixels: 12 };
}

/** Fields, roads and a lake: greenness 0..1 of each pixel, -1 for water. */
function landscape(size: number, seed: number): Float32Array {
  const random = numbers(seed);
  const fields = Array.from({ length: 26 }, () => [random() * size, random() * size, random()] as const);
  const out = new Float32Array(size * size);
  for (let y = 0; y < size; y++)
    for (let x = 0; x < size; x++) {
      let [nearest, value] = [Number.POSITIVE_INFINITY, 0];
      for (const [fy, fx, green] of fields) {
        const d = Math.abs(y - fy) + Math.abs(x - fx);
        if (d < nearest) [nearest, value] = [d, green];
      }
      const lake = (y - size * 0.7) ** 2 + (x - size * 0.25) ** 2 < (size * 0.16) ** 2;
      const road = Math.abs(y - x * 0.6 - size * 0.2) < size * 0.012;
      out[y * size + x] = lake ? -1 : road ? 0 : Math.min(1, Math.max(0, value + (random() - 0.5) * 0.12));
    }
  return out;
}

const colour = (green: number): [number, number, number] =>
  green < 0 ? [38, 66, 92] : [196 - 128 * green, 164 - 40 * green, 118 - 66 * green];

/** Means of blocks, each drawn as a block: what a coarse pixel looks like. */
function blocks(field: Float32Array, size: number, block: number): Float32Array {
  const out = new Float32Array(field.length);
  const of = (v: number) => Math.floor(v / block);
  const sums = new Map<number, [number, number]>();
  const key = (y: number, x: number) => of(y) * size + of(x);
  for (let y = 0; y < size; y++)
    for (let x = 0; x < size; x++) {
      const s = sums.get(key(y, x)) ?? [0, 0];
      sums.set(key(y, x), [s[0] + field[y * size + x]!, s[1] + 1]);
    }
  for (let y = 0; y < size; y++)
    for (let x = 0; x < size; x++) {
      const [sum, count] = sums.get(key(y, x))!;
      out[y * size + x] = sum / count;
    }
  return out;
}

function picture(patch: number, scene: string, size: number, coarse: number, labels: readonly string[]): PictureSet {
  const truth = landscape(size, 40 + patch);
  const random = numbers(patch);
  const paint = (field: Float32Array, gain = 1) =>
    Uint8Array.from({ length: 3 * size * size }, (_, i) => gain * colour(field[Math.floor(i / 3)]!)[i % 3]!);
  const levels = labels.map((_, i) => blocks(truth, size, Math.max(1, coarse / 2 ** i)));
  const outside = (i: number) => (i % size) + Math.floor(i / size) < size * 0.22;
  const off = truth.map((v, i) => Math.abs(v - blocks_at(levels.at(-1)!, i)) + 0.08 * random());
  return {
    patch,
    scene,
    height: size,
    width: size,
    rgb: [
      ...labels.map((label, i) => ({ label, pixels: paint(levels[i]!, 0.97) })),
      { label: 'truth', pixels: paint(truth) },
    ],
    maps: [
      { label: 'spectral angle', unit: 'degrees', values: off.map((v, i) => (outside(i) ? Number.NaN : 14 * v)) },
      {
        label: 'RMSE over bands',
        unit: 'reflectance',
        values: off.map((v, i) => (outside(i) ? Number.NaN : 0.052 * v)),
      },
    ],
  };
}
const blocks_at = (field: Float32Array, i: number) => field[i]!;

export interface Options {
  readonly stage: EvaluationResult['stage'];
  readonly methods: readonly Quality[];
  readonly withWavelengths?: boolean;
  readonly size: number;
  readonly patches: number;
}

export function madeUp(o: Options): EvaluationResult {
  const wavelength = o.withWavelengths === false ? null : wavelengths();
  const bands = wavelength?.length ?? 60;
  const pixels = o.patches * o.size * o.size - 1234;
  const position = (b: number) => wavelength?.[b] ?? 380 + (2000 * b) / bands;
  const shown = o.methods.filter((m) => m.role !== 'oracle').slice(-3);
  const spectrum = (title: string, patch: number, green: number, bad: number) => {
    const truth = Array.from({ length: bands }, (_, b) => reflectance(position(b), green));
    const predictions = shown.map(({ label, rmse }, k) => ({
      label,
      values: truth.map((t, b) => t + bad * rmse * Math.sin(position(b) / (130 + 55 * k)) * (0.6 + t * 2)),
    }));
    return { title, patch, y: 17 + patch, x: 230 - 9 * patch, samDeg: bad * 2.37, truth, predictions };
  };
  const random = numbers(9);
  const scatter = (['all', ...(wavelength ? ['vnir', 'swir', 'clear'] : [])] as Bands[]).map((region, r) => {
    const truth = Array.from({ length: 6000 }, () => reflectance(400 + 1900 * random(), random()));
    const spread = 0.03 - 0.005 * r;
    return {
      region,
      truth,
      predicted: truth.map((t) => t * 0.98 + spread * (random() + random() + random() - 1.5) * (0.4 + 2 * t)),
    };
  });
  const coarse = o.stage === 'stage 1' ? 2 : o.size / 34;
  const inputs =
    o.stage === 'stage 1' ? ['prediction'] : ['input (30 m)', 'bicubic + 5 back-projections', 'spatial_sr'];
  return {
    stage: o.stage,
    version: '0.2.0',
    created: '2026-11-23T02:52:11.123Z',
    models: [
      ...(o.stage === 'stage 2'
        ? []
        : [
            {
              stage: 1 as const,
              file: 'runs/stage1/best.safetensors',
              kind: 'spectral_sr',
              parameters: 4276297,
              epoch: 61,
            },
          ]),
      ...(o.stage === 'stage 1'
        ? []
        : [
            {
              stage: 2 as const,
              file: 'runs/stage2/best.safetensors',
              kind: 'spatial_sr',
              parameters: 2210836,
              epoch: 88,
            },
          ]),
    ],
    data: {
      path: 'data/patches',
      files: ['ang20190624t214359.h5', 'ang20190624t230039.h5', 'ang20190624t230448.h5'],
      scenes: ['ang20190624t230448'],
      patches: o.patches,
      height: o.size,
      width: o.size,
      split: 'test',
      units: 'reflectance',
      sensor: wavelength ? 'AVIRIS-NG' : null,
    },
    wavelength,
    goodBands: Array.from({ length: bands }, (_, b) => (b === 40 || b === 41 ? 0 : 1)),
    methods: o.methods.map((q) => method(q, wavelength, bands, pixels)),
    notes: [
      'All values are in physical units: predictions are taken back from normalised ones before they are compared.',
      'Baselines are fitted on the training split only.',
      'Normalisation: per band, 1st and 99th percentile of the training split.',
    ],
    spectra: [
      spectrum('worst pixel', 1, 0.1, 6),
      spectrum('median pixel', 0, 0.85, 1.2),
      spectrum('chosen', 2, 0.5, 1),
      spectrum('chosen', 2, 0.98, 0.8),
    ],
    pictures: Array.from({ length: o.patches }, (_, i) => picture(i, 'ang20190624t230448', o.size, coarse, inputs)),
    scatter,
  };
}

export const STAGE1: readonly Quality[] = [
  {
    label: 'scaled mean spectrum',
    role: 'baseline',
    about: 'The mean training spectrum, scaled to the brightness of the pixel.',
    sam: 13.71,
    rmse: 0.0561,
    psnr: 16.4,
  },
  {
    label: 'nearest library spectrum',
    role: 'baseline',
    about: 'The library spectrum whose simulated Landsat bands are nearest.',
    sam: 5.72,
    rmse: 0.0203,
    psnr: 25.2,
  },
  {
    label: 'ridge',
    role: 'baseline',
    about: 'Ridge regression from the 7 bands, fitted on the training split.',
    sam: 4.51,
    rmse: 0.0149,
    psnr: 28.6,
  },
  {
    label: 'quadratic ridge',
    role: 'baseline',
    about: 'Ridge regression on the 7 bands, their squares and products.',
    sam: 4.1,
    rmse: 0.0137,
    psnr: 29.3,
  },
  { label: 'spectral_sr', role: 'model', about: 'The trained network.', sam: 3.62, rmse: 0.0128, psnr: 29.9 },
  {
    label: 'PCA rank 7',
    role: 'oracle',
    about: 'The true spectrum within the first 7 components of the training spectra.',
    sam: 3.46,
    rmse: 0.0101,
    psnr: 32.0,
  },
  { label: 'PCA rank 20', role: 'oracle', about: 'The same with 20 components.', sam: 1.84, rmse: 0.0057, psnr: 37.1 },
];

export const STAGE2: readonly Quality[] = [
  {
    label: 'bicubic',
    role: 'baseline',
    about: 'Bicubic interpolation of the 30 m bands, a = −0.75.',
    sam: 3.87,
    rmse: 0.0312,
    psnr: 21.45,
  },
  {
    label: 'bicubic + 5 back-projections',
    role: 'baseline',
    about: 'Bicubic, corrected five times so that degrading it gives the input.',
    sam: 3.56,
    rmse: 0.0281,
    psnr: 22.13,
  },
  { label: 'spatial_sr', role: 'model', about: 'The trained network.', sam: 3.94, rmse: 0.0305, psnr: 21.7 },
];

export const stage1 = (): EvaluationResult => madeUp({ stage: 'stage 1', methods: STAGE1, size: 64, patches: 2 });
/** The model is behind the best baseline. */
export const stage2 = (): EvaluationResult => madeUp({ stage: 'stage 2', methods: STAGE2, size: 255, patches: 3 });
