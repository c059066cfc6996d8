/**
 * In bf16 and fp16 a prediction is the closed-form start in float32 plus what the network learnt, and only that is
 * rounded (src/compiler/exact_values.ts). What is expected comes from the CPU, which rounds nothing to 16 bits.
 */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Random } from '../../src/base/random.js';
import type { Precision } from '../../src/engine/precision.js';
import { createSession } from '../../src/engine/session.js';
import { type Batch, COMBINED_LOSS, type Session, type SessionOptions } from '../../src/engine/types.js';
import { modelParameters } from '../../src/models/index.js';
import type { ModelSpec } from '../../src/models/spec.js';
import { Interrupted } from '../../src/predict/segment_run.js';
import { checkpointOf, memoryScene, predicted, untiled } from '../predict/support.js';
import { SMALL_NETWORKS } from '../support/networks.js';
import { temporaryFolder } from '../support/temporary.js';
import { chooseProvider, describeGpu, precisions, providers } from './support/gpu.js';
import { batchOf, SCALARS, STAGE1 } from './support/networks.js';
import { norm } from './support/recorded.js';
import { SPACING, stored } from './support/rounding.js';

const HALF = precisions.filter((precision) => precision === 'bf16' || precision === 'fp16');

const TRAINED: Readonly<Record<string, ModelSpec>> = Object.fromEntries(
  ['spectral_sr row', 'spectral_sr spectral', 'unmixing free', 'spatial_sr back-projected', 'cascade'].map((name) => [
    name,
    SMALL_NETWORKS[name]!,
  ]),
);
const CLOSED: Readonly<Record<string, ModelSpec>> = {
  ridge: { kind: 'ridge', inBands: 3, outBands: 5 },
  quadratic_ridge: { kind: 'quadratic_ridge', inBands: 3, outBands: 5 },
  bicubic: { kind: 'bicubic', inBands: 3, outBands: 3, up: 15, down: 2, backProjections: 2 },
};

/** Layers whose result is added to the start: 0 at the beginning of a run. */
const LAST = /^(stage[12]\.)?(final_conv|endmembers$|reconstruct)/;

/**
 * Between two ways to sum in float32, relative to the largest result: a dozen roundings of 2^-24, of 9 products in the
 * regression, of 4 x 4 taps in each resampling.
 */
const FLOAT = 2 ** -20;

/** Of the last layer: what is learnt is small beside the start, so that rounding their sum would show. */
const LEARNT = 0.005;

const optionsOf = (model: ModelSpec): SessionOptions => ({
  model,
  loss: COMBINED_LOSS,
  height: 5,
  width: 6,
  batchSize: 2,
});

/** Random weights, those of the last trained layer times `learnt`. */
function weights(model: ModelSpec, learnt: number): Map<string, Float32Array> {
  const random = new Random(7);
  return new Map(
    modelParameters(model).map(({ name, shape }) => {
      const fanIn = shape.slice(1).reduce((a, b) => a * b, 1);
      const scale = (LAST.test(name) ? learnt : 1) / Math.sqrt(fanIn);
      const count = shape.reduce((a, b) => a * b, 1);
      return [name, Float32Array.from({ length: count }, () => scale * random.normal())];
    }),
  );
}

async function withSession<T>(
  options: SessionOptions,
  values: ReadonlyMap<string, Float32Array>,
  use: (session: Session) => Promise<T>,
): Promise<T> {
  const session = await createSession(options);
  try {
    session.write('parameters', values);
    return await use(session);
  } finally {
    session.dispose();
  }
}

const onGpu = (options: SessionOptions, precision: Precision): SessionOptions => ({
  ...options,
  device: { kind: 'cuda', precision },
});
const onCpu = (options: SessionOptions): SessionOptions => ({ ...options, device: { kind: 'cpu' } });

const largest = (x: Float32Array) => x.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
const minus = (a: Float32Array, b: Float32Array) => a.map((v, i) => v - b[i]!);

