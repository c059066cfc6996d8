/** Stage-2 runs in this process, on small scenes of both grids. */
import { resolveConfig, STAGE2_SETTINGS, type Stage2Config } from '../../src/train/config.js';
import { trainStage2 } from '../../src/train/stage2.js';
import { afterSteps, type Trained } from './runs.js';

/** Settings of a network and a run that take a second; `settings` wins. */
export const tinyStage2 = (settings: Partial<Stage2Config>): Stage2Config =>
  resolveConfig<Stage2Config>(
    {
      model: 'spatial_lightweight',
      features: 4,
      blocks: 1,
      batch_size: 2,
      image_every: 0,
      patience: 0,
      lr: 1e-3,
      epochs: 2,
      device: 'cpu',
      ...settings,
    },
    {},
    STAGE2_SETTINGS,
  );

/** Trains in this process; warnings are among the lines, `interrupted` as in afterSteps. */
export async function trainSpatial(config: Stage2Config, interrupted = () => false, resume = false): Promise<Trained> {
  const lines: string[] = [];
  const steps = afterSteps(interrupted);
  const report = {
    line: (text = '') => void lines.push(text),
    warn: (text: string) => void lines.push(`warning: ${text}`),
    event: () => {},
    progress: steps.progress,
  };
  return { ...(await trainStage2(config, resume, report, steps.interrupted)), lines };
}
