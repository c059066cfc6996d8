import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readSafetensors, readSafetensorsHeader, writeSafetensors } from '../../src/io/safetensors.js';
import { goldenPath } from '../support/golden.js';
import { describePython, runPython } from '../support/python.js';
import { temporaryFolder } from '../support/temporary.js';

const folder = temporaryFolder();

/** A file made by hand: header text (or bytes), data bytes, and a header length that may lie. */
function file(name: string, header: string | Uint8Array, data = new Uint8Array(0), declared?: bigint): string {
  const json = typeof header === 'string' ? new TextEncoder().encode(header) : header;
  const bytes = new Uint8Array(8 + json.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, declared ?? BigInt(json.length), true);
  bytes.set(json, 8);
  bytes.set(data, 8 + json.length);
  const path = join(folder, `${name}.safetensors`);
  writeFileSync(path, bytes);
  return path;
}

const entry = (dtype: string, shape: unknown, offsets: unknown) => ({ dtype, shape, data_offsets: offsets });

it('keeps every bit of every type, NaN payloads and -0 included', async () => {
  const path = join(folder, 'bits.safetensors');
  const strange = new Float32Array(Uint32Array.of(0x7fc01234, 0x80000000, 0x00000001, 0xff800000).buffer);
  const tensors = new Map([
    ['u8', { shape: [3], data: Uint8Array.of(1, 2, 255) }],
    ['strange', { shape: [2, 2], data: strange }],
    ['f64', { shape: [1], data: Float64Array.of(Math.PI) }],
    ['i64', { shape: [2], data: BigInt64Array.of(-(2n ** 63n), 5n) }],
    ['i32', { shape: [], data: Int32Array.of(-7) }],
    ['empty', { shape: [0, 4], data: new Float32Array(0) }],
    ['__proto__', { shape: [1], data: Float32Array.of(1.5) }],
  ]);
  await writeSafetensors(path, tensors, { note: 'ä "quoted"', data_offsets: 'a key like any other' });
  const back = await readSafetensors(path);
  expect(back.metadata).toEqual({ note: 'ä "quoted"', data_offsets: 'a key like any other' });
  expect(new Set(back.tensors.keys())).toEqual(new Set(tensors.keys()));
  for (const [name, { shape, data }] of tensors) {
    const tensor = back.tensors.get(name)!;
    expect(tensor.shape).toEqual(shape);
    expect(tensor.data.constructor).toBe(data.constructor);
    expect(Buffer.from(tensor.data.buffer as ArrayBuffer)).toEqual(Buffer.from(data.buffer as ArrayBuffer));
  }
  const header = await readSafetensorsHeader(path);
  expect(header.tensors.get('f64')!.begin % 8).toBe(0);
  expect((await readSafetensors(path, (name) => name === 'u8')).tensors.size).toBe(1);
  expect(readdirSync(folder)).toEqual(['bits.safetensors']);
});

it('converts binary16 and bfloat16 exactly', async () => {
  // binary16: 1, -2, largest 65504, smallest subnormal 2^-24, largest subnormal 1023 * 2^-24, inf, -0
  const half = Uint16Array.of(0x3c00, 0xc000, 0x7bff, 0x0001, 0x03ff, 0x7c00, 0x8000);
  const brain = Uint16Array.of(0x3f80, 0xc049, 0x0001); // 1, -3.140625, 2^-133
  const data = new Uint8Array(20);
  data.set(new Uint8Array(half.buffer));
  data.set(new Uint8Array(brain.buffer), 14);
  const path = file('half', JSON.stringify({ h: entry('F16', [7], [0, 14]), b: entry('BF16', [3], [14, 20]) }), data);
  const { tensors } = await readSafetensors(path);
  expect([...tensors.get('h')!.data]).toEqual([1, -2, 65504, 2 ** -24, 1023 * 2 ** -24, Number.POSITIVE_INFINITY, -0]);
  expect([...tensors.get('b')!.data]).toEqual([1, -3.140625, 2 ** -133]);
  expect(tensors.get('h')!.dtype).toBe('F32');
});

function empty(): string {
  const path = join(folder, 'empty.safetensors');
  writeFileSync(path, '');
  return path;
}

