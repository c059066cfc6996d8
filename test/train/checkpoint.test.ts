import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  type Checkpoint,
  checkCompatible,
  inspectCheckpoint,
  loadCheckpoint,
  loadModel,
  saveCheckpoint,
  saveModel,
} from '../../src/checkpoint/checkpoint.js';
import { readSafetensors, type Tensor, writeSafetensors } from '../../src/io/safetensors.js';
import { modelParameters } from '../../src/models/index.js';
import type { ModelSpec } from '../../src/models/spec.js';
import { describePython, runPython } from '../support/python.js';
import { temporaryFolder } from '../support/temporary.js';

const folder = temporaryFolder();
const model: ModelSpec = {
  kind: 'spectral_sr',
  inBands: 3,
  outBands: 5,
  hidden: 2,
  blocks: 1,
  axis: 'row',
  regression: 'linear',
};
const infos = modelParameters(model);

/** Any bits at all, NaN payloads and denormals included: a generator of Lehmer (48271, 2^31 - 1). */
function values(seed: number, trainedOnly = false): Map<string, Float32Array> {
  let s = seed;
  const next = () => {
    s = (s * 48271) % 2147483647;
    return s * 2;
  };
  return new Map(
    infos
      .filter((info) => !(trainedOnly && info.frozen))
      .map((info) => [
        info.name,
        new Float32Array(Uint32Array.from({ length: info.shape.reduce((a, b) => a * b, 1) }, next).buffer),
      ]),
  );
}

const checkpoint: Checkpoint = {
  model,
  bands: { wavelength: [400.5, 500, 600, 700, 800.25], fwhm: null, units: 'reflectance' },
  sensor: 'OLI',
  responseHash: 'ab12',
  normalization: {
    method: 'percentile',
    input: { offset: [0.1], scale: [1 / 3], clip: true },
    target: { offset: [5e-324], scale: [Number.MAX_VALUE], clip: false },
    units: 'reflectance',
  },
  split: {
    method: 'block',
    seed: 42,
    train: [0, 1, 5],
    validation: [3],
    test: [7],
    guard: [2, 4, 6],
    description: 'in blocks',
  },
  seed: 42,
  loss: { l1: 1, l2: 0, sam: 0.1, gradient: 0.1 },
  optimizer: { kind: 'adam', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, batchSize: 4, emaDecay: 0.999 },
  data: [{ name: 'a.h5', patches: 8 }],
  version: '0.1.0',
  tensors: { parameters: values(1), m: values(2, true), v: values(3, true), ema: values(4) },
  state: {
    progress: {
      epoch: 2,
      batch: 1,
      step: 4,
      best: 0.1 + 0.2,
      averages: { weight: 3, total: 0.7, l1: 0.1, l2: 0, sam: 1 / 7, gradient: 1e-300, gradNormSum: 2, steps: 1 },
    },
    schedule: { kind: 'plateau', learningRate: 5e-5, best: null, badEpochs: 3 },
    earlyStopping: { best: 0.25, badEpochs: 0 },
  },
};

const bits = (map: ReadonlyMap<string, Float32Array>) =>
  [...map].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, data]) => [name, Buffer.from(data.buffer).toString('hex')]);

async function failure(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => new Error('no error'),
    (e: Error) => e,
  );
  expect(error.name).toBe('BandliftError');
  expect(error.message).not.toContain('\n');
  return error.message;
}

