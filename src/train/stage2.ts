/** Stage 2: the bands at 30 m to the same bands at 4 m; or, with finetune_stage1, Landsat's 7 bands to them in one network. */
import { join } from 'node:path';
import type { Reporter } from '../base/reporter.js';
import { type Checkpoint, loadModel, saveCheckpoint } from '../checkpoint/checkpoint.js';
import { IDENTITY, physicalZero } from '../data/normalize.js';
import type { AffineNormalization, PatchSet } from '../data/types.js';
import type { LossTerms } from '../engine/types.js';
import type { KnownModel } from '../evaluate/evaluation_data.js';
import { type Method, openNetwork } from '../evaluate/method.js';
import { BACK_PROJECTIONS, bicubicMethod, cascadeModel, ownCoarse, spatialModel } from '../evaluate/stage2_methods.js';
import type { MethodResult } from '../metrics/types.js';
import { BOUNDS } from '../models/bounded_projection.js';
import {
  BOUNDED_ROUNDS,
  type CascadeSpec,
  type ModelSpec,
  type SpatialModelSpec,
  type SpectralSpec,
} from '../models/spec.js';
import type { Ranks } from '../ranks/join.js';
import { LANDSAT_TO_AVIRIS_NG, type SpatialRatio } from '../resample/ratio.js';
import type { Baselines } from './board.js';
import type { Stage2Config } from './config.js';
import type { TrainingData } from './data_setup.js';
import type { Run } from './epochs.js';
import { notOfStage, openSession } from './model_setup.js';
import { type TrainingStage, type TrainResult, trainRun } from './run.js';
import { checkpointsOf } from './run_folder.js';
import { loadStage1 } from './stage1_model.js';
import { openStage2Data } from './stage2_data.js';
import { machineOf, testRows } from './test_report.js';
import { validationLoss } from './validation.js';

/** Features of the documented networks (docs/specification.md, section 1). */
const DEFAULT_FEATURES = { spatial_sr: 64, spatial_lightweight: 16, bicubic: 1 } as const;
/** Back-projections of the baselines that a spatial network has to beat, and whether they are bounded. */
const BASELINES = [
  [0, false],
  [BACK_PROJECTIONS, false],
  [BOUNDED_ROUNDS, true],
] as const;

/** Trains a stage-2 model; see trainRun. */
export async function trainStage2(
  settings: Stage2Config,
  resume: boolean,
  report: Reporter,
  interrupted: () => boolean,
  checkpoint?: string,
  ranks?: Ranks,
): Promise<TrainResult> {
  const stage1 = settings.finetune_stage1 ? (await loadStage1(settings.stage1)).model : undefined;
  const stage: TrainingStage<Stage2Config> = {
    openData: openStage2Data,
    decide: decideNetwork,
    spec: (config, { set, normalization }) => {
      const spatial = spatialSpec(config, set.outBands, ratioOfSet(set), normalization.target);
      if (!stage1) return spatial;
      return {
        kind: 'cascade',
        inBands: set.inBands,
        outBands: set.outBands,
        stage1: stage1 as SpectralSpec,
        stage2: spatial,
      };
    },
    firstParameters,
    baselines: bicubicLosses,
    // a cascade begins with stage 1, whose statistics serve its baselines
    ...(stage1 && { statistics: async (config) => (await loadStage1(config.stage1)).statistics }),
    test: testReport,
    ...(stage1 && { finish: splitCascade }),
  };
  return trainRun(stage, settings, { resume, checkpoint }, report, interrupted, ranks);
}

const ratioOfSet = ({ files }: PatchSet): SpatialRatio => files[0]!.ratio;

