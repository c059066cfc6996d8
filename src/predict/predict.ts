/**
 * Prediction of a whole scene: models and region are chosen and checked, tiles planned under the memory limit, then one stage
 * after the other computed. Stage 2 reads what stage 1 wrote.
 */

import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { formatBytes } from '../base/bytes.js';
import { BandliftError, EXIT } from '../base/errors.js';
import type { Reporter } from '../base/reporter.js';
import { version } from '../base/version.js';
import { type DeviceChoice, type OpenDevice, openDevice } from '../engine/device.js';
import { DEVICE_SHARE, machineMemory } from '../engine/memory_plan.js';
import { receptiveField } from '../models/index.js';
import { isSpectral } from '../models/spec.js';
import type { Window } from '../raster/types.js';
import { type CubeDescription, cubeBytes, cubePaths } from '../scenes/cube_description.js';
import type { OutputReport } from '../scenes/envi_output.js';
import { checkName } from '../scenes/output_file.js';
import type { Scene } from '../scenes/types.js';
import { TilePrograms } from '../tiling/tile_programs.js';
import { Monitor } from './monitor.js';
import { checkOutputs } from './outputs.js';
import { checkPlace, checkValues } from './plausibility.js';
import { chooseWindow, cropScene, edgeNotes, type RegionChoice, regionWarnings } from './region.js';
import { Slab } from './slab.js';
import { CLAMPED, planStage, type StagePlan } from './stage_plan.js';
import { finishedStage, isResumable, runStage } from './stage_run.js';
import { chooseStages, type Stage, type StageOptions } from './stages.js';
import {
  beginWork,
  endWork,
  hashOf,
  lockWork,
  readSettings,
  sceneIdentity,
  unfinished,
  workFolder,
} from './work_folder.js';

export interface PredictOptions extends StageOptions, RegionChoice {
  readonly tile?: number;
  /** Bytes for the whole process, without what a GPU holds. Default: half of the machine's, at most 4 GiB. */
  readonly maxMemory?: number;
  readonly device?: DeviceChoice;
  readonly overwrite?: boolean;
  /** An interrupted prediction goes on by itself; 'require': it is an error when there is none; 'restart': it is thrown away. */
  readonly resume?: 'auto' | 'require' | 'restart';
  /** Only says what would be done. */
  readonly planOnly?: boolean;
  /** How the scene was opened, where that changes its pixels (clouds masked or kept). */
  readonly inputKey?: string;
}

export interface PredictHooks {
  readonly reporter: Reporter;
  /** Opens stage 1's output for stage 2. */
  openScene(path: string): Promise<Scene>;
  /** Asked after every tile. */
  interrupted(): boolean;
}

export interface PredictResult {
  readonly output: OutputReport;
  readonly stage1?: OutputReport;
  readonly description: CubeDescription;
  readonly plans: readonly StagePlan[];
  /** Whether values were held within bounds (counts.bounded says how many). */
  readonly bounded: boolean;
  /** Where stage 2 followed: the share of stage 1's values of valid pixels that were held at 0. */
  readonly stage1Bounded?: number;
  readonly seconds: number;
}

/** What is done to predicted pixels: one that an earlier version left unfinished does not go on under other rules. */
const HELD_AT_ZERO = 'stage 1 held at 0';

const DEFAULT_MEMORY = 4 * 2 ** 30;
/** What comes without being planned: garbage not yet collected, encoded rows, caches of readers, compiled code. */
const RESERVE = 192 * 2 ** 20;

/** Values of valid pixels that were held at a bound, as a share of all; 0 where no pixel is valid. */
export function boundedShare({ counts }: OutputReport, bands: number): number {
  const valid = (counts.pixels - counts.nodata) * bands;
  return valid === 0 ? 0 : counts.bounded / valid;
}