describe('round trip', () => {
  it('keeps every bit of the tensors and every number of the state', async () => {
    const path = join(folder, 'a.safetensors');
    await saveCheckpoint(path, checkpoint);
    const back = await loadCheckpoint(path);
    const { tensors, ...rest } = checkpoint;
    const { tensors: backTensors, ...backRest } = back;
    expect(backRest).toEqual(rest);
    for (const group of ['parameters', 'm', 'v', 'ema'] as const)
      expect(bits(backTensors[group]!)).toEqual(bits(tensors[group]!));
    expect(await inspectCheckpoint(path)).toEqual({ format: 2, content: 'checkpoint', ...rest });
    // saved again, the file is the same file
    const again = join(folder, 'b.safetensors');
    await saveCheckpoint(again, back);
    expect(readFileSync(again).equals(readFileSync(path))).toBe(true);
  });

  it('keeps a model alone, which cannot be resumed', async () => {
    const path = join(folder, 'model.safetensors');
    await saveModel(path, model, values(9));
    const back = await loadModel(path);
    expect(back.model).toEqual(model);
    expect(back.contract).toBeUndefined();
    expect(bits(back.tensors.parameters)).toEqual(bits(values(9)));
    expect(await failure(loadCheckpoint(path))).toContain('holds weights only');
  });

  it('gives the weights of a run with its contract and without the moments', async () => {
    const back = await loadModel(join(folder, 'a.safetensors'));
    expect(Object.keys(back.tensors).sort()).toEqual(['ema', 'parameters']);
    expect(back.contract!.bands).toEqual(checkpoint.bands);
  });
});

describe('writing', () => {
  it('refuses what could not be read again, and leaves the old file', async () => {
    const path = join(folder, 'kept.safetensors');
    await saveCheckpoint(path, checkpoint);
    const before = readFileSync(path);
    const nan = { ...checkpoint, state: { ...checkpoint.state, earlyStopping: { best: Number.NaN, badEpochs: 0 } } };
    expect(await failure(saveCheckpoint(path, nan))).toContain('state.earlyStopping.best');
    const short = new Map(values(1)).set('final_conv.bias', new Float32Array(4));
    await expect(saveCheckpoint(path, { ...checkpoint, tensors: { parameters: short } })).rejects.toThrow(
      /4 numbers for the shape \[5\]/,
    );
    await expect(
      saveCheckpoint(path, { ...checkpoint, tensors: { parameters: values(1), m: new Map() } }),
    ).rejects.toThrow(/missing/);
    expect(readFileSync(path).equals(before)).toBe(true);
    expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });
});

describe('reading', () => {
  it('refuses the file cut off anywhere', async () => {
    const whole = readFileSync(join(folder, 'a.safetensors'));
    const path = join(folder, 'cut.safetensors');
    for (let i = 0; i < 40; i++) {
      writeFileSync(path, whole.subarray(0, Math.floor((i / 40) * whole.length)));
      expect(await failure(loadCheckpoint(path))).toContain(path);
    }
  });

  /** The checkpoint with its JSON or its tensors changed by hand. */
  // biome-ignore lint/suspicious/noExplicitAny: JSON to be broken has no type
  async function forged(change: (json: Record<string, any>, tensors: Map<string, Tensor>) => void): Promise<string> {
    const { metadata, tensors } = await readSafetensors(join(folder, 'a.safetensors'));
    const json = JSON.parse(metadata.bandlift!);
    change(json, tensors);
    const path = join(folder, 'forged.safetensors');
    await writeSafetensors(path, tensors, { bandlift: JSON.stringify(json) });
    return failure(loadCheckpoint(path));
  }

  it('names the first field that is wrong', async () => {
    expect(await forged((json) => (json.format = 3))).toMatch(
      /format: the checkpoint has an unsupported format version; found 3, expected 1 or 2/,
    );
    expect(await forged((json) => (json.model.blocks = -1))).toContain('model.blocks');
    expect(await forged((json) => (json.model.blocks = 2 ** 40))).toContain('model.blocks');
    expect(await forged((json) => (json.model.extra = 1))).toContain('model.extra');
    expect(await forged((json) => delete json.normalization.target.scale)).toContain('normalization.target.scale');
    expect(await forged((json) => (json.state.progress.step = 1.5))).toContain('state.progress.step');
    expect(await forged((json) => (json.split.train[1] = 'x'))).toContain('split.train.1');
    expect(await forged((json) => (json.model.hidden = 3))).toMatch(
      /tensor 'param\.spectral_expand.*found F32 \[2.*expected F32 \[3/,
    );
    expect(await forged((_, tensors) => tensors.delete('param.final_conv.bias'))).toMatch(
      /'param\.final_conv\.bias': is missing/,
    );
    expect(await forged((_, tensors) => tensors.delete('adam.v.final_conv.bias'))).toMatch(
      /'adam\.v\.final_conv\.bias': is missing/,
    );
    expect(
      await forged((_, tensors) => tensors.set('param.other', { dtype: 'F32', shape: [1], data: Float32Array.of(1) })),
    ).toMatch(/'param\.other': spectral_sr has no such parameter/);
    expect(
      await forged((_, tensors) =>
        tensors.set('param.final_conv.bias', { dtype: 'F64', shape: [5], data: new Float64Array(5) }),
      ),
    ).toMatch(/found F64 \[5\], expected F32 \[5\]/);
  });

  it('knows files that are no checkpoint', async () => {
    const path = join(folder, 'other.safetensors');
    await writeSafetensors(path, new Map([['w', { shape: [1], data: Float32Array.of(1) }]]));
    expect(await failure(loadCheckpoint(path))).toContain('not a checkpoint of bandlift; `bandlift import`');
    await writeSafetensors(path, new Map(), { bandlift: '{' });
    expect(await failure(loadCheckpoint(path))).toContain('the checkpoint is damaged');
    await writeSafetensors(path, new Map(), { bandlift: 'null' });
    expect(await failure(loadCheckpoint(path))).toContain('format version');
  });
});