/** The spatial network that the settings describe, for numbers of this normalisation. */
export function spatialSpec(
  config: Stage2Config,
  bands: number,
  { up, down }: SpatialRatio = LANDSAT_TO_AVIRIS_NG,
  normalization: AffineNormalization = IDENTITY,
): SpatialModelSpec {
  const bounded = config.projection === 'bounded' && config.back_projections > 0;
  const sizes = {
    inBands: bands,
    outBands: bands,
    up,
    down,
    backProjections: config.back_projections,
    ...(bounded ? { projection: { ...BOUNDS, floor: physicalZero(normalization, bands) } } : {}),
  };
  const { groups, blocks, reduction } = config;
  const features = config.features || DEFAULT_FEATURES[config.model];
  switch (config.model) {
    case 'spatial_sr':
      return { kind: 'spatial_sr', ...sizes, features, groups, blocks, reduction };
    case 'spatial_lightweight':
      return { kind: 'spatial_lightweight', ...sizes, features, blocks };
    case 'bicubic':
      return { kind: 'bicubic', ...sizes };
  }
}

/** A run that starts from another model's weights has that model's network. */
async function decideNetwork(settings: Stage2Config, data: TrainingData): Promise<Stage2Config> {
  if (settings.init === '') return settings;
  const { model } = await loadModel(settings.init);
  const spec = model.kind === 'cascade' ? model.stage2 : model;
  if (!('up' in spec)) throw notOfStage(model.kind, 'stage 2');
  if (spec.outBands !== data.set.outBands) throw notOfStage(`${model.kind} of ${spec.outBands} bands`, 'these patches');
  return withSpatialModel(settings, spec);
}

/** The settings of a run whose network is this one, whatever they say about it. Throws for a network of stage 1. */
export function withSpatialModel(settings: Stage2Config, model: ModelSpec): Stage2Config {
  const spec = model.kind === 'cascade' ? model.stage2 : model;
  if (!('up' in spec)) throw notOfStage(model.kind, 'stage 2');
  const projection = spec.projection === undefined ? ('plain' as const) : ('bounded' as const);
  const common = { ...settings, model: spec.kind, back_projections: spec.backProjections, projection };
  switch (spec.kind) {
    case 'spatial_sr':
      return {
        ...common,
        features: spec.features,
        groups: spec.groups,
        blocks: spec.blocks,
        reduction: spec.reduction,
      };
    case 'spatial_lightweight':
      return { ...common, features: spec.features, blocks: spec.blocks };
    case 'bicubic':
      return common;
  }
}

/** With zero_start the network begins as bicubic with its back-projections; a cascade begins with stage 1's weights. */
async function firstParameters(
  config: Stage2Config,
  spec: ModelSpec,
  { set }: TrainingData,
  report: Reporter,
): Promise<Map<string, Float32Array>> {
  const values = new Map<string, Float32Array>();
  const [prefix, spatial] = spec.kind === 'cascade' ? ['stage2.', spec.stage2] : ['', spec as SpatialModelSpec];
  if (config.zero_start && spatial.kind !== 'bicubic') {
    const last = spatial.kind === 'spatial_sr' ? 'reconstruction' : 'reconstruct';
    values.set(`${prefix}${last}.weight`, new Float32Array(set.outBands * spatial.features * 9));
    values.set(`${prefix}${last}.bias`, new Float32Array(set.outBands));
  }
  if (spec.kind === 'cascade') {
    const stage1 = await loadStage1(config.stage1);
    for (const [name, value] of stage1.tensors.ema ?? stage1.tensors.parameters) values.set(`stage1.${name}`, value);
    for (const [name, value] of stage1.tensors.parameters)
      if (!values.has(`stage1.${name}`)) values.set(`stage1.${name}`, value);
    report.line(`both stages are trained together, from stage 1's weights in ${config.stage1}`);
  }
  return values;
}

// ---- the final table ----

function bicubicBaselines({ set }: TrainingData): [name: string, spec: SpatialModelSpec][] {
  return [0, BACK_PROJECTIONS].map((count) => [
    count === 0 ? 'bicubic' : `bicubic + ${count} back-projections`,
    { kind: 'bicubic', inBands: set.outBands, outBands: set.outBands, ...ratioOfSet(set), backProjections: count },
  ]);
}

