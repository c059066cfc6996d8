/** What `bandlift evaluate` found: written as metrics.json, and all that the report draws from. Physical units throughout. */
import type { Bands, MethodResult } from '../metrics/types.js';

/** The spectra of one pixel. */
export interface SpectrumExample {
  /** 'worst pixel', 'median pixel', 'chosen'. */
  readonly title: string;
  readonly patch: number;
  readonly y: number;
  readonly x: number;
  /** Angle of the model's prediction. */
  readonly samDeg: number;
  readonly truth: readonly number[];
  readonly predictions: readonly { readonly label: string; readonly values: readonly number[] }[];
}

/** One patch as pictures: RGB composites with the same stretch, and maps of the model's error. */
export interface PictureSet {
  readonly patch: number;
  readonly scene: string;
  readonly height: number;
  readonly width: number;
  /** In the order they are shown: input, baseline(s), model, truth. [h, w, 3], 0..255. */
  readonly rgb: readonly { readonly label: string; readonly pixels: Uint8Array }[];
  /** [h, w]: spectral angle in degrees and RMSE over bands, NaN where not valid. */
  readonly maps: readonly { readonly label: string; readonly unit: string; readonly values: Float32Array }[];
}

/** True against predicted values of the bands of a region, a sample of pixels. */
export interface ScatterSample {
  readonly region: Bands;
  readonly truth: readonly number[];
  readonly predicted: readonly number[];
}

export interface EvaluationResult {
  readonly stage: 'stage 1' | 'stage 2' | 'end to end';
  readonly version: string;
  readonly created: string;
  readonly models: readonly {
    readonly stage: 1 | 2;
    readonly file: string;
    readonly kind: string;
    readonly parameters: number;
    readonly epoch?: number;
  }[];
  readonly data: {
    readonly path: string;
    readonly files: readonly string[];
    readonly scenes: readonly string[];
    readonly patches: number;
    readonly height: number;
    readonly width: number;
    readonly split: string;
    readonly units: string;
    readonly sensor: string | null;
  };
  /** nm; null where the files do not say. */
  readonly wavelength: readonly number[] | null;
  /** 1 = counted. */
  readonly goodBands: readonly number[];
  /** Baselines first, then the model(s), then the oracle. */
  readonly methods: readonly MethodResult[];
  /** Definitions, masks and everything a reader must know to judge the numbers; one sentence each. */
  readonly notes: readonly string[];
  readonly spectra: readonly SpectrumExample[];
  readonly pictures: readonly PictureSet[];
  readonly scatter: readonly ScatterSample[];
}

/** metrics.json: the result without its pictures and scatter points; numbers that are not finite are null. */
export function metricsJson(result: EvaluationResult): string {
  const { pictures, scatter: _, ...numbers } = result;
  const shown = pictures.map(({ patch, scene, height, width }) => ({ patch, scene, height, width }));
  const text = JSON.stringify({ ...numbers, pictures: shown }, null, 1);
  // lists of numbers on one line
  return `${text.replace(/\[\s+((?:[-\d.eE+]+|null)(?:,\s+(?:[-\d.eE+]+|null))*)\s+\]/g, (_, list: string) => `[${list.replace(/\s+/g, '')}]`)}\n`;
}
