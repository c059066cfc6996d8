/** Broken checkpoints, models and golden numbers through the real command line. */
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { EXIT } from '../../src/base/errors.js';
import { readSafetensors, writeSafetensors } from '../../src/io/safetensors.js';
import { type BrokenCase, testBroken } from '../support/broken.js';
import { bandlift, TINY, temporaryFolder } from '../support/cli.js';
import { goldenPath } from '../support/golden.js';
import { patchDatasets, writeHdf5 } from '../support/patch_files.js';
import { describePython, runPython } from '../support/python.js';

const work = temporaryFolder();
const base = join(work, 'base');
const LAST = 'run/checkpoints/last.safetensors';
const SETTINGS = ['--data-dir', 'data', '--output-dir', 'run', '--epochs', '1', ...TINY];
const train = (...more: string[]) => ['train', 'stage1', ...SETTINGS, ...more];

beforeAll(async () => {
  mkdirSync(join(base, 'data'), { recursive: true });
  const shape = { patches: 6, height: 8, width: 8, inBands: 7, outBands: 12 };
  await writeHdf5(join(base, 'data/patches.h5'), { ...patchDatasets(shape) });
  const result = bandlift(train(), base);
  expect(result.stderr).not.toMatch(/error/);
  expect(result.status).toBe(0);
});

/** A finished run whose last checkpoint is then spoilt. */
const run = (spoil: (checkpoint: string) => unknown) => async (folder: string) => {
  cpSync(base, folder, { recursive: true });
  await spoil(join(folder, LAST));
};

/** A safetensors file with this header and four bytes of data. */
const withHeader = (header: string | object, length?: bigint) => {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(length ?? BigInt(json.length));
  return Buffer.concat([prefix, json, Buffer.alloc(4)]);
};

/** Changes the metadata that bandlift keeps in a checkpoint. */
const metadata = (change: (text: string) => string) =>
  run(async (path) => {
    const file = await readSafetensors(path);
    await writeSafetensors(path, file.tensors, { bandlift: change(file.metadata.bandlift!) });
  });

/** Files named with --checkpoint: where a plain --resume finds `last` damaged, another takes its place (test/quirks). */
const CHECKPOINTS: BrokenCase[] = [
  {
    name: 'a folder that holds a run',
    args: train(),
    prepare: run(() => {}),
    exit: EXIT.usage,
    message: /run: this folder already holds a run; add --resume to continue it, or give another --output-dir/,
  },
  {
    name: 'header of 2^63 bytes',
    args: train('--resume', '--checkpoint', LAST),
    prepare: run((path) => writeFileSync(path, withHeader('{}', 2n ** 63n))),
    exit: EXIT.badInput,
    message: /last\.safetensors: bad header length; found 9223372036854775808 bytes, expected at most 6; .*damaged/,
  },
  {
    name: 'header of garbage',
    args: train('--resume', '--checkpoint', LAST),
    prepare: run((path) => writeFileSync(path, withHeader('{"weight": {"dtype"'))),
    exit: EXIT.badInput,
    message: /last\.safetensors: the header is not JSON .*; the file is damaged or not a safetensors file/,
  },
  {
    name: 'negative shape',
    args: ['inspect', LAST],
    prepare: run((path) =>
      writeFileSync(path, withHeader({ w: { dtype: 'F32', shape: [-1, -1], data_offsets: [0, 4] } })),
    ),
    exit: EXIT.badInput,
    message:
      /last\.safetensors: tensor 'w': the shape is not a list of sizes; found \[-1,-1\], expected whole numbers >= 0/,
  },
  {
    name: 'shape of 2^63 numbers',
    args: ['inspect', LAST],
    prepare: run((path) =>
      writeFileSync(path, withHeader('{"w":{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,4]}}')),
    ),
    exit: EXIT.badInput,
    message: /last\.safetensors: tensor 'w': the shape is not a list of sizes; found \[9223372036854776000\]/,
  },
  {
    name: 'overlapping tensors',
    args: train('--resume', '--checkpoint', LAST),
    prepare: run((path) =>
      writeFileSync(
        path,
        withHeader({
          a: { dtype: 'F32', shape: [1], data_offsets: [0, 4] },
          b: { dtype: 'U8', shape: [3], data_offsets: [1, 4] },
        }),
      ),
    ),
    exit: EXIT.badInput,
    message: /last\.safetensors: tensor 'b': the tensor overlaps another one; found begin 1, expected 4/,
  },
  {
    name: 'truncated checkpoint',
    args: train('--resume', '--checkpoint', LAST),
    prepare: run((path) => truncateSync(path, readFileSync(path).length - 100)),
    exit: EXIT.badInput,
    message: /last\.safetensors: tensor '.*': the tensor lies beyond the end of the file; .*damaged/,
  },
  {
    name: 'empty checkpoint',
    args: train('--resume', '--checkpoint', LAST),
    prepare: run((path) => truncateSync(path, 0)),
    exit: EXIT.badInput,
    message: /last\.safetensors: too short for a header; found 0 bytes, expected at least 8/,
  },
  {
    name: 'checkpoint whose metadata is cut off',
    args: train('--resume', '--checkpoint', LAST),
    prepare: metadata((text) => text.slice(0, -20)),
    exit: EXIT.badInput,
    message: /last\.safetensors: bandlift: the checkpoint is damaged; found no JSON/,
  },
  {
    name: 'checkpoint whose metadata is wrong',
    args: train('--resume', '--checkpoint', LAST),
    prepare: metadata((text) => text.replace(/"step":\d+/, '"step":"many"')),
    exit: EXIT.badInput,
    message: /last\.safetensors: state\.progress\.step: .*expected number.*; the checkpoint is damaged/,
  },
  {
    name: 'checkpoint of another architecture',
    args: train('--resume', '--blocks', '2'),
    prepare: run(() => {}),
    exit: EXIT.badInput,
    message: /last\.safetensors: model\.blocks: the checkpoint does not fit .*; found 1, expected 2; use the settings/,
  },
  {
    name: 'checkpoint of other data',
    args: train('--resume'),
    prepare: async (folder) => {
      cpSync(base, folder, { recursive: true });
      const shape = { patches: 6, height: 8, width: 8, inBands: 7, outBands: 11 };
      await writeHdf5(join(folder, 'data/patches.h5'), { ...patchDatasets(shape) });
    },
    exit: EXIT.badInput,
    message:
      /last\.safetensors: model\.outBands: the checkpoint does not fit .*; found 12, expected 11; use the settings/,
  },
  {
    name: 'no checkpoint in the run',
    args: train('--resume', '--checkpoint', 'run/checkpoints/epoch-0009.safetensors'),
    prepare: run(() => {}),
    exit: EXIT.badInput,
    message: /epoch-0009\.safetensors: no such file or folder; check the path/,
  },
];