describeGpu('predictions in 16 bits', () => {
  describe.each(HALF)('%s', (precision) => {
    const u = SPACING[precision] / 2;

    describe.each(providers)('convolutions by %s', (provider) => {
      it.each(Object.entries({ ...TRAINED, ...CLOSED }))(
        '%s: a network that learnt nothing gives its start in float32, and its loss',
        async (_name, model) => {
          chooseProvider(provider);
          const options = optionsOf(model);
          const batch = batchOf(options);
          const run = async (session: Session) => ({
            output: await session.predict(batch.input, batch.size),
            loss: await session.evaluate(batch),
          });
          const values = weights(model, 0);
          const cpu = await withSession(onCpu(options), values, run);
          const gpu = await withSession(onGpu(options, precision), values, run);
          expect(largest(minus(gpu.output, cpu.output))).toBeLessThan(FLOAT * largest(cpu.output));
          for (const term of ['total', 'l1', 'l2', 'sam', 'gradient'] as const)
            expect(Math.abs(gpu.loss[term] / cpu.loss[term] - 1), term).toBeLessThan(FLOAT);
        },
      );

      it.each(Object.entries(TRAINED))('%s: else only what it learnt is rounded', async (_name, model) => {
        chooseProvider(provider);
        const options = optionsOf(model);
        const { input, size } = batchOf(options);
        const predict = (session: Session) => session.predict(input, size);
        const start = await withSession(onCpu(options), weights(model, 0), predict);
        const cpu = await withSession(onCpu(options), weights(model, LEARNT), predict);
        const gpu = await withSession(onGpu(options, precision), weights(model, LEARNT), predict);
        const learnt = norm(minus(cpu, start));
        // u |start|, of a rounded sum, is 10 times what is allowed here
        expect(learnt).toBeLessThan(norm(start) / 40);
        expect(learnt).toBeGreaterThan(norm(start) / 4000);
        // up to a dozen layers round what they read and write, errors independent: about 3 u of what comes out
        expect(norm(minus(gpu, cpu))).toBeLessThan(4 * u * learnt + FLOAT * norm(start));
      });

      it.each(Object.entries(TRAINED))('%s: the first gradient has no slope turned over', async (_name, model) => {
        chooseProvider(provider);
        const options = optionsOf(model);
        const batch = batchOf(options);
        const gradients = async (session: Session) => {
          // cuDNN keeps a weight's gradient in f16 before it is added: 2^16, the scale at first, is more than 8 can take
          if (session.lossScale() !== undefined) session.setLossScale({ scale: 2 ** 10, goodSteps: 0, overflows: 0 });
          return (await session.gradients(batch)).gradients;
        };
        const cpu = await withSession(onCpu(options), weights(model, 0), gradients);
        const gpu = await withSession(onGpu(options, precision), weights(model, 0), gradients);
        const whole = (g: ReadonlyMap<string, Float32Array>) =>
          Float32Array.from([...cpu.keys()].flatMap((name) => [...g.get(name)!]));
        // features and the prediction's gradient are each rounded; a sign of L1 turned over would cost sqrt(u)
        expect(norm(minus(whole(gpu), whole(cpu)))).toBeLessThan(4 * u * norm(whole(cpu)));
        expect(norm(whole(cpu))).toBeGreaterThan(0);
      });
    });

    it('a trained last layer without a start gives 16 bits, as docs/how-to/gpu.md says', async () => {
      chooseProvider(undefined);
      const options = optionsOf(SMALL_NETWORKS['spectral_sr raster']!);
      const { input, size } = batchOf(options);
      const output = await withSession(onGpu(options, precision), weights(options.model, 1), (session) =>
        session.predict(input, size),
      );
      const type = precision === 'bf16' ? 'bf16' : 'f16';
      expect(output).toEqual(output.map((v) => stored(v, type)));
    });
  });
});

const WITH_START: SessionOptions = {
  ...STAGE1,
  ema: false,
  model: { ...STAGE1.model, regression: 'quadratic' } as ModelSpec,
};

async function tenSteps(options: SessionOptions, batch: Batch): Promise<number[]> {
  return withSession(options, weights(options.model, 0), async (session) => {
    const losses = [];
    for (let step = 1; step <= 10; step++) {
      const result = await session.step(batch, { ...SCALARS, step });
      expect([result.finite, result.skipped ?? false]).toEqual([true, false]);
      losses.push(result.total);
    }
    return losses;
  });
}

