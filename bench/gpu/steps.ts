/**
 * Whole training steps in each precision, and PyTorch's in the same minutes: blocks of steps take turns (A B A B ...), so that
 * a drift of the machine's speed hits all. Both are timed with their patches on the GPU, as training holds them by default, and
 * with an upload in every step (PyTorch's from pinned memory).
 */

import { Random } from '../../src/base/random.js';
import { DeviceSession } from '../../src/engine/device_session.js';
import { createSession } from '../../src/engine/session.js';
import {
  type Batch,
  COMBINED_LOSS,
  type HeldBatch,
  type Session,
  type SessionOptions,
  SPATIAL_LOSS,
} from '../../src/engine/types.js';
import { outputSize } from '../../src/models/index.js';
import type { ModelSpec } from '../../src/models/spec.js';
import { type BenchOptions, type Keep, median, short, withEnv } from './timing.js';
import { TorchPeer } from './torch.js';

type Precision = BenchOptions['precisions'][number];

const MODES = ['eager_tf32', 'eager_bf16', 'compile_bf16'] as const;
const PAIRS = 5;
const STEPS = 10;

interface Net {
  readonly name: string;
  readonly model: ModelSpec;
  /** Side of the input. */
  readonly size: number;
}

function nets(quick: boolean): Net[] {
  const bands = quick ? 12 : 340;
  const spatial = { inBands: bands, outBands: bands, up: 15, down: 2, backProjections: 0 };
  const width = quick ? 4 : 64;
  return [
    {
      name: 'spectral_sr_8',
      model: {
        ...{ kind: 'spectral_sr', inBands: 7, outBands: bands, hidden: quick ? 8 : 128, blocks: quick ? 1 : 8 },
        ...{ axis: 'raster', regression: 'none' },
      },
      size: quick ? 8 : 256,
    },
    {
      name: 'spatial_sr',
      model: {
        kind: 'spatial_sr',
        ...spatial,
        features: width,
        groups: quick ? 1 : 4,
        blocks: quick ? 1 : 4,
        reduction: quick ? 2 : 16,
      },
      size: quick ? 4 : 34,
    },
    {
      name: 'spatial_lightweight',
      model: { kind: 'spatial_lightweight', ...spatial, features: quick ? 4 : 16, blocks: quick ? 1 : 4 },
      size: quick ? 4 : 34,
    },
  ];
}

const BATCH = 4;

function optionsOf({ name, model, size }: Net, precision: Precision): SessionOptions {
  const loss = name.startsWith('spatial_') ? SPATIAL_LOSS : COMBINED_LOSS;
  return { model, loss, height: size, width: size, batchSize: BATCH, device: { kind: 'cuda', precision } };
}

function batchOf({ model, size }: Net): Batch {
  const random = new Random(1);
  const { height, width } = outputSize(model, size, size);
  const numbers = (n: number) => Float32Array.from({ length: n }, () => random.uniform());
  const pixels = BATCH * height * width;
  return {
    size: BATCH,
    input: numbers(BATCH * size * size * model.inBands),
    target: numbers(pixels * model.outBands),
    validPixels: pixels,
  };
}

/** Puts the batch's patches on the GPU. */
async function hold(session: Session, { size, input, target, validPixels }: Batch): Promise<HeldBatch> {
  if (!session.hold({ inputs: size, targets: size })) throw new Error('a batch does not fit beside the plan');
  await session.keep('input', 0, input);
  await session.keep('target', 0, target);
  return {
    size,
    validPixels,
    places: Float64Array.from({ length: 3 * size }, (_, k) => (k % 3 === 2 ? 0 : Math.floor(k / 3))),
  };
}

let step = 0;
/** Seconds of `count` steps. */
async function run(session: Session, batch: Batch | HeldBatch, count: number): Promise<number> {
  const started = performance.now();
  for (let i = 0; i < count; i++) {
    const { finite } = await session.step(batch, { learningRate: 1e-4, step: ++step, maxNorm: 0, emaDecay: 0 });
    if (!finite) throw new Error('a step was not finite');
  }
  return (performance.now() - started) / 1000;
}

/** Time of each instruction of one step, the slowest first, when the device is waited for after each. */
function profileOf(net: Net, precision: Precision, batch: Batch) {
  return withEnv({ BANDLIFT_PROFILE: '1' }, async () => {
    const session = await createSession(optionsOf(net, precision));
    try {
      session.initialize(0);
      await run(session, await hold(session, batch), 3);
      const timings = session instanceof DeviceSession ? (session.profile().get(`train ${BATCH} held`) ?? []) : [];
      const sorted = [...timings].sort((a, b) => b.seconds - a.seconds);
      return {
        seconds: sorted.reduce((sum, i) => sum + i.seconds, 0),
        instructions: sorted.length,
        slowest: sorted.slice(0, 20),
      };
    } finally {
      session.dispose();
    }
  });
}