describe('agreement', () => {
  const { tensors: _, state: __, ...contract } = checkpoint;
  const says = (change: object) => {
    try {
      checkCompatible(checkpoint, { ...contract, ...change }, 'last.safetensors');
    } catch (error) {
      return (error as Error).message;
    }
    return 'agrees';
  };
  it('names the first field that disagrees, with both values', () => {
    expect(says({})).toBe('agrees');
    expect(says({ version: '9.9.9' })).toBe('agrees');
    expect(says({ model: { ...model, hidden: 64 }, seed: 1 })).toMatch(
      /^last\.safetensors: model\.hidden: .*; found 2, expected 64/,
    );
    expect(says({ bands: { ...checkpoint.bands, wavelength: [400.5, 500, 600, 700, 801] } })).toMatch(
      /bands\.wavelength\.4: .*found 800\.25, expected 801/,
    );
    expect(says({ bands: { ...checkpoint.bands, wavelength: null } })).toMatch(/bands\.wavelength: .*expected null/);
    expect(says({ data: [...checkpoint.data, { name: 'b.h5', patches: 1 }] })).toMatch(
      /data: .*found 1 entries, expected 2/,
    );
    expect(says({ optimizer: { ...checkpoint.optimizer, batchSize: 8 } })).toMatch(
      /optimizer\.batchSize: .*found 4, expected 8/,
    );
    expect(says({ seed: 43 })).toMatch(/seed: .*found 42, expected 43/);
  });
  it('compares only what is given', () => {
    expect(() => checkCompatible(checkpoint, { bands: checkpoint.bands }, 'x')).not.toThrow();
  });
});

describePython('beside the safetensors package of PyPI', () => {
  it('is read with names, shapes, values and metadata', async () => {
    const path = join(folder, 'python.safetensors');
    const plain = new Map(
      infos.map((info, i) => [info.name, new Float32Array(info.shape.reduce((a, b) => a * b, 1)).fill(i + 0.5)]),
    );
    await saveCheckpoint(path, { ...checkpoint, tensors: { parameters: plain } });
    const code = `
import sys, json
from safetensors import safe_open
f = safe_open(sys.argv[1], 'np')
print(json.dumps({'step': json.loads(f.metadata()['bandlift'])['state']['progress']['step'],
  'tensors': {k: [list(f.get_tensor(k).shape), float(f.get_tensor(k).astype('float64').sum())] for k in f.keys()}}))
`;
    const seen = JSON.parse(runPython(code, [path]));
    const count = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
    expect(seen.step).toBe(4);
    expect(seen.tensors).toEqual(
      Object.fromEntries(infos.map((info, i) => [`param.${info.name}`, [info.shape, count(info.shape) * (i + 0.5)]])),
    );
  });
});
