/** Files of PyTorch's torch.save as other people's training scripts write them; read without ever executing anything. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { loadModel } from '../../src/checkpoint/checkpoint.js';
import { modelParameters } from '../../src/models/index.js';
import type { ModelSpec } from '../../src/models/spec.js';
import { expectOneError } from '../support/broken.js';
import { bandliftHere } from '../support/cli.js';
import { storedZip } from '../support/stored_zip.js';
import { type Quirk, quirks } from './table.js';

const SPEC: ModelSpec = {
  kind: 'spectral_unmixing',
  inBands: 4,
  outBands: 9,
  endmembers: 5,
  constraint: 'none',
  regression: 'none',
};

// ---- pickles by hand (opcodes of Python's pickletools, protocol 2) ----

const text = (s: string) => `X${String.fromCharCode(s.length, 0, 0, 0)}${s}`;
const int = (n: number) => `J${Buffer.from(Int32Array.of(n).buffer).toString('latin1')}`;
const tuple = (...items: string[]) => `(${items.join('')}t`;
const dict = (...items: string[]) => `}(${items.join('')}u`;
const pickle = (body: string) => `\x80\x02${body}.`;
/** LONG1 of 10 bytes: 0x1950a86a20f9469cfc6c, little endian. */
const MAGIC = '\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19';

interface Stored {
  readonly keys: string[];
  readonly numbers: Float32Array[];
}

/** A tensor over the next storage. `legacy` has a sixth word, the view of a storage. */
function tensor(stored: Stored, shape: readonly number[], values: Float32Array, legacy: boolean): string {
  const key = `${stored.keys.length}`;
  stored.keys.push(key);
  stored.numbers.push(values);
  const strides = shape.map((_, d) => shape.slice(d + 1).reduce((a, b) => a * b, 1));
  const words = [text('storage'), 'ctorch\nFloatStorage\n', text(key), text('cpu'), int(values.length)];
  const storage = `${tuple(...words, ...(legacy ? ['N'] : []))}Q`;
  const sizes = [tuple(...shape.map(int)), tuple(...strides.map(int))];
  return `ctorch._utils\n_rebuild_tensor_v2\n${tuple(storage, int(0), ...sizes, '\x89', 'ccollections\nOrderedDict\n)R')}R`;
}

/** The state dict of SPEC; parameter k holds k + first, k + first + 1/8, ... */
function state(stored: Stored, { prefix = '', legacy = false, first = 0 } = {}): string {
  return dict(
    ...modelParameters(SPEC).flatMap(({ name, shape }, k) => {
      const length = shape.reduce((a, b) => a * b, 1);
      const values = Float32Array.from({ length }, (_, i) => first + k + i / 8);
      return [text(prefix + name), tensor(stored, shape, values, legacy)];
    }),
  );
}

const bytesOf = (values: Float32Array) => Buffer.from(values.buffer, values.byteOffset, values.byteLength);

function writeZip(path: string, stored: Stored, body: string): void {
  const entries = stored.keys.map((key, i) => [`a/data/${key}`, bytesOf(stored.numbers[i]!)]);
  writeFileSync(path, storedZip({ 'a/data.pkl': Buffer.from(pickle(body), 'latin1'), ...Object.fromEntries(entries) }));
}

/** As torch.save of PyTorch 1.5 wrote it. */
function writeLegacy(path: string, stored: Stored, body: string): void {
  const facts = dict(text('protocol_version'), int(1001), text('little_endian'), '\x88');
  const list = `](${stored.keys.map(text).join('')}e`;
  const pickles = [MAGIC, int(1001), facts, body, list].map((part) => Buffer.from(pickle(part), 'latin1'));
  const numbers = stored.numbers.flatMap((values) => {
    const count = Buffer.alloc(8);
    count.writeBigInt64LE(BigInt(values.length));
    return [count, bytesOf(values)];
  });
  writeFileSync(path, Buffer.concat([...pickles, ...numbers]));
}

