/** The stages of a prediction: their models, checked against the scene and each other, and the cubes they give. */
import { join } from 'node:path';
import { BandliftError, EXIT } from '../base/errors.js';
import type { Window } from '../raster/types.js';
import { type CubeDescription, cubePaths } from '../scenes/cube_description.js';
import type { Scene } from '../scenes/types.js';
import { checkInput } from './checks.js';
import { cropScene } from './region.js';
import { describeResult, type ResultFormat, type StageOutput, stageOutput } from './result_description.js';
import { loadStageModel, type ProjectionChoice, type StageModel } from './stage_model.js';
import { checkUncertain, distanceModel, type UncertaintyKind, uncertaintyModel } from './uncertainty.js';
import { workFolder } from './work_folder.js';

export interface StageOptions {
  /** Checkpoints, or models that are loaded; at least one. `stage2` may be 'bicubic'. */
  readonly stage1?: string | StageModel;
  readonly stage2?: string | StageModel;
  /** Normalisation of models that know none; see LoadOptions. */
  readonly stage1Stats?: string;
  readonly stage2Stats?: string;
  readonly backProjections?: number;
  readonly projection?: ProjectionChoice;
  readonly out: string;
  readonly format: ResultFormat;
  readonly keepStage1?: boolean;
  readonly forceUnits?: boolean;
  /** Also writes what is known of the error: OUT_uncertainty, and OUT_distance from the training set. */
  readonly uncertainty?: UncertaintyKind;
}

export interface Stage {
  readonly name: 'stage 1' | 'stage 2' | 'uncertainty' | 'distance';
  /** Reads the scene and stays beside the result: no other stage reads it. */
  readonly side: boolean;
  readonly model: StageModel;
  readonly output: StageOutput;
  readonly out: string;
  readonly description: CubeDescription;
  readonly folder: string;
}

/**
 * Reads the models that were asked for and says what each gives. Warnings go to `warn`.
 * Errors: BandliftError for models that do not fit the scene, each other or their place.
 */
export async function chooseStages(
  scene: Scene,
  window: Window,
  options: StageOptions,
  warn: (text: string) => void,
): Promise<Stage[]> {
  const { stage1, stage2, stage1Stats, stage2Stats, backProjections, projection, out } = options;
  const chosen = [
    ...(stage1 === undefined
      ? []
      : [{ name: 'stage 1', given: stage1, option: 'stage1', stats: stage1Stats } as const]),
    ...(stage2 === undefined
      ? []
      : [{ name: 'stage 2', given: stage2, option: 'stage2', stats: stage2Stats } as const]),
  ];
  if (chosen.length === 0) throw new BandliftError('give --stage1, --stage2 or both', {}, EXIT.usage);
  const input = cropScene(scene, window);
  let before: StageOutput = { ...input, ...(scene.georeference ? { georeference: input.georeference! } : {}) };
  let path = scene.path;
  const stages: Stage[] = [];
  const used: { stage: string; model: StageModel }[] = [];
  for (const [i, { name, option, stats, given }] of chosen.entries()) {
    const isLast = i === chosen.length - 1;
    const model =
      typeof given !== 'string'
        ? given
        : await loadStageModel(given, before.bands, {
            option,
            ...(stats === undefined ? {} : { stats }),
            ...(isLast && backProjections !== undefined ? { backProjections } : {}),
            ...(isLast && projection !== undefined ? { projection } : {}),
          });
    checkKind(model, name, isLast);
    const own = model.scenes?.facts.calibration;
    if (own !== undefined && own.scene !== scene.name)
      warn(`${model.path} is calibrated to ${own.scene}, not to ${scene.name}`);
    for (const warning of checkInput(
      model,
      { ...before, path, ...(i === 0 && scene.sensor ? { sensor: scene.sensor } : {}) },
      options.forceUnits === true,
    ))
      warn(warning);
    const output = stageOutput(model, before);
    used.push({ stage: name, model });
    const final = { ...options.format };
    const between = { dataType: 'float32', interleave: 'bip' } as const;
    const description = describeResult(output, used, { scene, window }, isLast ? final : between);
    const work = workFolder(out);
    const kept =
      options.keepStage1 === true ? cubePaths(out).headerPath.replace(/\.hdr$/, '_stage1') : join(work, 'stage1');
    stages.push({
      name,
      side: false,
      model,
      output,
      out: isLast ? out : kept,
      description,
      folder: join(work, option),
    });
    before = output;
    path = model.path;
  }
  if (options.uncertainty === undefined) return stages;
  checkUncertain(stages.map(({ model }) => model));
  return [...sideStages(stages[0]!, options, { scene, window }), ...stages];
}