const imports = (name: string, file: string, message: RegExp, ...more: string[]): BrokenCase => ({
  name,
  args: ['import', file, '--out', 'model.safetensors', ...more],
  prepare: (folder) => copyFileSync(join(work, 'pth', file), join(folder, file)),
  exit: EXIT.badInput,
  message,
});

/**
 * Files in the layout of torch.save, made without PyTorch (2 GB that the tests can do without): pickles that name its
 * types, and storages beside them. argv: folder.
 */
const MAKE_PTH = `
import collections, io, os, pickle, struct, sys, types, zipfile
os.chdir(sys.argv[1])
class Evil:
    def __reduce__(self):
        return (os.system, ('touch EXECUTED',))
text = pickle.dumps({'model_state_dict': {'endmembers': Evil()}}, protocol=2)
with zipfile.ZipFile('evil.pth', 'w') as archive:
    archive.writestr('archive/data.pkl', text)
    archive.writestr('archive/version', '3')
pickle.loads(text)  # so that we know that the trap works

torch, utils = types.ModuleType('torch'), types.ModuleType('torch._utils')
torch._utils = utils
FloatStorage = type('FloatStorage', (), {'__module__': 'torch'})
torch.FloatStorage = FloatStorage
def _rebuild_tensor_v2(*args): pass
_rebuild_tensor_v2.__module__ = 'torch._utils'
utils._rebuild_tensor_v2 = _rebuild_tensor_v2
sys.modules.update({'torch': torch, 'torch._utils': utils})
class Storage:
    def __init__(self, key, count): self.id = ('storage', FloatStorage, key, 'cpu', count)
class Tensor:
    def __init__(self, key, rows, columns): self.args = (Storage(key, rows * columns), 0, (rows, columns), (columns, 1), False, collections.OrderedDict())
    def __reduce__(self): return (_rebuild_tensor_v2, self.args)
class Pickler(pickle.Pickler):
    def persistent_id(self, value): return value.id if isinstance(value, Storage) else None
def save(state, path, counts):
    stream = io.BytesIO()
    Pickler(stream, protocol=2).dump(state)
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('archive/data.pkl', stream.getvalue())
        for key, count in counts.items(): archive.writestr('archive/data/' + key, struct.pack('<%df' % count, *[1.0] * count))
        archive.writestr('archive/version', '3')
save({'endmembers': Tensor('0', 3, 5)}, 'whole.pth', {'0': 15})
save({'conv.weight': Tensor('0', 2, 2), 'conv.bias': Tensor('1', 1, 2)}, 'unknown.pth', {'0': 4, '1': 2})
with open('whole.pth', 'rb') as f: whole = f.read()
with open('truncated.pth', 'wb') as f: f.write(whole[:len(whole) // 2])
# before 1.6: pickles one after another, the first a magic number, the second a version
with open('legacy.pth', 'wb') as f:
    for value in (0x1950A86A20F9469CFC6C, 1001, {'little_endian': True}): f.write(pickle.dumps(value, protocol=2))
`;

