import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { readSafetensors } from '../../src/io/safetensors.js';
import { readTorchState } from '../../src/io/torch_pickle.js';
import { goldenPath } from '../support/golden.js';
import { describePyTorch, pythonWithTorch, runPython } from '../support/python.js';
import { storedZip, type ZipOptions } from '../support/stored_zip.js';
import { temporaryFolder } from '../support/temporary.js';

const folder = temporaryFolder();
let made = 0;

async function failure(path: string): Promise<string> {
  const error = await readTorchState(path).then(
    () => new Error('no error'),
    (e: Error) => e,
  );
  expect(error.name, error.stack).toBe('BandliftError');
  expect(error.message).not.toContain('\n');
  return error.message;
}

function write(bytes: Uint8Array): string {
  const path = join(folder, `${made++}.pth`);
  writeFileSync(path, bytes);
  return path;
}

// ---- pickles assembled by hand (opcodes of Python's pickletools) ----

const text = (s: string) => `X${String.fromCharCode(s.length, 0, 0, 0)}${s}`;
const int = (n: number) => `J${Buffer.from(Int32Array.of(n).buffer).toString('latin1')}`;
const tuple = (...items: string[]) => `(${items.join('')}t`;
const storage = (key: string, count: string, type = 'FloatStorage') =>
  `${tuple(text('storage'), `ctorch\n${type}\n`, text(key), text('cpu'), count)}Q`;
const tensor = (store: string, offset: string, shape: string, strides: string) =>
  `ctorch._utils\n_rebuild_tensor_v2\n${tuple(store, offset, shape, strides, '\x89', 'ccollections\nOrderedDict\n)R')}R`;
const dict = (...items: string[]) => `\x80\x02}(${items.join('')}u.`;
const four = tuple(int(4));
const one = tuple(int(1));

function archive(pickle: string, entries: Record<string, Uint8Array | string> = {}, options: ZipOptions = {}): string {
  return write(storedZip({ 'a/data.pkl': Buffer.from(pickle, 'latin1'), ...entries }, options));
}
const numbers = { 'a/data/0': new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer) };
const good = dict(text('w'), tensor(storage('0', int(4)), int(0), four, one));

