/**
 * The closed-form baselines of stage 2 on a folder of small cubes by the fixed protocol (src/evaluate/spatial_protocol.ts), computed
 * by the engine: PSNR in dB and SAM in degrees.
 *   node dist/bench/spatial_baselines.js FOLDER
 */
import { createSession } from '../src/engine/session.js';
import { SPATIAL_LOSS } from '../src/engine/types.js';
import { COARSE_SIDE, measureUpsampler, spatialPairs } from '../src/evaluate/spatial_protocol.js';
import type { BicubicSpec } from '../src/models/spec.js';

const folder = process.argv[2];
if (folder === undefined) {
  console.error('usage: node dist/bench/spatial_baselines.js FOLDER');
  process.exit(2);
}
const COUNTS = [0, 5, 20];
console.log(['cube'.padEnd(16), ...COUNTS.map((n) => (n === 0 ? 'bicubic' : `+ ${n}`).padStart(14))].join(''));
for (const pair of await spatialPairs(folder)) {
  const cells: string[] = [];
  for (const backProjections of COUNTS) {
    const { bands } = pair;
    const model: BicubicSpec = { kind: 'bicubic', inBands: bands, outBands: bands, up: 15, down: 2, backProjections };
    const session = await createSession({
      model,
      loss: SPATIAL_LOSS,
      height: COARSE_SIDE,
      width: COARSE_SIDE,
      batchSize: 1,
      mode: 'infer',
    });
    const { psnr, samDeg } = await measureUpsampler(pair, (coarse) => session.predict(coarse, 1));
    session.dispose();
    cells.push(`${psnr.toFixed(2)} / ${samDeg.toFixed(2)}`.padStart(14));
  }
  console.log([pair.cube.padEnd(16), ...cells].join(''));
}
