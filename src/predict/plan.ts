/**
 * The second act of a prediction: planning. A plan is a value: it says what will be read, computed and written, and what that
 * takes, and nothing is done to make it but compiling.
 */
import { version } from '../base/version.js';
import type { OpenDevice } from '../engine/device.js';
import { DEVICE_SHARE, machineMemory } from '../engine/memory_plan.js';
import { receptiveField } from '../models/index.js';
import type { Window } from '../raster/types.js';
import { cubeBytes } from '../scenes/cube_description.js';
import { TilePrograms } from '../tiling/tile_programs.js';
import type { Seen } from './look.js';
import { edgeNotes, regionWarnings } from './region.js';
import { planStage, type StagePlan } from './stage_plan.js';
import type { Stage } from './stages.js';
import { hashOf, type Settings, sceneIdentity } from './work_folder.js';

export interface PlannedStage extends Stage {
  /** Passes over the input, the tiles of each, and their memory. */
  readonly plan: StagePlan;
}

export interface PredictionPlan {
  /** In pixels of the scene. */
  readonly region: Window;
  readonly stages: readonly PlannedStage[];
  /** What computes, in words. */
  readonly device: string;
  /** Of the process at most, and of a device with memory of its own, bytes. */
  readonly memoryBytes: number;
  readonly deviceBytes: number;
  /** Results, stage 1's output and scratch together, bytes. */
  readonly diskBytes: number;
  /** Of everything that the result depends on: an interrupted prediction goes on only with the same. */
  readonly key: string;
  /** What a person should know of the result's edges. */
  readonly notes: readonly string[];
  readonly warnings: readonly string[];
}

export interface PlanRequest {
  /** Side of the tiles, input pixels; default as large as the memory allows. */
  readonly tile?: number;
  /** Bytes for the whole process, without what a GPU holds. Default: half of the machine's, at most 4 GiB. */
  readonly maxMemory?: number;
  /** How the scene was opened, where that changes its pixels (clouds masked or kept). */
  readonly inputKey?: string;
}

/** What is done to predicted pixels: one that an earlier version left unfinished does not go on under other rules. */
const HELD_AT_ZERO = 'stage 1 held at 0';

const DEFAULT_MEMORY = 4 * 2 ** 30;
/** What comes without being planned: garbage not yet collected, encoded rows, caches of readers, compiled code. */
const RESERVE = 192 * 2 ** 20;

/** The programs of each stage on a device; `dispose` frees them. */
export class Machine {
  readonly opened: OpenDevice;
  readonly programs: readonly TilePrograms[];

  constructor(opened: OpenDevice, { stages }: Seen) {
    this.opened = opened;
    const made: TilePrograms[] = [];
    this.programs = made;
    try {
      for (const { model } of stages)
        made.push(new TilePrograms(opened.device, model.spec, model.values, opened.precision));
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  dispose(): void {
    for (const programs of this.programs) programs.dispose();
    this.opened.device.dispose();
  }
}

/** What the result depends on, as one hash. */
export async function predictionKey({ scene, window, stages }: Seen, { opened }: Machine, inputKey?: string) {
  return hashOf([
    version(),
    await sceneIdentity(scene),
    inputKey,
    window,
    opened.device.info().isa,
    opened.precision,
    HELD_AT_ZERO,
    stages.map(({ model, description }) => [model.hash, model.spec, model.normalization, description]),
  ]);
}

/**
 * Plans what was seen for a machine.
 *
 * @param key from predictionKey
 * @param settings of an interrupted prediction, whose tiles are kept
 * @throws BandliftError (out of memory) that says what would fit
 */
export function planPrediction(
  { scene, window, input, stages }: Seen,
  { opened, programs }: Machine,
  { tile, maxMemory = Math.min(DEFAULT_MEMORY, machineMemory() / 2) }: PlanRequest,
  key: string,
  settings: Settings | undefined,
): PredictionPlan {
  const baseBytes = process.memoryUsage.rss() + RESERVE;
  const { memoryBytes: onDevice } = opened.device.info();
  let size: { height: number; width: number } = window;
  const planned = stages.map((stage, i): PlannedStage => {
    const tiles = settings?.tiles[i];
    const plan = planStage(stage.model.spec, size.height, size.width, programs[i]!, {
      maxMemory,
      baseBytes,
      ...(onDevice > 0 ? { deviceMemory: Math.floor(DEVICE_SHARE * onDevice) } : {}),
      ...(tile === undefined ? {} : { tile }),
      ...(tiles === undefined ? {} : { tiles }),
    });
    size = stage.output;
    return { ...stage, plan };
  });
  const most = (bytes: (plan: StagePlan) => number) => Math.max(...planned.map(({ plan }) => bytes(plan)));
  const fields = stages.map(({ model }) => receptiveField(model.spec));
  return {
    region: window,
    stages: planned,
    device: opened.name,
    memoryBytes: most(({ totalBytes }) => totalBytes),
    deviceBytes: most(({ deviceBytes }) => deviceBytes),
    diskBytes: stages.reduce(
      (sum, { description }) => sum + cubeBytes(description),
      most(({ scratchBytes }) => scratchBytes),
    ),
    key,
    notes: edgeNotes(window, stages.at(-1)!.output, input.georeference),
    warnings: regionWarnings(scene, window, fields),
  };
}

/** Height and width of the tiles of every pass of every stage: what an interrupted prediction keeps. */
export const tilesOf = ({ stages }: PredictionPlan): Settings['tiles'] =>
  stages.map(({ plan }) => plan.segments.map(({ grid }): [number, number] => [grid.tileHeight, grid.tileWidth]));