describeGpu('training over a regression in 16 bits', () => {
  it.each(HALF)('%s: losses beside the CPU', async (precision) => {
    chooseProvider(undefined);
    const u = SPACING[precision] / 2;
    const batch = batchOf(WITH_START);
    const cpu = await tenSteps(onCpu(WITH_START), batch);
    const gpu = await tenSteps(onGpu(WITH_START, precision), batch);
    expect(Math.abs(gpu[0]! / cpu[0]! - 1), 'of the start').toBeLessThan(FLOAT);
    // then of a start with a little learnt: its rounding, a part of u, and steps from gradients off by some u
    for (const [i, loss] of cpu.entries()) expect(Math.abs(gpu[i]! / loss - 1), `step ${i + 1}`).toBeLessThan(u / 2);
    expect(gpu.at(-1)).toBeLessThan(gpu[0]!);
  });

  it('fp16: a gradient of the prediction that f16 does not hold is an overflow: skipped, and the scale halved', async () => {
    // L1's slope, 1000 / (4 * 8 * 9 * 21) = 0.165, times 2^20 is 173,000: fits f32, not f16 (65504)
    const options = { ...WITH_START, loss: { l1: 1000, l2: 0, sam: 0, gradient: 0 } };
    await withSession(onGpu(options, 'fp16'), weights(options.model, 0), async (session) => {
      session.setLossScale({ scale: 2 ** 20, goodSteps: 0, overflows: 0 });
      const before = [...session.read('parameters').values()].map((v) => [...v]);
      const result = await session.step(batchOf(options), SCALARS);
      expect([result.finite, result.skipped]).toEqual([true, true]);
      expect(session.lossScale()).toEqual({ scale: 2 ** 19, goodSteps: 0, overflows: 1 });
      expect([...session.read('parameters').values()].map((v) => [...v])).toEqual(before);
    });
  });
});

describeGpu('whole scenes in 16 bits', () => {
  const folder = temporaryFolder();
  const spatial = { inBands: 6, outBands: 6, up: 15, down: 2, backProjections: 2 } as const;
  const networks: Readonly<Record<string, ModelSpec>> = {
    ridge: { kind: 'ridge', inBands: 7, outBands: 20 },
    'spectral_sr over a regression': {
      ...{ kind: 'spectral_sr', inBands: 7, outBands: 20, hidden: 12, blocks: 1 },
      ...{ axis: 'spectral', regression: 'quadratic' },
    },
    'bicubic with back-projections': { kind: 'bicubic', ...spatial },
    // global means and back-projections cut it: f32 sums cross the cuts
    'spatial_sr with back-projections': {
      kind: 'spatial_sr',
      ...spatial,
      features: 8,
      groups: 1,
      blocks: 2,
      reduction: 4,
    },
    cascade: {
      kind: 'cascade',
      inBands: 7,
      outBands: 6,
      stage1: {
        ...{ kind: 'spectral_sr', inBands: 7, outBands: 6, hidden: 5, blocks: 1 },
        ...{ axis: 'row', regression: 'linear' },
      },
      stage2: { kind: 'spatial_lightweight', ...spatial, features: 6, blocks: 1 },
    },
  };

  for (const [name, spec] of Object.entries(networks))
    it.each(HALF)(`${name}: tiles in %s`, async (precision) => {
      chooseProvider(undefined);
      const id = `${name.replaceAll(/\W/g, '-')}-${precision}`;
      const path = await checkpointOf(folder, id, spec, {}, weights(spec, LEARNT));
      const scene = memoryScene(9, 11, spec.inBands);
      const whole = await untiled(spec, scene, weights(spec, LEARNT));
      const start = await untiled(spec, scene, weights(spec, 0));
      const learnt = norm(minus(whole, start));
      expect(learnt).toBeLessThan(norm(start) / 40);
      const { values } = await predicted(scene, {
        ...('up' in spec ? { stage2: path } : { stage1: path }),
        out: join(folder, id),
        tile: 5,
        device: { kind: 'cuda', precision },
      });
      // as above
      const allowed = 4 * (SPACING[precision] / 2) * learnt + FLOAT * norm(whole);
      expect(norm(minus(values as Float32Array, whole))).toBeLessThan(allowed);
    });

  it('an interrupted prediction is not continued in another precision', async () => {
    chooseProvider(undefined);
    const spec = networks['spectral_sr over a regression']!;
    const stage1 = await checkpointOf(folder, 'interrupted', spec, {}, weights(spec, LEARNT));
    const scene = memoryScene(9, 11, spec.inBands);
    const run = (precision: Precision, interrupted: () => boolean) => {
      const options = { stage1, tile: 4, out: join(folder, 'interrupted-scene'), device: { kind: 'cuda', precision } };
      return predicted(scene, options as Parameters<typeof predicted>[1], interrupted);
    };
    await expect(run('fp16', () => true)).rejects.toThrow(Interrupted);
    await expect(run('fp32', () => false)).rejects.toThrow(/unfinished prediction of another/);
    await run('fp16', () => false);
  });
});