async function openPeers(net: Net, python: string): Promise<Map<string, TorchPeer>> {
  const peers = new Map<string, TorchPeer>();
  for (const mode of MODES) {
    const peer = new TorchPeer(python, 'gpu_step.py', [net.name, String(BATCH), String(net.size), mode]);
    try {
      const { version, cudnn } = await peer.answer();
      console.log(`${net.name}: PyTorch ${version} ${mode}, cuDNN ${cudnn}`);
      peers.set(mode, peer);
    } catch (error) {
      peer.stop();
      console.log(`${net.name}: PyTorch ${mode} is left out: ${(error as Error).message}`);
    }
  }
  return peers;
}

async function benchStep(net: Net, precision: Precision, batch: Batch, peers: Map<string, TorchPeer>, quick: boolean) {
  const [pairs, steps] = quick ? [1, 1] : [PAIRS, STEPS];
  const session = await createSession(optionsOf(net, precision));
  const ours = { held: [] as number[], upload: [] as number[] };
  const theirs = new Map<string, number[]>();
  let microBatch: number;
  let unrecorded: string[] = [];
  try {
    session.initialize(0);
    ({ microBatch } = session.plan);
    const held = await hold(session, batch);
    for (const form of [held, batch]) await run(session, form, 4); // engines are chosen, the step is recorded
    for (let pair = 0; pair < pairs; pair++) {
      ours.held.push((await run(session, held, steps)) / steps);
      ours.upload.push((await run(session, batch, steps)) / steps);
      for (const [mode, peer] of peers)
        try {
          for (const what of ['step', 'upload']) {
            const key = what === 'step' ? mode : `${mode} with upload`;
            const { seconds } = await peer.ask(`${what} ${steps}`);
            theirs.set(key, [...(theirs.get(key) ?? []), (seconds as number) / steps]);
          }
        } catch (error) {
          console.log(`${net.name}: PyTorch ${mode} is left out from here on: ${(error as Error).message}`);
          peer.stop();
          peers.delete(mode);
        }
    }
    if (session instanceof DeviceSession) unrecorded = [...session.unrecorded()].map((entry) => entry.join(': '));
  } finally {
    session.dispose();
  }
  if (unrecorded.length > 0) console.log(`${net.name} ${precision}: not recorded, so slower: ${unrecorded.join('; ')}`);
  const torch = [...theirs].map(([mode, seconds]) => {
    const same = mode.endsWith('with upload') ? ours.upload : ours.held;
    const ratios = seconds.map((s, i) => s / same[i]!);
    return {
      mode,
      seconds: median(seconds),
      speedup: { median: median(ratios), min: Math.min(...ratios), max: Math.max(...ratios) },
    };
  });
  const profile = await profileOf(net, precision, batch);
  const row = {
    ...{ net: net.name, size: net.size, batch: BATCH, microBatch, precision, pairs, steps },
    ...{ seconds: median(ours.held), spread: [Math.min(...ours.held), Math.max(...ours.held)] },
    upload: { seconds: median(ours.upload), bytes: 4 * (batch.input.length + batch.target.length) },
    /** With a wait after each instruction: more than the same instructions take in a recorded step. */
    profile,
    /** Programs that ran launch by launch, and why; empty as it should be. */
    unrecorded,
    torch,
  };
  console.log(
    `${net.name} ${precision}: ${short(1e3 * row.seconds)} ms a step, ${short(1e3 * row.upload.seconds)} with an upload (${short(1e3 * profile.seconds)} ms in ${profile.instructions} instructions one by one)` +
      torch.map((t) => `; ${t.mode} ${short(1e3 * t.seconds)} ms, ${short(t.speedup.median)}x`).join(''),
  );
  return row;
}

export async function benchSteps(options: BenchOptions, keep: Keep): Promise<void> {
  const rows: unknown[] = [];
  const failures: string[] = [];
  for (const net of nets(options.quick).filter(({ name }) => options.wanted(name))) {
    const batch = batchOf(net);
    const peers = options.python === undefined ? new Map<string, TorchPeer>() : await openPeers(net, options.python);
    try {
      for (const precision of options.precisions) {
        try {
          rows.push(await benchStep(net, precision, batch, peers, options.quick));
        } catch (error) {
          failures.push(`${net.name} ${precision}: ${(error as Error).message}`);
          rows.push({ net: net.name, precision, error: (error as Error).message });
        }
        keep(rows);
      }
    } finally {
      for (const peer of peers.values()) peer.stop();
    }
  }
  if (failures.length > 0) throw new Error(failures.join('; '));
}