/** Loss terms of the baselines on the validation split. A cascade's would need stage 1 before them: none are drawn. */
async function bicubicLosses(config: Stage2Config, data: TrainingData): Promise<Baselines> {
  if (config.finetune_stage1) return {};
  const losses: Record<string, LossTerms> = {};
  for (const [name, spec] of bicubicBaselines(data)) {
    const session = await openSession(config, spec, data, { ema: false, mode: 'infer' });
    try {
      losses[name] = (await validationLoss(config, data, session, `of ${name}`)).terms();
    } finally {
      session.dispose();
    }
  }
  return losses;
}

/** Bicubic and its back-projections, of the same input, then the model. A cascade's input is Landsat: stage 1 stands before. */
async function testReport(
  config: Stage2Config,
  data: TrainingData,
  best: KnownModel,
  label: string,
): Promise<MethodResult[]> {
  const { set } = data;
  const machine = machineOf(config);
  const spec = best.contract.model;
  const size = { height: set.inputHeight, width: set.inputWidth };
  if (spec.kind !== 'cascade') {
    const source = ownCoarse('the input');
    return testRows(config, data, () => [
      ...BASELINES.map(([count, bounded]) =>
        bicubicMethod(source, set.outBands, ratioOfSet(set), { count, bounded }, size, machine, false),
      ),
      { ...spatialModel(best, source, size, machine), label },
    ]);
  }
  const stage1 = await stage1Parameters(config);
  const { target } = best.contract.normalization;
  // inside a cascade the numbers are normalised
  const floor = physicalZero(target, set.outBands);
  const baseline = ([backProjections, bounded]: (typeof BASELINES)[number]): Method => {
    const stage2 = {
      kind: 'bicubic',
      inBands: set.outBands,
      outBands: set.outBands,
      ...ratioOfSet(set),
      backProjections,
      ...(bounded ? { projection: { ...BOUNDS, floor } } : {}),
    } as const;
    return {
      label: `stage 1 as given, bicubic${backProjections === 0 ? '' : ` + ${backProjections} ${bounded ? 'bounded ' : ''}back-projections`}`,
      role: 'baseline',
      about: 'stage 1 before it was trained further',
      normalizeInput: best.contract.normalization.input,
      normalizeOutput: target,
      shown: false,
      open: () => openNetwork({ ...spec, stage2 }, stage1, size, machine),
    };
  };
  return testRows(config, data, () => [...BASELINES.map(baseline), { ...cascadeModel(best, size, machine), label }]);
}

async function stage1Parameters(config: Stage2Config): Promise<Map<string, Float32Array>> {
  const { tensors } = await loadStage1(config.stage1);
  const values = new Map([...tensors.parameters, ...(tensors.ema ?? [])]);
  return new Map([...values].map(([name, value]) => [`stage1.${name}`, value]));
}

// ---- a cascade as two checkpoints ----

/** Writes the two halves of the best cascade as checkpoints that `predict` takes: stage1.safetensors, stage2.safetensors. */
async function splitCascade(run: Run, best: Checkpoint): Promise<void> {
  const spec = best.model as CascadeSpec;
  const { normalization } = best;
  for (const stage of ['stage1', 'stage2'] as const) {
    const path = join(checkpointsOf(run.folder.path), `${stage}.safetensors`);
    const prefix = `${stage}.`;
    const half = (values: ReadonlyMap<string, Float32Array> | undefined) =>
      values &&
      new Map(
        [...values].flatMap(([name, value]) => (name.startsWith(prefix) ? [[name.slice(prefix.length), value]] : [])),
      );
    const { parameters, m, v, ema } = best.tensors;
    const groups = { m: half(m), v: half(v), ema: half(ema) };
    const { statistics, ...contract } = best;
    await saveCheckpoint(path, {
      ...contract,
      ...(statistics && stage === 'stage1' ? { statistics } : {}),
      model: spec[stage],
      // inside the cascade nothing is clipped between the stages
      normalization:
        stage === 'stage1' ? normalization : { ...normalization, input: { ...normalization.target, clip: false } },
      tensors: {
        parameters: half(parameters)!,
        ...Object.fromEntries(Object.entries(groups).filter(([, values]) => values !== undefined)),
      },
    });
    run.report.line(`${stage === 'stage1' ? 'stage 1' : 'stage 2'} of it: ${path}`);
  }
}