describe('hand-made files', () => {
  it('are read, stored and deflated', async () => {
    for (const deflate of [false, true]) {
      const { tensors, key } = await readTorchState(archive(good, numbers, { deflate }));
      expect(key).toBe('');
      expect(tensors.get('w')).toEqual({ dtype: 'F32', shape: [4], data: Float32Array.of(1, 2, 3, 4) });
    }
  });

  it('never run anything: os.system is named and refused', async () => {
    const witness = join(folder, 'executed');
    const evil = `\x80\x02cos\nsystem\n${tuple(text(`touch ${witness}`))}R.`;
    expect(await failure(archive(evil))).toMatch(/refused: the file asks for 'os\.system', .*nothing was executed/);
    expect(await failure(archive(dict(text('w'), evil.slice(2, -1))))).toContain("'os.system'");
    expect(existsSync(witness)).toBe(false);
  });

  const view = (offset: number, shape: number[], strides: number[]) =>
    dict(text('w'), tensor(storage('0', int(4)), int(offset), tuple(...shape.map(int)), tuple(...strides.map(int))));
  const refused: [what: string, pickle: string, message: RegExp][] = [
    ['other names', dict(text('w'), 'cbuiltins\neval\n'), /'builtins\.eval'/],
    ['names of allowed modules', dict(text('w'), 'ctorch\nload\n'), /'torch\.load'/],
    ['names from the stack', `\x80\x04\x8c\x05posix\x8c\x06system\x93.`, /'posix\.system'/],
    ['opcodes that make objects', `\x80\x02(iposix\nsystem\n.`, /pickle opcode 0x69/],
    ['attributes of objects', `\x80\x02ccollections\nOrderedDict\n}b.`, /attributes of an object/],
    ['a call of a tensor type', `\x80\x02ctorch\nFloatStorage\n)R.`, /not what 'torch\.FloatStorage' takes/],
    ['a call of a string', `\x80\x02${text('os')})R.`, /a call of something that is not a name/],
    ['an empty pickle', '', /it ends early/],
    ['a pickle without an end', '\x80\x02}', /it ends early/],
    ['an empty stack', '\x80\x02.', /the stack is empty/],
    ['a missing mark', '\x80\x02t.', /a mark is missing/],
    ['a missing memory', '\x80\x02h\x07.', /nothing is remembered as 7/],
    ['a text longer than the file', '\x80\x02X\xff\xff\xff\xffabc.', /it ends early/],
    ['an integer of 2^31 bytes', '\x80\x02\x8b\x00\x00\x00\x80.', /an integer of 2147483648 bytes/],
    ['items for a number', `\x80\x02${int(1)}(${int(1)}${int(2)}u.`, /no dict to put items into/],
    ['a number', `\x80\x02${int(3)}.`, /no state dict found/],
    ['an empty dict', '\x80\x02}.', /no state dict found/],
    ['a dict of numbers', dict(text('epoch'), int(3)), /no state dict found; found the keys epoch/],
    ['a negative size', view(0, [-4], [1]), /not what 'torch\._utils\._rebuild_tensor_v2' takes/],
    ['a negative offset', view(-1, [4], [1]), /not what/],
    ['a negative stride', view(3, [4], [-1]), /not what/],
    ['fewer strides than sizes', view(0, [2, 2], [1]), /not what/],
    [
      'a view beyond its storage',
      view(1, [4], [1]),
      /w: the tensor reaches beyond its storage; found \[4\] from element 1, expected at most 4/,
    ],
    ['a stride beyond the storage', view(0, [2], [4]), /reaches beyond its storage/],
    ['a broadcast view of 2^60 numbers', view(0, [2 ** 30, 2 ** 30], [0, 0]), /reaches beyond its storage/],
    [
      'sizes beyond every number',
      view(0, [...new Array(40).fill(2 ** 30), 0], new Array(41).fill(1)),
      /reaches beyond its storage/,
    ],
    [
      'a storage smaller than said',
      dict(text('w'), tensor(storage('0', int(5)), int(0), four, one)),
      /found 16 bytes, expected 20/,
    ],
    [
      'a storage that is missing',
      dict(text('w'), tensor(storage('../../etc/passwd', int(4)), int(0), four, one)),
      /found no bytes, expected 16/,
    ],
    [
      'a storage of no type',
      dict(text('w'), tensor(storage('0', int(4), 'FloatTensor'), int(0), four, one)),
      /'torch\.FloatTensor'/,
    ],
    [
      'views of one storage without end',
      dict(...Array.from({ length: 9 }, (_, i) => text(`w${i}`) + tensor(storage('0', int(4)), int(0), four, one))),
      /w8: the tensors share their storages too often/,
    ],
  ];
  it.each(refused)('refuse %s', async (_, pickle, message) => {
    expect(await failure(archive(pickle, numbers))).toMatch(message);
  });

  it('refuse archives that lie', async () => {
    const zip = (options: ZipOptions) => failure(archive(good, numbers, options));
    expect(await zip({ size: 2 ** 31, deflate: true })).toMatch(/the pickle is too large; found 2147483648 bytes/);
    expect(await zip({ patch: [42, 1 << 30] })).toMatch(/beyond its end/); // where the entry starts
    expect(await zip({ patch: [20, 1 << 30] })).toMatch(/beyond its end/); // compressed size
    expect(await zip({ patch: [16, 1] })).toMatch(/entry 'a\/data\.pkl': size or checksum of the entry is wrong/);
    expect(await zip({ size: 3, deflate: true })).toMatch(/inflated to its size/);
    expect(await failure(archive(good))).toMatch(/w: the storage has a wrong size/);
    expect(await failure(write(storedZip({ 'b/other': 'x' })))).toMatch(/no data\.pkl/);
    expect(await failure(write(storedZip({ 'a/data.pkl': good, 'a/constants.pkl': '' })))).toMatch(/TorchScript/);
    expect(await failure(archive(good, { ...numbers, 'a/byteorder': 'big' }))).toMatch(/found big, expected little/);
  });

  it('refuse a bomb: 64 MiB of zeros in a few kB', async () => {
    const bomb = dict(text('w'), tensor(storage('0', int(1 << 24)), int(0), tuple(int(1 << 24)), one));
    expect(await failure(archive(bomb, { 'a/data/0': new Uint8Array(1 << 26) }, { deflate: true }))).toMatch(
      /more than 100 times larger/,
    );
  });

  it('refuse the file cut off anywhere, and with any byte changed where that can be known', async () => {
    const whole = readFileSync(archive(good, numbers));
    for (let length = 0; length < whole.length; length += 7) await failure(write(whole.subarray(0, length)));
    for (let i = 0; i < whole.length; i++) {
      const changed = Buffer.from(whole);
      changed[i]! ^= 0x55;
      const result = await readTorchState(write(changed)).catch((error: Error) => error);
      // bytes that mean nothing (times, versions) may change; then the numbers are the same
      if (result instanceof Error) expect(result.name).toBe('BandliftError');
      else expect([...result.tensors.values()][0]!.data).toEqual(Float32Array.of(1, 2, 3, 4));
    }
  });

  it('say what other files are', async () => {
    expect(await failure(join(folder, 'missing.pth'))).toContain('no such file');
    expect(await failure(write(new Uint8Array(0)))).toContain('is not a file of torch.save');
    // the magic number of PyTorch before 1.6, and nothing after it; another pickle
    expect(await failure(write(Buffer.from('\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.', 'latin1')))).toMatch(
      /it ends early/,
    );
    expect(await failure(write(Buffer.from('\x80\x02}.', 'latin1')))).toMatch(
      /is a pickle, but not a file of torch\.save/,
    );
  });
});

