/**
 * The twin of torch_step.py: one training step per line on stdin, answered with its seconds; 'quit' answers with peak
 * memory. Usage: bandlift_step.js NET BATCH SIZE THREADS
 */
import { createInterface } from 'node:readline';
import { createSession } from '../../src/engine/session.js';
import { COMBINED_LOSS } from '../../src/engine/types.js';
import type { ModelSpec } from '../../src/models/spec.js';
import { Random } from '../../src/random.js';

const [net = 'spectral_sr', batchText = '1', sizeText = '256', threadsText = '2'] = process.argv.slice(2);
const batch = Number(batchText);
const size = Number(sizeText);
const sizes = { inBands: 7, outBands: 340, regression: 'none' as const };
const model: ModelSpec =
  net === 'spectral_unmixing'
    ? { kind: 'spectral_unmixing', ...sizes, endmembers: 16, constraint: 'none' }
    : { kind: 'spectral_sr', ...sizes, hidden: 128, blocks: net === 'spectral_sr_8' ? 8 : 4, axis: 'raster' };
const session = await createSession({
  model,
  loss: COMBINED_LOSS,
  height: size,
  width: size,
  batchSize: batch,
  device: { kind: 'cpu', threads: Number(threadsText) },
});
session.initialize(0);
const random = new Random(1);
const fill = (n: number) => {
  const values = new Float32Array(n);
  for (let i = 0; i < n; i++) values[i] = random.uint32() / 2 ** 32;
  return values;
};
const data = {
  size: batch,
  input: fill(batch * size * size * 7),
  target: fill(batch * size * size * 340),
  validPixels: batch * size * size,
};
const say = (value: object) => process.stdout.write(`${JSON.stringify(value)}\n`);
say({ ready: true, planned_bytes: session.plan.totalBytes });
let step = 0;
for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim() === 'quit') break;
  const started = performance.now();
  const result = await session.step(data, { learningRate: 1e-4, step: ++step, maxNorm: 0, emaDecay: 0 });
  say({ seconds: (performance.now() - started) / 1000, loss: result.total });
}
say({ peak_bytes: process.resourceUsage().maxRSS * 1024 });
session.dispose();
