/** 2,000 steps of the whole training loop (loader, engine, validation, checkpoints, logs) in a process of its own. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { projectRoot } from '../../src/base/version.js';
import { temporaryFolder } from '../support/cli.js';
import { patchDatasets, writeHdf5 } from '../support/patch_files.js';
import { metricsOf, tinyConfig } from '../support/runs.js';

const STEPS = 2000;

/**
 * Trains and prints resident bytes every 100 steps, each after a full collection: what merely waits to be collected is no
 * leak, but V8 lets tens of megabytes of it come and go. A script of its own, so that the loader's threads start as they
 * do for users.
 */
const CHILD = `
import { silentReporter } from ${JSON.stringify(pathToFileURL(join(projectRoot(), 'dist/src/base/reporter.js')).href)};
import { trainStage1 } from ${JSON.stringify(pathToFileURL(join(projectRoot(), 'dist/src/train/stage1.js')).href)};
const config = JSON.parse(process.argv[2]);
const resident = {};
let step = 0;
// asked after every step: also where the run ends
const after = () => {
  step++;
  if (step % 100 === 0) { gc(); resident[step] = process.memoryUsage().rss; }
  return step === ${STEPS};
};
const { interrupted } = await trainStage1(config, false, silentReporter, after);
console.log(JSON.stringify({ resident, interrupted }));
`;

describe('2,000 steps of training', () => {
  it('end within 5 % of the resident memory after 200', async () => {
    const work = temporaryFolder();
    // enough patches for several batches an epoch, small enough that 2,000 steps take seconds
    const shape = { patches: 20, height: 8, width: 8, inBands: 7, outBands: 20 };
    await writeHdf5(join(work, 'patches.h5'), { ...patchDatasets(shape) });
    const config = tinyConfig({
      data_dir: join(work, 'patches.h5'),
      output_dir: join(work, 'run'),
      epochs: STEPS,
      batch_size: 1,
      // the patches' values are formulas of their place: no quadratic term can be told from another
      regression: 'none',
      ema_decay: 0.9,
      clip_norm: 1,
    });
    writeFileSync(join(work, 'child.mjs'), CHILD);
    const out = execFileSync(process.execPath, ['--expose-gc', join(work, 'child.mjs'), JSON.stringify(config)], {
      encoding: 'utf8',
      timeout: 300_000,
    });
    const { resident, interrupted } = JSON.parse(out) as { resident: Record<string, number>; interrupted: boolean };
    expect(interrupted).toBe(true);
    expect(metricsOf(join(work, 'run')).length).toBeGreaterThan(100); // epochs with validation and checkpoint
    const megabytes = Object.entries(resident).map(([step, bytes]) => `${step}: ${(bytes / 1e6).toFixed(1)} MB`);
    expect(resident[STEPS]! / resident[200]!, megabytes.join(', ')).toBeLessThan(1.05);
  }, 300_000);
});