/** Predicts `scene`; undefined when only the plan was asked for. Throws Interrupted when it was asked to stop. */
export async function predict(
  scene: Scene,
  options: PredictOptions,
  hooks: PredictHooks,
): Promise<PredictResult | undefined> {
  const began = Date.now();
  const { reporter } = hooks;
  const window = chooseWindow(scene, options);
  for (const warning of scene.warnings) reporter.warn(warning);
  const stages = await chooseStages(scene, window, options, reporter);
  const last = stages.at(-1)!;
  await checkPlaces(scene, stages, options, reporter);
  for (const warning of checkPlace(scene.georeference)) reporter.warn(warning);
  const odd = await checkValues(stages[0]!.model, scene, window, options.forceUnits === true);
  for (const warning of odd) reporter.warn(warning);
  const lock = options.planOnly === true ? undefined : lockWork(options.out);
  const disposables: { dispose(): void }[] = [];
  try {
    const { device, name, precision } = await openDevice(options.device);
    disposables.push(device);
    const programs = stages.map(({ model }) => {
      const made = new TilePrograms(device, model.spec, model.values, precision);
      disposables.unshift(made);
      return made;
    });
    const key = hashOf([
      version(),
      await sceneIdentity(scene),
      options.inputKey,
      window,
      device.info().isa,
      precision,
      HELD_AT_ZERO,
      stages.map(({ model, description }) => [model.hash, model.spec, model.normalization, description]),
    ]);
    const resume = options.planOnly === true ? 'auto' : (options.resume ?? 'auto');
    const settings = await unfinished(options.out, key, resume);
    const plans = planStages(stages, window, programs, options, settings?.tiles, freeOn(device));
    const monitor = new Monitor(
      reporter,
      stages.map((stage, i) => ({ ...stage, plan: plans[i]! })),
      name,
    );
    monitor.tellPlan();
    for (const note of edgeNotes(window, last.output, cropScene(scene, window).georeference))
      reporter.line(`note         ${note}`);
    const fields = stages.map(({ model }) => receptiveField(model.spec));
    for (const warning of regionWarnings(scene, window, fields)) reporter.warn(warning);
    if (options.planOnly === true) return undefined;
    if (settings === undefined) {
      // another process may have finished it while this one came for the lock
      checkName(options.out, { overwrite: options.overwrite === true });
      checkDisk(stages, plans);
      const tiles = plans.map(({ segments }) =>
        segments.map(({ grid }): [number, number] => [grid.tileHeight, grid.tileWidth]),
      );
      await beginWork(options.out, { format: 1, key, tiles });
    }
    const reports = await runStages(stages, plans, programs, cropScene(scene, window), {
      options,
      hooks,
      monitor,
      key,
      begin: settings === undefined,
    });
    await endWork(options.out);
    return {
      output: reports.at(-1)!,
      ...(options.keepStage1 && reports.length > 1 ? { stage1: reports[0]! } : {}),
      description: last.description,
      plans,
      bounded: isSpectral(last.model.spec) || plans.at(-1)!.scene.graph.outputs.has(CLAMPED),
      ...(reports.length > 1 ? { stage1Bounded: boundedShare(reports[0]!, stages[0]!.description.bands) } : {}),
      seconds: (Date.now() - began) / 1000,
    };
  } finally {
    for (const made of disposables) made.dispose();
    lock?.release();
  }
}

/** Tells before anything is computed when a result could not be written to its place, or would take another file's. */
async function checkPlaces(
  scene: Scene,
  stages: readonly Stage[],
  options: PredictOptions,
  reporter: Reporter,
): Promise<void> {
  const { out, keepStage1, overwrite, resume } = options;
  const unfinishedOne = resume === 'restart' ? undefined : await readSettings(workFolder(out));
  const kept = keepStage1 === true ? stages : stages.slice(-1);
  const warnings = checkOutputs({
    cubes: kept.map((stage) => stage.out),
    out,
    inputs: [...(scene.files ?? [scene.path]), ...stages.map(({ model }) => model.path)],
    overwrite: overwrite === true,
    resumes: unfinishedOne !== undefined,
  });
  for (const warning of warnings) reporter.warn(warning);
}

