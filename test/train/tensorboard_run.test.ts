/** A whole run, interrupted once and resumed, as TensorBoard's and safetensors' own Python packages read it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { loadCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { modelParameters } from '../../src/models/index.js';
import { temporaryFolder } from '../support/cli.js';
import { describePython, runPython } from '../support/python.js';
import { allMetricsOf, type Metrics, metricsOf, smallSample, testRowsOf, tinyConfig, train } from '../support/runs.js';

/**
 * argv: event folder. Prints {scalars: {run/tag: [[step, value]]}, images: {run/tag: [[step, width, height, first bytes]]}, texts,
 * hparams: {name: value}, statuses}, each folder below as the run of its name, '' the folder itself.
 */
const READ_BOARD = `
import os, sys, json
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing import plugin_event_accumulator as plugins
from tensorboard.plugins.hparams import plugin_data_pb2
from google.protobuf import json_format
top = sys.argv[1]
out = {'scalars': {}, 'images': {}, 'texts': {}, 'hparams': {}, 'statuses': []}
for run in [''] + sorted(n for n in os.listdir(top) if os.path.isdir(os.path.join(top, n))):
    at = lambda tag: run + '/' + tag if run else tag
    a = EventAccumulator(os.path.join(top, run), size_guidance={'scalars': 0, 'images': 0, 'tensors': 0})
    a.Reload()
    t = a.Tags()
    out['scalars'] |= {at(tag): [[e.step, e.value] for e in a.Scalars(tag)] for tag in t['scalars']}
    out['images'] |= {at(tag): [[e.step, e.width, e.height, list(e.encoded_image_string[:24])] for e in a.Images(tag)] for tag in t['images']}
    p = plugins.EventAccumulator(os.path.join(top, run))
    p.Reload()
    for tag in p.Tags()['tensors']:
        data = p.SummaryMetadata(tag).plugin_data
        if data.plugin_name == 'text':
            out['texts'][at(tag)] = [e.tensor_proto.string_val[0].decode() for e in p.Tensors(tag)][0]
        if data.plugin_name == 'hparams':
            content = plugin_data_pb2.HParamsPluginData.FromString(data.content)
            start = content.session_start_info.hparams
            out['hparams'] |= {k: json_format.MessageToDict(start[k]) for k in start}
            if content.HasField('session_end_info'): out['statuses'].append(content.session_end_info.status)
print(json.dumps(out))
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

/** Shown in degrees alone; the loss term in radians is in metrics.jsonl. */
const LOSS_TAGS = ['loss', 'l1', 'sam_deg', 'spectral_gradient'];
const BASELINES = ['ridge', 'quadratic_ridge'];
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
  texts: Record<string, string>;
  hparams: Record<string, number | string | boolean>;
  statuses: number[];
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
    const baselines = BASELINES.flatMap((name) => LOSS_TAGS.map((tag) => `${name}/${tag}`));
    const test = ['test/sam_deg', 'test/rmse', 'test/psnr_db'];
    expect(Object.keys(board.scalars).sort()).toEqual([...SCALARS, ...baselines, ...test].sort());
    const start = allMetricsOf(run)[0]!;
    expect(start).toMatchObject({ epoch: 0, step: 0 });
    for (const tag of SCALARS) {
      // event files hold float32
      const lines = tag.startsWith('validation/') ? [start, ...metrics] : metrics;
      const expected = lines.map((line) => [line.step!, Math.fround(line[tag]!)]);
      expect(board.scalars[tag], tag).toEqual(expected);
    }
    // the same angle twice, in other units
    for (const line of metrics)
      for (const part of ['train', 'validation'])
        expect(line[`${part}/sam_deg`]! / ((line[`${part}/sam_rad`]! / Math.PI) * 180)).toBeCloseTo(1, 12);
  });

  it('draws each baseline as a horizontal line over all steps', () => {
    const kept = JSON.parse(readFileSync(join(run, 'baselines.json'), 'utf8'));
    expect(Object.keys(kept)).toEqual(['ridge', 'quadratic ridge']);
    for (const [i, name] of BASELINES.entries()) {
      const { total } = kept[['ridge', 'quadratic ridge'][i]!];
      const steps = [0, ...metrics.map((line) => line.step!)];
      expect(board.scalars[`${name}/loss`]).toEqual(steps.map((step) => [step, Math.fround(total)]));
    }
    // the network begins as the better of them
    const start = board.scalars['validation/loss']![0]![1];
    const best = Math.min(...BASELINES.map((name) => board.scalars[`${name}/loss`]![0]![1]));
    expect(Math.abs(start / best - 1)).toBeLessThan(1e-3); // computed as one network or as two parts of it, in float32
  });

  it('shows settings, the final test and how the run ended', () => {
    expect(board.texts.config).toContain('ema_decay: 0.9');
    expect(board.hparams).toMatchObject({ ema_decay: 0.9, batch_size: 3, schedule: 'plateau', augment: true });
    expect(board.statuses).toEqual([1]); // STATUS_SUCCESS
    const row = testRowsOf(run).at(-1)!;
    expect(board.scalars['test/sam_deg']).toEqual([[metrics.at(-1)!.step! + 1, Math.fround(row.samDeg)]]);
    expect(board.texts.test).toContain('quadratic ridge');
  });

  it('says in environment.json with what it was made, and when', () => {
    const facts = JSON.parse(readFileSync(join(run, 'environment.json'), 'utf8'));
    const [first, second, ...more] = facts.starts;
    expect(more).toEqual([]);
    expect(first.resumed_at_step).toBeUndefined();
    expect(second.resumed_at_step).toBe(stopped);
    for (const { started, ended } of facts.starts)
      expect(Date.parse(ended)).toBeGreaterThanOrEqual(Date.parse(started));
    expect(facts.bandlift).toBe(JSON.parse(readFileSync('package.json', 'utf8')).version);
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

    // a few shapes by hand (docs/specification.md, section 1: conv 3x3 7->6, 6->340, Conv1d 340->340 of 3), then all names
    expect(tensors['param.spectral_expand.0.weight']![0]).toEqual([6, 7, 3, 3]);
    expect(tensors['adam.m.spectral_expand.2.weight']![0]).toEqual([340, 6, 3, 3]);
    expect(tensors['ema.attention.fc.0.weight']![0]).toEqual([85, 340]);
    expect(tensors['param.final_conv.bias']![0]).toEqual([340]);
    const names = modelParameters(model).flatMap(({ name, frozen }) =>
      (frozen ? ['param.', 'ema.'] : ['param.', 'ema.', 'adam.m.', 'adam.v.']).map((prefix) => prefix + name),
    );
    // and sums over the training pixels, for baselines elsewhere
    names.push('statistics.cross', 'statistics.gram');
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
