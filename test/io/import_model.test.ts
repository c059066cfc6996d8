import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { saveModel } from '../../src/checkpoint/checkpoint.js';
import { type ImportOptions, importModel } from '../../src/checkpoint/import_model.js';
import { readSafetensors, type Tensor, writeSafetensors } from '../../src/io/safetensors.js';
import { modelParameters } from '../../src/models/index.js';
import type { ModelKind, ModelSpec } from '../../src/models/spec.js';
import { goldenPath } from '../support/golden.js';
import { temporaryFolder } from '../support/temporary.js';

const folder = temporaryFolder();
let made = 0;
const sr: ModelSpec = {
  kind: 'spectral_sr',
  inBands: 4,
  outBands: 9,
  hidden: 3,
  blocks: 2,
  axis: 'raster',
  regression: 'none',
};
const unmixing: ModelSpec = {
  kind: 'spectral_unmixing',
  inBands: 4,
  outBands: 9,
  endmembers: 5,
  constraint: 'none',
  regression: 'none',
};

type Tensors = Map<string, Pick<Tensor, 'shape' | 'data'>>;

/** A safetensors file of a network's parameters, `change`d before. Parameter k holds k, k + 1/8, ... */
async function file(
  spec: ModelSpec,
  change: (tensors: Tensors) => Tensors | undefined = () => undefined,
): Promise<string> {
  const tensors: Tensors = new Map();
  for (const [k, { name, shape }] of modelParameters(spec).entries()) {
    const length = shape.reduce((a, b) => a * b, 1);
    tensors.set(name, { shape, data: Float32Array.from({ length }, (_, i) => k + i / 8) });
  }
  const path = join(folder, `${made++}.safetensors`);
  await writeSafetensors(path, change(tensors) ?? tensors);
  return path;
}

async function failure(path: string, options?: ImportOptions): Promise<string> {
  const error = await importModel(path, options).then(
    () => new Error('no error'),
    (e: Error) => e,
  );
  expect(error.name).toBe('BandliftError');
  return error.message;
}

describe('sizes', () => {
  it.each([sr, unmixing, { ...sr, blocks: 0 }, { ...sr, blocks: 11, outBands: 3 }])(
    'are those of the shapes: %o',
    async (spec) => {
      const { spec: found, parameters, notes } = await importModel(await file(spec));
      expect(found).toEqual(spec);
      expect([...parameters.keys()]).toEqual(modelParameters(spec).map((info) => info.name));
      expect(parameters.get([...parameters.keys()][2]!)![1]).toBe(2.125);
      expect(notes).toEqual([]);
    },
  );

  it('take another axis where the shapes allow it', async () => {
    expect((await importModel(await file(sr), { axis: 'row' })).spec).toEqual({ ...sr, axis: 'row' });
    expect(await failure(await file(sr), { axis: 'spectral' })).toMatch(
      /res_blocks\.0\.conv1\.weight: does not fit spectral_sr; found \[9,9,3\]/,
    );
  });
});

it('removes the prefixes of wrappers and rounds float64, and says so', async () => {
  const path = await file(unmixing, (tensors) => {
    const wrapped = new Map([...tensors].map(([name, tensor]) => [`module._orig_mod.${name}`, tensor]));
    wrapped.set('module._orig_mod.endmembers', { shape: [5, 9], data: new Float64Array(45).fill(1 / 3) });
    return wrapped;
  });
  const { parameters, notes } = await importModel(path);
  expect(parameters.get('endmembers')![0]).toBe(Math.fround(1 / 3));
  expect(notes).toEqual([
    "'module._orig_mod.' removed from the parameter names",
    '1 of 7 parameters were float64 and are rounded to float32',
  ]);
});