/** Error and distance of a stage: on its grid, from the scene. */
function sideStages(
  { model, output, description }: Stage,
  { uncertainty, out, format }: StageOptions,
  source: { readonly scene: Scene; readonly window: Window },
): Stage[] {
  const kind = uncertainty!;
  const place = (suffix: string) => cubePaths(out).headerPath.replace(/\.hdr$/, suffix);
  const { limit, scenes } = model.scenes!.facts.uncertainty;
  const calibrated = `calibrated on ${scenes} scenes`;
  const stage = (
    name: 'uncertainty' | 'distance',
    own: StageModel,
    bands: StageOutput,
    text: string,
    dataType: ResultFormat['dataType'],
  ): Stage => ({
    name,
    side: true,
    model: own,
    output: bands,
    out: place(`_${name}`),
    description: {
      ...describeResult(bands, [{ stage: 'stage 1', model }], source, { ...format, dataType }),
      description: `${description.description}: ${text}`,
    },
    folder: join(workFolder(out), name),
  });
  const { wavelength: _, fwhm: __, goodBands: ___, units: ____, ...grid } = output;
  return [
    kind === 'sd'
      ? stage('uncertainty', uncertaintyModel(model, kind), output, `standard deviations, ${calibrated}`, 'float32')
      : stage(
          'uncertainty',
          uncertaintyModel(model, kind),
          twice(output),
          `lower bounds of all bands, then upper ones, of intervals of 90 %, ${calibrated}`,
          format.dataType,
        ),
    stage(
      'distance',
      distanceModel(model),
      { ...grid, bands: 1, bandNames: ['distance'] },
      `distance from the training spectra, whose mean square is 1; a hundredth of them lies beyond ${Math.sqrt(limit).toFixed(3)}`,
      'float32',
    ),
  ];
}

/** The bands of an output two times: lower bounds, then upper ones. */
function twice(output: StageOutput): StageOutput {
  const double = (list: Float64Array) => Float64Array.of(...list, ...list);
  const names = Array.from({ length: output.bands }, (_, b) => output.bandNames?.[b] ?? `band ${b + 1}`);
  return {
    ...output,
    bands: 2 * output.bands,
    ...(output.wavelength && { wavelength: double(output.wavelength) }),
    ...(output.fwhm && { fwhm: double(output.fwhm) }),
    ...(output.goodBands && { goodBands: Uint8Array.of(...output.goodBands, ...output.goodBands) }),
    bandNames: ['lower', 'upper'].flatMap((bound) => names.map((name) => `${bound} ${name}`)),
  };
}

function checkKind(model: StageModel, name: 'stage 1' | 'stage 2', isLast: boolean): void {
  const { kind } = model.spec;
  const spatial = 'up' in model.spec;
  if (name === 'stage 1' && spatial)
    throw new BandliftError('this is a spatial network', { file: model.path, hint: 'give it as --stage2' }, EXIT.usage);
  if (name === 'stage 2' && !spatial)
    throw new BandliftError(
      `not a spatial network but ${kind}`,
      { file: model.path, hint: 'give it as --stage1' },
      EXIT.usage,
    );
  if (kind === 'cascade' && !isLast)
    throw new BandliftError('holds both stages', { file: model.path, hint: 'leave out --stage2' }, EXIT.usage);
}
