/** A whole run, interrupted once and resumed, as TensorBoard's and safetensors' own Python packages read it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { loadCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { modelParameters } from '../../src/models/index.js';
import { temporaryFolder } from '../support/cli.js';
import { describePython, runPython } from '../support/python.js';
import { type Metrics, metricsOf, smallSample, tinyConfig, train } from '../support/runs.js';

/** argv: event folder. Prints {scalars: {tag: [[step, value]]}, images: {tag: [[step, width, height, first bytes]]}}. */
const READ_BOARD = `
import sys, json
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
a = EventAccumulator(sys.argv[1], size_guidance={'scalars': 0, 'images': 0, 'tensors': 0})
a.Reload()
t = a.Tags()
print(json.dumps({
  'scalars': {tag: [[e.step, e.value] for e in a.Scalars(tag)] for tag in t['scalars']},
  'images': {tag: [[e.step, e.width, e.height, list(e.encoded_image_string[:24])] for e in a.Images(tag)] for tag in t['images']},
}))
`;
/** argv: checkpoint. Prints {tensors: {name: [shape, dtype, sum of squares]}, metadata}. */
const READ_SAFETENSORS = `
import sys, json
import numpy as np
from safetensors import safe_open
with safe_open(sys.argv[1], 'np') as f:
    tensors = {k: f.get_tensor(k) for k in f.keys()}
    print(json.dumps({
      'tensors': {k: [list(v.shape), str(v.dtype), float((v.astype(np.float64) ** 2).sum())] for k, v in tensors.items()},
      'metadata': f.metadata(),
    }))
`;

const LOSS_TAGS = ['loss', 'l1', 'sam_rad', 'sam_deg', 'spectral_gradient'];
const SCALARS = [
  ...LOSS_TAGS.map((tag) => `train/${tag}`),
  ...LOSS_TAGS.map((tag) => `validation/${tag}`),
  'train/learning_rate',
  'train/gradient_norm',
  'train/patches_per_second',
];
const EPOCHS = 4;

interface Board {
  scalars: Record<string, [step: number, value: number][]>;
  images: Record<string, [step: number, width: number, height: number, head: number[]][]>;
}

describePython('a run beside Python packages', () => {
  const work = temporaryFolder();
  const run = join(work, 'run');
  let metrics: Metrics[] = [];
  let board: Board;
  let stopped = 0;

  beforeAll(async () => {
    const config = tinyConfig({
      data_dir: smallSample(work),
      output_dir: run,
      epochs: EPOCHS,
      batch_size: 3,
      image_every: 2,
      ema_decay: 0.9,
    });
    // in the middle of the second or third epoch
    const first = await train(config, () => ++stopped === 6);
    expect(first.interrupted).toBe(true);
    const rest = await train(config, () => false, true);
    expect(rest.interrupted).toBe(false);
    metrics = metricsOf(run);
    board = JSON.parse(runPython(READ_BOARD, [join(run, 'tensorboard')])) as Board;
  });

  it('holds every documented tag once an epoch, with the values of metrics.jsonl', () => {
    expect(metrics.map((line) => line.epoch)).toEqual([1, 2, 3, 4]);
    const perEpoch = metrics[0]!.step!;
    expect(stopped % perEpoch).not.toBe(0); // it was indeed stopped inside an epoch
    expect(metrics.map((line) => line.step)).toEqual([1, 2, 3, 4].map((epoch) => epoch * perEpoch));
    expect(Object.keys(board.scalars).sort()).toEqual([...SCALARS].sort());
    for (const tag of SCALARS) {
      // event files hold float32
      const expected = metrics.map((line) => [line.step!, Math.fround(line[tag]!)]);
      expect(board.scalars[tag], tag).toEqual(expected);
    }
    // the same angle twice, in other units
    for (const line of metrics)
      for (const part of ['train', 'validation'])
        expect(line[`${part}/sam_deg`]! / ((line[`${part}/sam_rad`]! / Math.PI) * 180)).toBeCloseTo(1, 12);
  });

  it('shows pictures at the first, every second and the last epoch', () => {
    const perEpoch = metrics[0]!.step!;
    expect(Object.keys(board.images).sort()).toEqual(['validation/rgb_prediction_truth', 'validation/spectra']);
    for (const images of Object.values(board.images)) {
      expect(images.map(([step]) => step)).toEqual([1, 2, 4].map((epoch) => epoch * perEpoch));
      for (const [, width, height, head] of images) {
        const png = Buffer.from(head);
        expect(png.subarray(0, 8).toString('latin1')).toBe('\x89PNG\r\n\x1a\n');
        // IHDR: width and height, big endian
        expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([width, height]);
      }
    }
  });

  it('leaves checkpoints that safetensors of PyPI reads', async () => {
    const file = join(run, 'checkpoints/best.safetensors');
    const { tensors, metadata } = JSON.parse(runPython(READ_SAFETENSORS, [file])) as {
      tensors: Record<string, [shape: number[], dtype: string, squares: number]>;
      metadata: Record<string, string>;
    };
    const { model, split, normalization, data, state, version, loss } = JSON.parse(metadata.bandlift!);
    expect(model).toMatchObject({ kind: 'spectral_sr', inBands: 7, outBands: 340, hidden: 6, blocks: 1 });
    expect(split).toEqual(JSON.parse(readFileSync(join(run, 'split.json'), 'utf8')));
    expect(normalization.method).toBe('per_band');
    expect(normalization.target.scale).toHaveLength(340);
    expect(data.reduce((sum: number, f: { patches: number }) => sum + f.patches, 0)).toBe(18);
    expect(loss).toEqual({ l1: 1, l2: 0, sam: 0.1, gradient: 0.1 });
    expect(version).toBe(JSON.parse(readFileSync('package.json', 'utf8')).version);
    expect(state.progress.best).toBe(Math.min(...metrics.map((line) => line['validation/loss']!), state.progress.best));

    // a few shapes by hand (domain.md 1: conv 3x3 7->6, 6->340, Conv1d 340->340 of 3), then all names
    expect(tensors['param.spectral_expand.0.weight']![0]).toEqual([6, 7, 3, 3]);
    expect(tensors['adam.m.spectral_expand.2.weight']![0]).toEqual([340, 6, 3, 3]);
    expect(tensors['ema.attention.fc.0.weight']![0]).toEqual([85, 340]);
    expect(tensors['param.final_conv.bias']![0]).toEqual([340]);
    const names = modelParameters(model).flatMap(({ name, frozen }) =>
      (frozen ? ['param.', 'ema.'] : ['param.', 'ema.', 'adam.m.', 'adam.v.']).map((prefix) => prefix + name),
    );
    expect(Object.keys(tensors).sort()).toEqual(names.sort());
    const own = (await loadCheckpoint(file)).tensors;
    const groups = { 'param.': own.parameters, 'ema.': own.ema!, 'adam.m.': own.m!, 'adam.v.': own.v! };
    for (const [prefix, group] of Object.entries(groups))
      for (const [name, values] of group) {
        const [, dtype, squares] = tensors[prefix + name]!;
        expect(dtype).toBe('float32');
        const sum = values.reduce((total, v) => total + v * v, 0);
        // the same doubles added up in another order
        expect(Math.abs(sum - squares)).toBeLessThanOrEqual(1e-9 * squares);
      }
  });
});
