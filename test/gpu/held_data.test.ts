/** On a GPU a run holds its patches there by default; it ends with the same bits as one that uploads every batch. */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { loadCheckpoint } from '../../src/checkpoint/checkpoint.js';
import type { TrainConfig } from '../../src/train/config.js';
import { tinyConfig, train } from '../support/runs.js';
import { tinyStage2, trainSpatial } from '../support/stage2_runs.js';
import { temporaryFolder } from '../support/temporary.js';
import { writeTwoGrids } from '../support/two_grids.js';
import { describeGpu, precisions } from './support/gpu.js';

const work = temporaryFolder();
const data = join(work, 'patches');
const stage1 = join(work, 'stage1/checkpoints/best.safetensors');

async function tensorsOf(run: string): Promise<string[]> {
  const { tensors } = await loadCheckpoint(join(work, run, 'checkpoints/last.safetensors'));
  return Object.entries(tensors).flatMap(([group, values]) =>
    [...values].map(([name, value]) => `${group} ${name} ${Buffer.from(value.buffer).toString('hex')}`),
  );
}

describeGpu('patches held on the GPU', () => {
  beforeAll(async () => {
    mkdirSync(data);
    await writeTwoGrids(data);
    await train(tinyConfig({ data_dir: data, output_dir: join(work, 'stage1'), regression: 'linear' }));
  });

  const run = async (name: string, stage: 1 | 2, settings: Partial<TrainConfig>): Promise<string> => {
    const shared = { data_dir: data, output_dir: join(work, name), device: 'cuda', epochs: 3, ...settings };
    const { lines } = await (stage === 1
      ? train(tinyConfig(shared))
      : trainSpatial(tinyStage2({ ...shared, stage1, input: 'mix', cache_dir: join(work, 'cache') })));
    return lines.join('\n');
  };

  it.each(precisions.flatMap((precision) => [1, 2].map((stage) => [precision, stage as 1 | 2] as const)))(
    'in %s, stage %i: by default, the same bits',
    async (precision, stage) => {
      const name = `${precision}-${stage}`;
      expect(await run(`${name}-held`, stage, { precision })).toMatch(
        /^data: \d+ patches held on the device, \S+ [KM]iB$/m,
      );
      expect(await run(`${name}-streamed`, stage, { precision, data_on_device: 'off' })).not.toMatch(/on the device/);
      expect(await tensorsOf(`${name}-held`)).toEqual(await tensorsOf(`${name}-streamed`));
    },
  );

  it('what does not fit beside the plan is read anew, which is said', async () => {
    await run('free', 2, {});
    const { plan } = JSON.parse(readFileSync(join(work, 'free/environment.json'), 'utf8'));
    const output = await run('small', 2, { max_memory: plan.totalBytes + 1000 });
    expect(output).toMatch(/^data: read anew in every epoch; \S+ KiB of \d+ patches do not fit on the device/m);
    expect(await tensorsOf('small')).toEqual(await tensorsOf('free'));
  });
});
