/** What the header of a predicted cube says. */
import { basename } from 'node:path';
import { version } from '../base/version.js';
import { outputSize } from '../models/index.js';
import type { ModelSpec } from '../models/spec.js';
import { refine } from '../raster/geo.js';
import type { GeoReference, Window } from '../raster/types.js';
import type { CubeDescription } from '../scenes/cube_description.js';
import type { Scene } from '../scenes/types.js';
import { keepBands } from '../spectra/bands.js';
import type { StageModel } from './stage_model.js';

export interface ResultFormat {
  readonly dataType: 'float32' | 'int16';
  readonly interleave: 'bip' | 'bil';
  /** int16: stored = value * scale. Default: 10000 for reflectance, else so that four times the training range fits. */
  readonly scale?: number;
}

/** Bands and place of a stage's output. */
export interface StageOutput {
  readonly height: number;
  readonly width: number;
  readonly bands: number;
  readonly wavelength?: Float64Array;
  readonly fwhm?: Float64Array;
  readonly goodBands?: Uint8Array;
  readonly bandNames?: readonly string[];
  readonly units?: string;
  readonly georeference?: GeoReference;
}

/** A stage's output for an input (a scene, or the output of the stage before). */
export function stageOutput(model: StageModel, input: Omit<StageOutput, 'bands'>): StageOutput {
  const { spec } = model;
  const size = outputSize(spec, input.height, input.width);
  // a spatial network gives the bands that it takes; others give the bands they were trained for
  const keeps = 'up' in spec;
  const wavelength = (keeps ? input.wavelength : undefined) ?? model.wavelength;
  const fwhm = (keeps ? input.fwhm : undefined) ?? model.fwhm;
  const units = model.units ?? input.units;
  const ratio = spec.kind === 'cascade' ? spec.stage2 : keeps ? spec : undefined;
  const place = input.georeference;
  const names = (keeps ? input.bandNames?.map(withoutWavelength) : undefined) ?? bandNames(wavelength);
  return {
    ...size,
    bands: spec.outBands,
    ...(wavelength && { wavelength }),
    ...(fwhm && { fwhm }),
    goodBands: goodBands(spec.outBands, (keeps ? input.goodBands : undefined) ?? inClearAir(wavelength), model.trained),
    ...(names && { bandNames: names }),
    ...(units !== undefined && { units }),
    ...(place && { georeference: ratio === undefined ? place : refine(place, ratio.up, ratio.down) }),
  };
}

/** Readers put the wavelength beside the name themselves. */
const bandNames = (wavelength: Float64Array | undefined): string[] | undefined =>
  wavelength && Array.from(wavelength, (_, b) => `band ${b + 1}`);

const withoutWavelength = (name: string): string =>
  name.replace(/\s*\(\s*[\d.]+\s*(nm|um|µm|nanometers?|micrometers?)\s*\)\s*$/i, '');

/** 1 for bands that are good by every list that is known; all are without a list. */
const goodBands = (bands: number, ...lists: readonly (Uint8Array | undefined)[]): Uint8Array =>
  Uint8Array.from({ length: bands }, (_, b) => (lists.every((list) => (list?.[b] ?? 1) === 1) ? 1 : 0));

/** 1 for all bands but those where water vapour absorbs nearly all light. */
function inClearAir(wavelength: Float64Array | undefined): Uint8Array | undefined {
  if (wavelength === undefined) return undefined;
  const good = new Uint8Array(wavelength.length);
  for (const b of keepBands(wavelength)) good[b] = 1;
  return good;
}

/** Values up to this multiple of the training range are kept by int16. */
const HEADROOM = 4;
const MOST = 32767;

/** Scale of int16: 10000 for reflectance (the usual one), else the largest 1, 2 or 5 times a power of ten that leaves headroom. */
export function integerScale({ normalization, units }: StageModel): number {
  const { offset, scale } = normalization.target;
  const reach = Math.max(...scale.map((s, b) => Math.abs(s) + Math.abs(offset[offset.length === 1 ? 0 : b]!)));
  const isReflectance = units === undefined ? normalization.method === 'none' : /reflectance/i.test(units);
  if (isReflectance || !(reach > 0 && Number.isFinite(reach))) return 10000;
  const most = MOST / (HEADROOM * reach);
  const power = 10 ** Math.floor(Math.log10(most));
  return power * (most >= 5 * power ? 5 : most >= 2 * power ? 2 : 1);
}

/** 'bicubic with 8 bounded back-projections'. */
export function describeNetwork(spec: ModelSpec): string {
  const spatial = spec.kind === 'cascade' ? spec.stage2 : spec;
  if (!('backProjections' in spatial) || spatial.backProjections === 0) return spec.kind;
  return `${spec.kind} with ${spatial.backProjections} ${spatial.projection ? 'bounded ' : ''}back-projections`;
}

/** The whole description of a result. Nothing in it depends on the time, so that a resumed result is the same file. */
export function describeResult(
  output: StageOutput,
  models: readonly { readonly stage: string; readonly model: StageModel }[],
  source: { readonly scene: Scene; readonly window: Window },
  format: ResultFormat,
): CubeDescription {
  const { scene, window } = source;
  const whole = window.height === scene.height && window.width === scene.width;
  const provenance: Record<string, string> = {
    'bandlift version': version(),
    'source scene': basename(scene.path),
    ...(whole
      ? {}
      : { 'source window': `${window.x} ${window.y} ${window.width} ${window.height} (x y width height)` }),
    ...(scene.sensor === undefined ? {} : { 'sensor type': scene.sensor }),
  };
  for (const { stage, model } of models) {
    provenance[`${stage} model`] = describeNetwork(model.spec);
    if (model.path !== model.hash) provenance[`${stage} checkpoint`] = `${basename(model.path)} sha256:${model.hash}`;
  }
  const kinds = models.map(({ model }) => model.spec.kind).join(' and ');
  return {
    ...output,
    dataType: format.dataType,
    interleave: format.interleave,
    ...(format.dataType === 'int16' && { scale: format.scale ?? integerScale(models.at(-1)!.model) }),
    description: `bandlift ${version()}: predicted by ${kinds} from ${basename(scene.path)}`,
    provenance,
  };
}