const PICKLES: BrokenCase[] = [
  imports('pickle that calls os.system', 'evil.pth', /evil\.pth: .*system.*/),
  imports(
    'file of PyTorch before 1.6 that ends early',
    'legacy.pth',
    /legacy\.pth: .*the pickle is damaged: it ends early/,
  ),
  imports('truncated pth', 'truncated.pth', /truncated\.pth: .*(damaged|incomplete|cut)/),
  imports(
    'pth of an unknown network',
    'unknown.pth',
    /unknown\.pth: .*do not match any known network; found conv\.weight, conv\.bias, expected/,
  ),
  imports('pth of another network than said', 'whole.pth', /whole\.pth: .*spectral_sr/, '--model', 'spectral_sr'),
  {
    ...imports('network that does not exist', 'whole.pth', /--model.*resnet.*spectral_sr/, '--model', 'resnet'),
    exit: EXIT.usage,
  },
];

const text = (name: string, ...more: string[]): Pick<BrokenCase, 'name' | 'args' | 'prepare'> => ({
  name,
  args: ['import', 'weights.pth', '--out', 'model.safetensors', ...more],
  prepare: (folder) => {
    writeFileSync(join(folder, 'weights.pth'), 'no weights');
    if (name.includes('existing')) writeFileSync(join(folder, 'model.safetensors'), 'precious');
  },
});

const IMPORTS: BrokenCase[] = [
  {
    ...text('text as pth'),
    exit: EXIT.badInput,
    message: /weights\.pth: is not a file of torch\.save; give a \.pth or \.pt file of PyTorch, or \.safetensors/,
  },
  {
    ...text('import onto an existing file'),
    exit: EXIT.usage,
    message: /model\.safetensors: the output file exists; add --force to replace it/,
  },
  {
    ...text('import of nonsense onto an existing file by force', '--force'),
    exit: EXIT.badInput,
    message: /weights\.pth: is not a file of torch\.save/,
  },
  {
    name: 'start from weights that are not there',
    args: train('--init', 'weights.safetensors'),
    prepare: (folder) => cpSync(join(base, 'data'), join(folder, 'data'), { recursive: true }),
    exit: EXIT.badInput,
    message: /weights\.safetensors: no such file or folder; check the path/,
  },
  {
    name: 'verify of a file without the tensors',
    args: ['verify', 'spectral_sr.safetensors'],
    prepare: (folder) =>
      writeFileSync(
        join(folder, 'spectral_sr.safetensors'),
        withHeader({ w: { dtype: 'F32', shape: [1], data_offsets: [0, 4] } }),
      ),
    exit: EXIT.badInput,
    message: /spectral_sr\.safetensors: input: a tensor is missing/,
  },
  {
    name: 'verify of a network that does not exist',
    args: ['verify', LAST, '--net', 'resnet'],
    prepare: run(() => {}),
    exit: EXIT.badInput,
    message: /last\.safetensors: .*(unknown network; found resnet|tensor is missing)/,
  },
];

describe('broken checkpoints', () => testBroken(work, CHECKPOINTS));
describe('broken imports', () => testBroken(work, IMPORTS));

describePython('broken files of PyTorch', () => {
  beforeAll(() => {
    mkdirSync(join(work, 'pth'));
    runPython(MAKE_PTH, [join(work, 'pth')]);
    expect(existsSync(join(work, 'pth/EXECUTED'))).toBe(true);
  });
  // the runner holds the folder's content against what was there: EXECUTED would be seen
  testBroken(work, PICKLES);
});

describe('golden numbers with a mistake', () => {
  const golden = goldenPath('spectral_sr.safetensors');
  it('exits 1 and names what lies beyond the tolerance', async () => {
    const { tensors, metadata: words } = await readSafetensors(golden);
    const name = [...tensors.keys()].find((key) => key.startsWith('grad.'))!;
    const data = tensors.get(name)!.data as Float32Array;
    const largest = data.reduce((at, v, i) => (Math.abs(v) > Math.abs(data[at]!) ? i : at), 0);
    data[largest] = data[largest]! * 1.1 + 0.01; // a hundred times what is allowed there
    await writeSafetensors(join(work, 'spectral_sr.safetensors'), tensors, words);
    const result = bandlift(['verify', 'spectral_sr.safetensors'], work);
    expect(result.status).toBe(EXIT.failure);
    const beyond = result.stdout.split('\n').filter((line) => line.includes('BEYOND at'));
    expect(beyond).toHaveLength(1);
    expect(beyond[0]).toContain(name.slice('grad.'.length));
  });
});
