/**
 * The twin of torch_step.py: one training step per line on stdin, answered with its seconds; 'quit' answers with peak
 * memory. Usage: bandlift_step.js NET BATCH SIZE THREADS
 */
import { createInterface } from 'node:readline';
import { Random } from '../../src/base/random.js';
import { createSession } from '../../src/engine/session.js';
import { COMBINED_LOSS, SPATIAL_LOSS } from '../../src/engine/types.js';
import { outputSize } from '../../src/models/index.js';
import type { ModelSpec } from '../../src/models/spec.js';

const [net = 'spectral_sr', batchText = '1', sizeText = '256', threadsText = '2'] = process.argv.slice(2);
const batch = Number(batchText);
const size = Number(sizeText);
const sizes = { inBands: 7, outBands: 340, regression: 'none' as const };
const spatial = { inBands: 340, outBands: 340, up: 15, down: 2, blocks: 4, backProjections: 0 };
const MODELS: Record<string, ModelSpec> = {
  spectral_sr: { kind: 'spectral_sr', ...sizes, hidden: 128, blocks: 4, axis: 'raster' },
  spectral_sr_8: { kind: 'spectral_sr', ...sizes, hidden: 128, blocks: 8, axis: 'raster' },
  spectral_unmixing: { kind: 'spectral_unmixing', ...sizes, endmembers: 16, constraint: 'none' },
  spatial_sr: { kind: 'spatial_sr', ...spatial, features: 64, groups: 4, reduction: 16 },
  spatial_lightweight: { kind: 'spatial_lightweight', ...spatial, features: 16 },
  spatial_lightweight_32: { kind: 'spatial_lightweight', ...spatial, features: 32 },
};
const model = MODELS[net]!;
const output = outputSize(model, size, size);
const outputPixels = batch * output.height * output.width;
const session = await createSession({
  model,
  loss: net.startsWith('spatial_') ? SPATIAL_LOSS : COMBINED_LOSS,
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
  input: fill(batch * size * size * model.inBands),
  target: fill(outputPixels * model.outBands),
  validPixels: outputPixels,
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
