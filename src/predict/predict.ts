/**
 * Prediction of a whole scene, in three acts: look (look.ts) at scene, models and outputs; plan (plan.ts) regions, tiles, memory
 * and disk as a value; run (run.ts) the plan.
 */
import type { Reporter } from '../base/reporter.js';
import { openDevice } from '../engine/device.js';
import type { DeviceChoice } from '../engine/device_choice.js';
import { isSpectral } from '../models/spec.js';
import type { CubeDescription } from '../scenes/cube_description.js';
import type { OutputReport } from '../scenes/envi_output.js';
import type { Scene } from '../scenes/types.js';
import { type LookOptions, look } from './look.js';
import { Monitor } from './monitor.js';
import { Machine, type PlanRequest, type PredictionPlan, planPrediction, predictionKey } from './plan.js';
import { runPlan } from './run.js';
import type { StageModel } from './stage_model.js';
import { CLAMPED } from './stage_plan.js';
import { lockWork, unfinished } from './work_folder.js';

/** An interrupted prediction goes on by itself; resume 'require': it is an error when there is none; 'restart': it is thrown away. */
export interface PredictOptions extends LookOptions, PlanRequest {
  readonly device?: DeviceChoice;
}

export interface PredictHooks {
  readonly reporter: Reporter;
  /** Asked after every tile. */
  interrupted(): boolean;
}

export interface PredictResult {
  /** The result: where it is, its bytes, and counts of its pixels and values. */
  readonly output: OutputReport;
  /** Stage 1's cube, where it is kept. */
  readonly stage1?: OutputReport;
  readonly description: CubeDescription;
  readonly plan: PredictionPlan;
  /** Whether values were held within bounds (output.counts.bounded says how many). */
  readonly bounded: boolean;
  /** Where stage 2 followed: the share of stage 1's values of valid pixels that were held at 0. */
  readonly stage1Bounded?: number;
  /** Where it was asked for: the cubes of error and distance, and what is to be said of them. */
  readonly uncertainty?: {
    readonly cube: OutputReport;
    readonly distance: OutputReport;
    /** Share of the valid pixels that lie beyond the training range; 0 where none is valid. */
    readonly beyond: number;
    /** Scenes that the intervals are calibrated on. */
    readonly scenes: number;
  };
  readonly seconds: number;
}

/** Values of valid pixels that were held at a bound, as a share of all; 0 where no pixel is valid. */
export function boundedShare({ counts }: OutputReport, bands: number): number {
  const valid = (counts.pixels - counts.nodata) * bands;
  return valid === 0 ? 0 : counts.bounded / valid;
}

/** The two cubes beside a result come first (stages.ts). */
function uncertaintyOf([cube, distance]: readonly OutputReport[], model: StageModel) {
  return {
    cube: cube!,
    distance: distance!,
    beyond: boundedShare(distance!, 1),
    scenes: model.scenes!.facts.uncertainty.scenes,
  };
}

/** Predicts `scene`. Throws Interrupted when it was asked to stop. */
export async function predict(scene: Scene, options: PredictOptions, hooks: PredictHooks): Promise<PredictResult> {
  const began = Date.now();
  const { reporter, interrupted } = hooks;
  const seen = await look(scene, options, (text) => reporter.warn(text));
  const lock = lockWork(options.out);
  let machine: Machine | undefined;
  try {
    machine = new Machine(await openDevice(options.device), seen);
    const key = await predictionKey(seen, machine, options.inputKey);
    const settings = await unfinished(options.out, key, options.resume ?? 'auto');
    const plan = planPrediction(seen, machine, options, key, settings);
    const monitor = tellPlan(plan, reporter);
    const reports = await runPlan(plan, machine, seen.input, {
      ...{ out: options.out, overwrite: options.overwrite === true, begin: settings === undefined },
      ...{ monitor, interrupted },
    });
    const last = plan.stages.at(-1)!;
    const main = reports.filter((_, i) => !plan.stages[i]!.side);
    return {
      output: reports.at(-1)!,
      ...(options.keepStage1 && main.length > 1 ? { stage1: main[0]! } : {}),
      description: last.description,
      plan,
      bounded: isSpectral(last.model.spec) || last.plan.scene.graph.outputs.has(CLAMPED),
      ...(main.length > 1 ? { stage1Bounded: boundedShare(main[0]!, plan.stages[0]!.description.bands) } : {}),
      ...(options.uncertainty === undefined ? {} : { uncertainty: uncertaintyOf(reports, last.model) }),
      seconds: (Date.now() - began) / 1000,
    };
  } finally {
    machine?.dispose();
    lock.release();
  }
}

/** The first two acts alone: says what `predict` would do, computes and writes nothing. */
export async function planOnly(scene: Scene, options: PredictOptions, reporter: Reporter): Promise<PredictionPlan> {
  const seen = await look(scene, options, (text) => reporter.warn(text));
  const machine = new Machine(await openDevice(options.device), seen);
  try {
    const key = await predictionKey(seen, machine, options.inputKey);
    const plan = planPrediction(seen, machine, options, key, await unfinished(options.out, key, 'auto'));
    tellPlan(plan, reporter);
    return plan;
  } finally {
    machine.dispose();
  }
}

function tellPlan(plan: PredictionPlan, reporter: Reporter): Monitor {
  const monitor = new Monitor(reporter, plan);
  monitor.tellPlan();
  for (const note of plan.notes) reporter.line(`note         ${note}`);
  for (const warning of plan.warnings) reporter.warn(warning);
  return monitor;
}