const fresh = (): Stored => ({ keys: [], numbers: [] });

async function imported(folder: string): Promise<{ notes: string; first: number }> {
  const result = await bandliftHere(['import', 'w.pth', '--out', 'm.safetensors'], folder);
  expect(result.stderr).not.toMatch(/error/);
  expect(result.status).toBe(0);
  const { model, tensors } = await loadModel(join(folder, 'm.safetensors'));
  expect(model).toEqual(SPEC);
  const infos = modelParameters(SPEC);
  const at = (k: number, i: number) => tensors.parameters.get(infos[k]!.name)![i]!;
  expect(at(2, 5) - at(0, 0)).toBe(2 + 5 / 8);
  return { notes: result.stderr, first: at(0, 0) };
}

async function refused(folder: string, message: RegExp): Promise<void> {
  const result = await bandliftHere(['import', 'w.pth', '--out', 'm.safetensors'], folder);
  expect(expectOneError(result.stderr)).toMatch(message);
  expect(result.status).toBe(3);
  expect(existsSync(join(folder, 'm.safetensors'))).toBe(false);
}

const prefixed = (prefix: string, source: string): Quirk => ({
  name: `prefix ${prefix}`,
  source,
  input: `'${prefix}' before every name`,
  right: 'the same weights, and a line that says so',
  async check(folder) {
    const stored = fresh();
    writeZip(join(folder, 'w.pth'), stored, state(stored, { prefix }));
    expect((await imported(folder)).notes).toContain(`'${prefix}' removed from the parameter names`);
  },
});

const nested = (keys: string, source: string): Quirk => ({
  name: `nested under ${keys}`,
  source,
  input: `{${keys.replace('.', ': {')}: state dict} beside an epoch`,
  right: 'the same weights, and the key is told',
  async check(folder) {
    const stored = fresh();
    const inner = keys
      .split('.')
      .reduceRight((body, key) => dict(text('epoch'), int(3), text(key), body), state(stored));
    writeZip(join(folder, 'w.pth'), stored, inner);
    expect((await imported(folder)).notes).toContain(`weights taken from '${keys}'`);
  },
});

/** Objects beside the weights, and what a pickle calls to make them. */
const BESIDE = {
  'torch.Size': `ctorch\nSize\n${tuple(tuple(int(1), int(2)))}R`,
  'torch.device': `ctorch\ndevice\n${tuple(text('cuda'), int(0))}R`,
  'torch.dtype': 'ctorch\nfloat32\n',
} as const;

