/**
 * Stage 2 on a folder of small cubes by the fixed protocol (src/evaluate/spatial_protocol.ts), computed by the engine: the
 * closed-form baselines and, if one is given, a trained model. PSNR in dB and SAM in degrees.
 *   node dist/bench/spatial_baselines.js FOLDER [CHECKPOINT]
 */
import { loadModel } from '../src/checkpoint/checkpoint.js';
import { Normalizer } from '../src/data/normalize.js';
import { createSession } from '../src/engine/session.js';
import { SPATIAL_LOSS } from '../src/engine/types.js';
import type { BicubicSpec, ModelSpec } from '../src/models/spec.js';
import { COARSE_SIDE, measureUpsampler, type SpatialPair, spatialPairs } from './spatial_protocol.js';

const [folder, checkpoint] = process.argv.slice(2);
if (folder === undefined) {
  console.error('usage: node dist/bench/spatial_baselines.js FOLDER [CHECKPOINT]');
  process.exit(2);
}
const COUNTS = [0, 5, 20];
const trained = checkpoint === undefined ? undefined : await loadModel(checkpoint);

/** One cell of the table. `values` are the parameters of a trained model, which works on normalised numbers. */
async function measure(
  pair: SpatialPair,
  model: ModelSpec,
  values?: ReadonlyMap<string, Float32Array>,
): Promise<string> {
  const size = { height: COARSE_SIDE, width: COARSE_SIDE, batchSize: 1 };
  const session = await createSession({ model, loss: SPATIAL_LOSS, ...size, mode: 'infer' });
  try {
    if (values) session.write('parameters', values);
    const normalization = values && trained?.contract?.normalization;
    const { psnr, samDeg } = await measureUpsampler(pair, async (coarse, bands) => {
      if (!normalization) return session.predict(coarse, 1);
      const input = coarse.slice();
      new Normalizer(normalization.input, bands).normalize(input);
      const fine = await session.predict(input, 1);
      new Normalizer(normalization.target, bands).denormalize(fine);
      return fine;
    });
    return `${psnr.toFixed(2)} / ${samDeg.toFixed(2)}`.padStart(14);
  } finally {
    session.dispose();
  }
}

const titles = COUNTS.map((n) => (n === 0 ? 'bicubic' : `+ ${n}`));
if (trained) titles.push(trained.model.kind);
console.log(['cube'.padEnd(16), ...titles.map((title) => title.padStart(14))].join(''));
for (const pair of await spatialPairs(folder)) {
  const cells: string[] = [];
  for (const backProjections of COUNTS) {
    const { bands } = pair;
    const model: BicubicSpec = { kind: 'bicubic', inBands: bands, outBands: bands, up: 15, down: 2, backProjections };
    cells.push(await measure(pair, model));
  }
  if (trained) {
    const { parameters, ema } = trained.tensors;
    cells.push(await measure(pair, trained.model, new Map([...parameters, ...(ema ?? [])])));
  }
  console.log([pair.cube.padEnd(16), ...cells].join(''));
}