const eight = new Uint8Array(8);
const cases: [what: string, path: () => string, message: RegExp][] = [
  ['a missing file', () => join(folder, 'none.safetensors'), /none\.safetensors: no such file/],
  ['an empty file', () => empty(), /too short for a header; found 0 bytes/],
  [
    'a header of 2^63 bytes',
    () => file('x', '{}', eight, 2n ** 63n),
    /bad header length; found 9223372036854775808 bytes, expected at most 10/,
  ],
  ['a header longer than the file', () => file('x', '{}', eight, 11n), /bad header length; found 11 bytes/],
  ['a header that is no JSON', () => file('x', '{"a": [1,'), /the header is not JSON/],
  ['a header that is no UTF-8', () => file('x', Uint8Array.of(0x7b, 0x22, 0xff, 0x22)), /the header is not JSON/],
  ['a header that is a list', () => file('x', '[]'), /not a JSON object/],
  ['metadata that is no string', () => file('x', '{"__metadata__":{"a":1}}'), /__metadata__\.a: not a string; found 1/],
  [
    'an unknown dtype',
    () => file('x', JSON.stringify({ a: entry('F8', [8], [0, 8]) }), eight),
    /tensor 'a': unknown dtype; found "F8"/,
  ],
  [
    'a dtype of every object',
    () => file('x', JSON.stringify({ a: entry('toString', [8], [0, 8]) }), eight),
    /unknown dtype/,
  ],
  ['a tensor that is null', () => file('x', '{"a":null}'), /tensor 'a': unknown dtype/],
  [
    'a negative size',
    () => file('x', JSON.stringify({ a: entry('F32', [-1, -2], [0, 8]) }), eight),
    /not a list of sizes; found \[-1,-2\]/,
  ],
  [
    'a fractional size',
    () => file('x', JSON.stringify({ a: entry('F32', [0.5, 4], [0, 8]) }), eight),
    /not a list of sizes/,
  ],
  [
    'a size of 2^63',
    () => file('x', '{"a":{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,8]}}', eight),
    /not a list of sizes/,
  ],
  [
    'a product beyond 2^53',
    () => file('x', JSON.stringify({ a: entry('F32', [2 ** 31, 2 ** 31, 0], [0, 8]) }), eight),
    /the shape is too large/,
  ],
  [
    'a shape larger than its bytes',
    () => file('x', JSON.stringify({ a: entry('F32', [3], [0, 8]) }), eight),
    /found 8 bytes, expected 12 for F32 \[3\]/,
  ],
  [
    'offsets beyond the file',
    () => file('x', JSON.stringify({ a: entry('F32', [4], [0, 16]) }), eight),
    /beyond the end of the file/,
  ],
  [
    'offsets in the wrong order',
    () => file('x', JSON.stringify({ a: entry('F32', [2], [8, 0]) }), eight),
    /bad data_offsets; found \[8,0\]/,
  ],
  ['negative offsets', () => file('x', JSON.stringify({ a: entry('F32', [2], [-8, 0]) }), eight), /bad data_offsets/],
  [
    'overlapping tensors',
    () => file('x', JSON.stringify({ a: entry('F32', [1], [0, 4]), b: entry('U8', [6], [2, 8]) }), eight),
    /tensor 'b': the tensor overlaps another one/,
  ],
  ['a gap', () => file('x', JSON.stringify({ a: entry('F32', [1], [4, 8]) }), eight), /leaves a gap/],
  [
    'bytes behind',
    () => file('x', JSON.stringify({ a: entry('F32', [1], [0, 4]) }), eight),
    /bytes behind the last tensor/,
  ],
  [
    'a name declared twice',
    () =>
      file(
        'x',
        '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
        eight,
      ),
    /declared twice/,
  ],
  ['a folder', () => folder, /is a folder/],
];
it.each(cases)('refuses %s in one line', async (_, path, message) => {
  const error = await readSafetensors(path()).then(
    () => undefined,
    (e: Error) => e,
  );
  expect(error?.name).toBe('BandliftError');
  expect(error!.message).toMatch(message);
  expect(error!.message).not.toContain('\n');
});

describePython('beside the safetensors package of PyPI', () => {
  it('writes what it reads and reads what it writes', async () => {
    const ours = join(folder, 'ours.safetensors');
    const data = Float32Array.from({ length: 30 }, (_, i) => Math.fround(Math.sin(i)));
    await writeSafetensors(
      ours,
      new Map([
        ['w', { shape: [2, 3, 5], data }],
        ['n', { shape: [], data: BigInt64Array.of(7n) }],
      ]),
      { a: 'b' },
    );
    const theirs = join(folder, 'theirs.safetensors');
    const code = `
import sys, numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file
f = safe_open(sys.argv[1], 'np')
assert f.metadata() == {'a': 'b'}, f.metadata()
w = f.get_tensor('w')
assert tuple(w.shape) == (2, 3, 5) and f.get_tensor('n').item() == 7
save_file({'w': w, 'h': w.astype(np.float16), 'd': w.astype(np.float64), 'u': np.array([True, False])}, sys.argv[2], {'k': 'v'})
`;
    runPython(code, [ours, theirs]);
    const back = await readSafetensors(theirs);
    expect(back.metadata).toEqual({ k: 'v' });
    expect(back.tensors.get('w')!.data).toEqual(data);
    expect(back.tensors.get('d')!.data).toEqual(Float64Array.from(data));
    expect([...back.tensors.get('u')!.data]).toEqual([1, 0]);
    for (let i = 0; i < 30; i++) {
      // half a unit in the last place of binary16 (11 bits); subnormals do not occur but 0
      expect(Math.abs((back.tensors.get('h')!.data[i] as number) - data[i]!)).toBeLessThanOrEqual(
        Math.abs(data[i]!) * 2 ** -11,
      );
    }
  });
});

describe('golden file', () => {
  const path = goldenPath('spectral_sr.safetensors');
  it('has the documented shapes', async () => {
    const { tensors, metadata } = await readSafetensors(path);
    expect(JSON.parse(metadata.doc!).hidden_dim).toBe(12);
    expect(tensors.get('param.spectral_expand.0.weight')!.shape).toEqual([12, 7, 3, 3]);
    expect(tensors.get('adam_losses')!.data).toBeInstanceOf(Float64Array);
  });
});