describe('golden .pth files', () => {
  it.each(['spectral_sr', 'spectral_unmixing', 'spatial_sr', 'spatial_lightweight'])(
    '%s holds the parameters after 10 steps',
    async (net) => {
      const { tensors, key } = await readTorchState(goldenPath(`${net}.pth`));
      const golden = await readSafetensors(goldenPath(`${net}.safetensors`), (name) => name.startsWith('after.'));
      expect(key).toBe('model_state_dict');
      expect([...tensors.keys()].sort()).toEqual(
        [...golden.tensors.keys()].map((name) => name.slice('after.'.length)).sort(),
      );
      for (const [name, { shape, data }] of tensors) {
        expect(shape).toEqual(golden.tensors.get(`after.${name}`)!.shape);
        expect(data).toEqual(golden.tensors.get(`after.${name}`)!.data);
      }
    },
  );
});

describePyTorch('files of the installed PyTorch', () => {
  const iota = Float32Array.from({ length: 24 }, (_, i) => i);
  const at = (name: string) => join(folder, `torch_${name}.pth`);
  const witness = join(folder, 'witness');
  // one process for all: importing torch takes seconds
  const CODE = `
import sys, torch, collections, numpy
at = lambda name: sys.argv[1] + '/torch_' + name + '.pth'
x = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
shared = torch.arange(10.)
torch.save({'state_dict': collections.OrderedDict(x=x, t=x.permute(2, 0, 1), part=x[1:, :, 1:3], step=x.flatten()[::5],
  scalar=torch.tensor(7.), none=torch.zeros(0, 3), half=x.half(), brain=x.bfloat16(), double=x.double() / 3, long=-x.long(),
  flag=x > 3, a=shared[2:5], b=shared[4:], p=torch.nn.Parameter(x))}, at('types'))

m = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
o = torch.optim.Adam(m.parameters()); m(torch.ones(1, 1, 5, 5)).sum().backward(); o.step()
with torch.no_grad(): m[0].bias.copy_(torch.tensor([-1.5, 2.25]))
whole = {'epoch': 3, 'model_state_dict': m.state_dict(), 'optimizer_state_dict': o.state_dict(), 'train_loss': 0.5, 'val_loss': -1, 'best': 2**40}
for protocol in (2, 3, 4, 5): torch.save(whole, at('protocol%d' % protocol), pickle_protocol=protocol)

torch.save(torch.nn.Linear(2, 2), at('module'))
torch.save({'model': {'x': x}, 'loss': numpy.float64(1)}, at('numpy'))
torch.save({'x': x}, at('old'), _use_new_zipfile_serialization=False)
torch.jit.script(torch.nn.Linear(2, 2)).save(at('script'))
class Evil:
    def __reduce__(self):
        import os
        return os.system, ('touch ' + sys.argv[2],)
torch.save({'model_state_dict': {'w': x}, 'extra': Evil()}, at('evil'))
`;
  beforeAll(() => void runPython(CODE, [folder, witness], pythonWithTorch));

  it('gives every dtype, view, shared storage and wrapper its numbers', async () => {
    const { tensors, key, halves } = await readTorchState(at('types'));
    expect(key).toBe('state_dict');
    expect(halves).toEqual(['half', 'brain']);
    const data = (name: string) => tensors.get(name)!.data;
    for (const name of ['x', 'half', 'brain', 'p']) expect(data(name)).toEqual(iota); // 0..23 are exact with 8 bits
    // t[i, j, k] = x[j, k, i] = 12 j + 4 k + i
    expect(tensors.get('t')!.shape).toEqual([4, 2, 3]);
    const transposed = (n: number) => 12 * (Math.floor(n / 3) % 2) + 4 * (n % 3) + Math.floor(n / 6);
    expect(data('t')).toEqual(iota.map((_, n) => transposed(n)));
    expect([...data('part')]).toEqual([13, 14, 17, 18, 21, 22]);
    expect([...data('step')]).toEqual([0, 5, 10, 15, 20]);
    expect(tensors.get('scalar')).toEqual({ dtype: 'F32', shape: [], data: Float32Array.of(7) });
    expect(tensors.get('none')!.shape).toEqual([0, 3]);
    expect(data('double')).toEqual(Float64Array.from(iota, (v) => v / 3));
    expect(data('long')).toEqual(BigInt64Array.from([...iota], (v) => -BigInt(v)));
    expect([...data('flag')]).toEqual([...iota].map((v) => (v > 3 ? 1 : 0)));
    expect([...data('a'), ...data('b')]).toEqual([2, 3, 4, 4, 5, 6, 7, 8, 9]);
  });

  it.each([2, 3, 4, 5])(
    'reads module and optimizer states as training scripts save them, protocol %i',
    async (protocol) => {
      const { tensors } = await readTorchState(at(`protocol${protocol}`));
      expect([...tensors.keys()].slice(0, 2)).toEqual(['0.weight', '0.bias']);
      expect([...tensors.get('0.bias')!.data]).toEqual([-1.5, 2.25]);
      expect(tensors.get('1.num_batches_tracked')!.data).toEqual(BigInt64Array.of(1n));
    },
  );

  it('refuses what is no weights: whole modules, numpy numbers, the old format, programs, code', async () => {
    expect(await failure(at('module'))).toMatch(
      /'torch\.nn\.modules\.linear\.Linear'.*torch\.save\(model\.state_dict\(\), FILE\)/,
    );
    expect(await failure(at('numpy'))).toMatch(/refused: .*numpy/);
    expect(await failure(at('old'))).toMatch(/before 1\.6/);
    expect(await failure(at('script'))).toMatch(/TorchScript/);
    expect(await failure(at('evil'))).toMatch(/'posix\.system'/);
    expect(existsSync(witness)).toBe(false);
  });
});