// ---- planning ----

/** Bytes to plan with on a device that has memory of its own; undefined for the CPU. */
function freeOn(device: OpenDevice['device']): number | undefined {
  const { memoryBytes } = device.info();
  return memoryBytes > 0 ? Math.floor(DEVICE_SHARE * memoryBytes) : undefined;
}

function planStages(
  stages: readonly Stage[],
  window: Window,
  programs: readonly TilePrograms[],
  options: PredictOptions,
  tiles: readonly (readonly (readonly [number, number])[])[] | undefined,
  deviceMemory: number | undefined,
): StagePlan[] {
  const maxMemory = options.maxMemory ?? Math.min(DEFAULT_MEMORY, machineMemory() / 2);
  const baseBytes = process.memoryUsage.rss() + RESERVE;
  let size: { height: number; width: number } = window;
  return stages.map(({ model, output }, i) => {
    const plan = planStage(model.spec, size.height, size.width, programs[i]!, {
      maxMemory,
      baseBytes,
      ...(deviceMemory === undefined ? {} : { deviceMemory }),
      ...(options.tile === undefined ? {} : { tile: options.tile }),
      ...(tiles?.[i] === undefined ? {} : { tiles: tiles[i] }),
    });
    size = output;
    return plan;
  });
}

/** Throws when the disk cannot hold result, stage 1's output and scratch together. */
function checkDisk(stages: readonly Stage[], plans: readonly StagePlan[]): void {
  const folder = dirname(stages.at(-1)!.out);
  const { bavail, bsize } = statfsSync(folder);
  const scratch = Math.max(...plans.map(({ scratchBytes }) => scratchBytes));
  const needed = stages.reduce((sum, { description }) => sum + cubeBytes(description), scratch);
  if (bavail * bsize >= needed) return;
  throw new BandliftError(
    'the disk is too small',
    {
      file: folder,
      found: `${formatBytes(bavail * bsize)} free`,
      expected: formatBytes(needed),
      hint: 'a smaller region (--roi), --format int16, or another disk',
    },
    EXIT.failure,
  );
}

// ---- computing ----

interface Run {
  readonly options: PredictOptions;
  readonly hooks: PredictHooks;
  readonly monitor: Monitor;
  readonly key: string;
  readonly begin: boolean;
}

async function runStages(
  stages: readonly Stage[],
  plans: readonly StagePlan[],
  programs: readonly TilePrograms[],
  scene: Scene,
  { options, hooks, monitor, key, begin }: Run,
): Promise<OutputReport[]> {
  // one block for all stages: what the first leaves would not be given back in time
  const slab = new Slab(Math.max(...plans.map(({ bufferBytes }) => bufferBytes)));
  const reports: OutputReport[] = [];
  let input = scene;
  try {
    for (const [i, { model, out, description, folder }] of stages.entries()) {
      const stageKey = `${key} ${i + 1}`;
      const isLast = i === stages.length - 1;
      const done = begin ? undefined : await finishedStage({ out, description, folder, key: stageKey });
      if (done) reports.push(done);
      else {
        monitor.beginStage(i);
        reports.push(
          await runStage({
            model,
            plan: plans[i]!,
            programs: programs[i]!,
            input,
            out,
            description,
            folder,
            key: stageKey,
            slab,
            begin,
            overwrite: options.overwrite === true,
            progress: (segment, tiles) => monitor.update(i, segment, tiles),
            interrupted: hooks.interrupted,
          }),
        );
        monitor.endStage(i);
      }
      programs[i]!.dispose();
      if (!isLast) input = await hooks.openScene(cubePaths(out).dataPath);
    }
    return reports;
  } catch (error) {
    // what an earlier run has done is not lost to a wrong option of this one
    const isUsage = error instanceof BandliftError && error.exitCode === EXIT.usage;
    if (!isResumable(error) && (begin || !isUsage)) await endWork(options.out);
    throw error;
  } finally {
    monitor.stop();
    if (input !== scene) await input.close();
  }
}
