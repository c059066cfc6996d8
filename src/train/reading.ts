/**
 * How a run reads its patches. On the CPU the engine wants the cores and the memory. Beside a GPU the processor has little
 * else to do, and inflating would keep the GPU waiting: more threads decode, and decoded patches stay in memory that is
 * free, so that a pass after the first one finds them there.
 */
import { availableParallelism, freemem } from 'node:os';
import type { ReaderOptions } from '../data/loader.js';
import { resolvesToCuda } from '../engine/device.js';
import { machineMemory } from '../engine/memory_plan.js';
import type { TrainConfig } from './config.js';
import { deviceOption } from './device_option.js';

const MOST_WORKERS = 16;
/** Of the memory that is free; a mixture has two readers, and others live on the machine. */
const MEMORY_SHARE = 0.3;
const LEAST_CACHE = 2 ** 30;

/** `onGpu` and the machine's sizes are for tests. */
export function readerOptions(
  config: TrainConfig,
  onGpu = resolvesToCuda(deviceOption(config)),
  { cores, free } = { cores: availableParallelism(), free: Math.min(freemem(), machineMemory()) },
): ReaderOptions {
  if (!onGpu) return {};
  return {
    workers: Math.max(1, Math.min(MOST_WORKERS, cores - 1)),
    cacheBytes: Math.max(LEAST_CACHE, MEMORY_SHARE * free),
  };
}