describe('what does not fit', () => {
  const without = (name: string) => (tensors: Tensors) => void tensors.delete(name);
  const put =
    (name: string, shape: number[], data = new Float32Array(shape.reduce((a, b) => a * b, 1))) =>
    (tensors: Tensors) =>
      void tensors.set(name, { shape, data });
  const cases: [what: string, path: () => Promise<string>, message: RegExp, options?: ImportOptions][] = [
    [
      'a missing parameter',
      () => file(sr, without('attention.fc.2.bias')),
      /attention\.fc\.2\.bias: does not fit spectral_sr; found nothing, expected \[9\]/,
    ],
    [
      'a missing block',
      () => file({ ...sr, blocks: 3 }, without('res_blocks.1.conv1.weight')),
      /res_blocks\.1\.conv1\.bias: .*no such parameter/,
    ],
    [
      'another shape',
      () => file(sr, put('final_conv.weight', [9, 9, 5, 5])),
      /final_conv\.weight: .*found \[9,9,5,5\], expected \[9,9,3,3\]/,
    ],
    [
      'another rank',
      () => file(sr, put('spectral_expand.0.weight', [3, 4])),
      /spectral_expand\.0\.weight: .*found \[3,4\], expected 4 dimensions/,
    ],
    [
      'a parameter too many',
      () => file(unmixing, put('head.bias', [2])),
      /head\.bias: does not fit spectral_unmixing; found \[2\], expected no such parameter/,
    ],
    [
      'integers',
      () => file(unmixing, (t) => void t.set('endmembers', { shape: [5, 9], data: new Int32Array(45) })),
      /endmembers: not floating-point numbers; found I32/,
    ],
    [
      'numbers that are not finite',
      () => file(unmixing, put('abundance_net.4.bias', [5], Float32Array.of(0, 0, Number.NaN, 0, 0))),
      /abundance_net\.4\.bias, number 2: not a finite number; found NaN/,
    ],
    [
      'another network than asked for',
      () => file(sr),
      /endmembers: does not fit spectral_unmixing; found nothing/,
      { model: 'spectral_unmixing' },
    ],
    [
      'a network that cannot be imported',
      () => file(sr),
      /--model: cannot be imported; found ridge/,
      { model: 'ridge' },
    ],
    ['a network that does not exist', () => file(sr), /found resnet/, { model: 'resnet' as ModelKind }],
    [
      'unknown names',
      () => file(sr, () => new Map([['conv1.weight', { shape: [1], data: Float32Array.of(1) }]])),
      /do not match any known network; found conv1\.weight/,
    ],
    ['no tensors', () => file(sr, () => new Map()), /do not match any known network/],
  ];
  it.each(cases)('is named: %s', async (_, path, message, options) => {
    expect(await failure(await path(), options)).toMatch(message);
  });

  it("is bandlift's own checkpoint", async () => {
    const path = join(folder, 'own.safetensors');
    const { parameters } = await importModel(await file(sr));
    await saveModel(path, sr, parameters);
    expect(await failure(path)).toContain('is already a checkpoint of bandlift');
  });
});

describe('golden .pth files', () => {
  it('become models of the documented sizes with the parameters after 10 steps', async () => {
    const srSpec = {
      kind: 'spectral_sr',
      inBands: 7,
      outBands: 20,
      hidden: 12,
      blocks: 2,
      axis: 'raster',
      regression: 'none',
    };
    const unmixingSpec = {
      kind: 'spectral_unmixing',
      inBands: 7,
      outBands: 20,
      endmembers: 5,
      constraint: 'none',
      regression: 'none',
    };
    const spatial = { inBands: 20, outBands: 20, up: 15, down: 2, backProjections: 0 };
    const spatialSpec = { kind: 'spatial_sr', ...spatial, features: 16, groups: 2, blocks: 2, reduction: 16 };
    const lightSpec = { kind: 'spatial_lightweight', ...spatial, features: 8, blocks: 2 };
    for (const expected of [srSpec, unmixingSpec, spatialSpec, lightSpec]) {
      const { spec, parameters, notes } = await importModel(goldenPath(`${expected.kind}.pth`));
      expect(spec).toEqual(expected);
      expect(notes).toEqual(["weights taken from 'model_state_dict'"]);
      const { tensors } = await readSafetensors(goldenPath(`${expected.kind}.safetensors`));
      for (const [name, data] of parameters) expect(data).toEqual(tensors.get(`after.${name}`)!.data);
    }
  });
});
