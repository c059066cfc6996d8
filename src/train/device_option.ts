import { parseDevice } from '../engine/device_choice.js';
import type { SessionOptions } from '../engine/types.js';
import type { TrainConfig } from './config.js';

/** 'cpu', 'auto', 'cuda:0' -> what the engine understands. */
export function deviceOption(
  config: Pick<TrainConfig, 'device' | 'threads' | 'precision'>,
): NonNullable<SessionOptions['device']> {
  return {
    ...parseDevice(config.device, config.precision),
    ...(config.threads > 0 ? { threads: config.threads } : {}),
  };
}
