/** What a session will need, before anything is allocated: micro-batch, arena, and what fits when a batch does not. */

import { totalmem } from 'node:os';
import type { NativeDevice } from '../../bindings/addon.js';
import { formatBytes } from '../base/bytes.js';
import { BandliftError, EXIT } from '../base/errors.js';
import { memoryLimit } from '../base/memory_limit.js';
import { chooseMicroBatch } from '../compiler/micro_batch.js';
import { type Plan, planMemory } from '../compiler/plan.js';
import type { Instruction } from '../compiler/program_types.js';
import { assignStorage, type StorageRules } from '../compiler/storage_types.js';
import type { Graph } from '../graph/ir.js';
import { type Precision, storageRules } from './precision.js';
import { optimizerProgram, type SampleProgram, sampleProgram } from './programs.js';
import { atLeastOneLine, type ParameterStorage } from './storage.js';
import type { AdamOptions, MemoryPlan, SessionOptions } from './types.js';

export const DEFAULT_ADAM: AdamOptions = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };

/** What planning must know of a device. */
export interface PlanTarget {
  /** Scratch bytes of an instruction. */
  readonly workspaceBytes: (instruction: Instruction) => number;
  readonly storage: StorageRules;
  /** Bytes that are free for buffers; 0: the machine's memory. */
  readonly memoryBytes: number;
}

export function planTarget(device: NativeDevice, precision?: Precision): PlanTarget {
  const info = device.info();
  return {
    workspaceBytes: (instruction) => device.workspaceBytes(instruction),
    storage: storageRules(info, precision),
    memoryBytes: info.memoryBytes,
  };
}

/** A graph as the device keeps it, and where everything lies. */
export function planGraph(graph: Graph, target: PlanTarget, storage: ParameterStorage): { graph: Graph; plan: Plan } {
  const stored = assignStorage(graph, target.storage);
  const { workspaceBytes } = target;
  return { graph: stored, plan: planMemory(stored, { placed: storage.placer(stored), workspaceBytes }) };
}

/** Share of a device's free memory that is planned with: its driver, libraries and graphs take some too. */
export const DEVICE_SHARE = 0.92;

/** Share of what a plan leaves that patches may be held in: measuring engines and snapshots take some after that. */
const HELD_SHARE = 0.8;

/** Bytes that patches may be held in beside this plan. */
export const roomForPatches = ({ totalBytes, limitBytes }: MemoryPlan): number =>
  Math.max(0, Math.floor(HELD_SHARE * (limitBytes - totalBytes)));

/** Programs that share a session's arena. */
export function arenaPrograms(options: SessionOptions): readonly SampleProgram[] {
  return options.mode === 'infer' ? ['evaluate', 'predict'] : ['step', 'evaluate', 'predict'];
}

/** Bytes of the arena for `samples` samples at once. */
function arenaBytes(options: SessionOptions, storage: ParameterStorage, samples: number, target: PlanTarget): number {
  // a step's own arena and the optimizer's lie side by side (program_cache.ts)
  const beside = optimizerArena(options, storage, target);
  return Math.max(
    ...arenaPrograms(options).map((kind) => {
      const { graph } = sampleProgram(kind, samples, options);
      const { arenaBytes: bytes } = planGraph(graph, target, storage).plan;
      return kind === 'step' ? bytes + beside : bytes;
    }),
  );
}

/** Bytes that the optimizer's own program takes in the arena. */
function optimizerArena(options: SessionOptions, storage: ParameterStorage, target: PlanTarget): number {
  if (options.mode === 'infer' || storage.trainedLength === 0) return 0;
  const { graph } = optimizerProgram(storage.trainedLength, options.ema === true, options.adam ?? DEFAULT_ADAM);
  return planGraph(graph, target, storage).plan.arenaBytes;
}

/** This machine's memory, or what this process may use of it. */
export function machineMemory(): number {
  return Math.min(memoryLimit() ?? Infinity, totalmem());
}

/**
 * Plans a session. Throws an out-of-memory error that says what would fit when not even one sample does.
 */
export function planSession(options: SessionOptions, storage: ParameterStorage, target: PlanTarget): MemoryPlan {
  const parameterBytes = storage.trainedBytes + storage.frozenBytes;
  const optimizerBytes = options.mode === 'infer' ? 0 : storage.trainedBytes * (options.ema === true ? 4 : 3);
  const least = optimizerArena(options, storage, target);
  const arenaOf = (samples: number): number => Math.max(least, arenaBytes(options, storage, samples, target));
  const total = (arena: number) => parameterBytes + optimizerBytes + arena;
  const limit = options.maxMemory ?? (target.memoryBytes > 0 ? target.memoryBytes * DEVICE_SHARE : machineMemory());
  const choice = chooseMicroBatch(options.batchSize, limit, (samples) => total(arenaOf(samples)));
  if (choice === undefined) throw doesNotFit(options, storage, target, limit, total(arenaOf(1)));
  // smaller batches are planned when they come (program_cache.ts): with cuDNN each number of samples costs a second
  const arena = atLeastOneLine(choice.bytes - total(0));
  return {
    microBatch: choice.size,
    arenaBytes: arena,
    parameterBytes,
    optimizerBytes,
    totalBytes: total(arena),
    limitBytes: limit,
  };
}

function doesNotFit(
  options: SessionOptions,
  storage: ParameterStorage,
  target: PlanTarget,
  limit: number,
  needed: number,
): BandliftError {
  const { height, width } = options;
  const kept = needed - arenaBytes(options, storage, 1, target);
  const fits = (size: number) =>
    kept + arenaBytes({ ...options, height: size, width: size }, storage, 1, target) <= limit;
  let [low, high] = [0, Math.max(height, width)];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (fits(middle)) low = middle;
    else high = middle - 1;
  }
  const patches = low === 0 ? 'no patch size fits' : `patches of up to ${low} x ${low} pixels fit`;
  return new BandliftError(
    `one patch of ${height} x ${width} pixels does not fit into the memory allowed`,
    {
      field: 'max-memory',
      found: formatBytes(limit),
      expected: `at least ${formatBytes(needed)}`,
      hint: `${patches} into ${formatBytes(limit)}`,
    },
    EXIT.outOfMemory,
  );
}