quirks('files of PyTorch', [
  prefixed('model.', 'review: Lightning'),
  prefixed('net.', 'Lightning with self.net'),
  prefixed('module.', 'DataParallel'),
  prefixed('module._orig_mod.', 'torch.compile'),
  prefixed('model.module.', 'Lightning around DataParallel'),
  ...['net', 'params', 'weights', 'generator', 'ema', 'params_ema', 'model_state_dict', 'state_dict', 'model'].map(
    (key) => nested(key, 'review: BasicSR, GAN and EMA scripts'),
  ),
  nested('ema.state_dict', 'EMA objects saved with their own state'),
  {
    name: 'plain and averaged weights in one file',
    source: 'BasicSR writes params and params_ema',
    input: 'params (first number 0) and params_ema (first number 100)',
    right: 'the averaged ones, and both keys are told',
    async check(folder) {
      const stored = fresh();
      const both = [text('params'), state(stored), text('params_ema'), state(stored, { first: 100 })];
      writeZip(join(folder, 'w.pth'), stored, dict(...both));
      const { notes, first } = await imported(folder);
      expect(first).toBe(100);
      expect(notes).toContain("weights taken from 'params_ema', not from 'params'");
    },
  },
  {
    name: 'weights under a key of nobody',
    source: 'review: the message did not say which keys are looked for',
    input: '{mine: state dict}',
    right: 'the keys of the file and the keys that are looked for',
    async check(folder) {
      const stored = fresh();
      writeZip(join(folder, 'w.pth'), stored, dict(text('mine'), state(stored)));
      await refused(folder, /no state dict found; found the keys mine, expected .* params_ema, .*model_state_dict/);
    },
  },
  ...Object.entries(BESIDE).map(
    ([what, made]): Quirk => ({
      name: `${what} beside the weights`,
      source: 'review: refused at torch.Size',
      input: `{shape: ${what}, state_dict: ...}`,
      right: 'the same weights',
      async check(folder) {
        const stored = fresh();
        writeZip(join(folder, 'w.pth'), stored, dict(text('x'), made, text('state_dict'), state(stored)));
        await imported(folder);
      },
    }),
  ),
  ...['numpy.core.multiarray.scalar', 'argparse.Namespace', 'pathlib.PosixPath', 'collections.defaultdict'].map(
    (what): Quirk => ({
      name: `${what} beside the weights`,
      source: 'review, PASS',
      input: 'an object that only its own module can make',
      right: 'refused by name, nothing executed',
      async check(folder) {
        const stored = fresh();
        const dot = what.lastIndexOf('.');
        const made = `c${what.slice(0, dot)}\n${what.slice(dot + 1)}\n)R`;
        writeZip(join(folder, 'w.pth'), stored, dict(text('x'), made, text('state_dict'), state(stored)));
        await refused(folder, new RegExp(`asks for '${what}'.*nothing was executed; in PyTorch`));
      },
    }),
  ),
  {
    name: 'before PyTorch 1.6',
    source: 'review: legacy files were refused',
    input: 'five pickles, then the numbers',
    right: 'the same weights; inspect lists the names',
    async check(folder) {
      const stored = fresh();
      writeLegacy(join(folder, 'w.pth'), stored, state(stored, { legacy: true }));
      await imported(folder);
      const listed = await bandliftHere(['inspect', 'w.pth'], folder);
      expect(listed.stderr).toBe('');
      expect(listed.stdout).toMatch(/names +(?:.*, )?endmembers/);
    },
  },
  {
    name: 'another network before PyTorch 1.6',
    source: 'LPIPS alex.pth',
    input: 'lin0.model.1.weight [1, 3, 1, 1]',
    right: 'inspect lists it, import says that the names are of no known network',
    async check(folder) {
      const stored = fresh();
      const one = tensor(stored, [1, 3, 1, 1], Float32Array.of(1, 2, 3), true);
      writeLegacy(join(folder, 'w.pth'), stored, dict(text('lin0.model.1.weight'), one));
      expect((await bandliftHere(['inspect', 'w.pth'], folder)).stdout).toMatch(/names +lin0\.model\.1\.weight/);
      await refused(folder, /names do not match any known network; found lin0\.model\.1\.weight/);
    },
  },
  {
    name: 'a legacy file cut short',
    source: 'review: truncated files',
    input: 'the last 4 bytes are missing',
    right: 'the storage and the size of the file',
    async check(folder) {
      const stored = fresh();
      const one = tensor(stored, [3], Float32Array.of(1, 2, 3), true);
      writeLegacy(join(folder, 'whole.pth'), stored, dict(text('a'), one));
      writeFileSync(join(folder, 'w.pth'), readFileSync(join(folder, 'whole.pth')).subarray(0, -4));
      await refused(folder, /storage 0: the file is damaged: .*found 12 bytes in a file of \d+/);
    },
  },
  {
    name: 'a legacy file that runs something',
    source: 'use of pickles',
    input: 'os.system as the fourth pickle',
    right: 'refused by name, nothing executed',
    async check(folder) {
      const witness = join(folder, 'executed');
      writeLegacy(join(folder, 'w.pth'), fresh(), `cos\nsystem\n${tuple(text(`touch ${witness}`))}R`);
      await refused(folder, /asks for 'os\.system'/);
      expect(existsSync(witness)).toBe(false);
    },
  },
]);
