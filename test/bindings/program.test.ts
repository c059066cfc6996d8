import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { NativeDevice } from '../../bindings/addon.js';
import { loadAddon } from '../../bindings/load.js';
import { additionProgram, compile, compileLongRun, longRun, vector } from './programs.js';

const isNativeError = (code: string, message: RegExp) =>
  expect.objectContaining({ name: 'NativeError', code, message: expect.stringMatching(message) });

let device: NativeDevice;
beforeAll(() => {
  device = loadAddon().createDevice({ kind: 'cpu', threads: 2 });
});
afterAll(() => device.dispose());

describe('runs', () => {
  it('adds two arrays, also when many runs are queued', async () => {
    const { program, dispose } = compile(device, additionProgram(), [192]);
    const outputs = Array.from({ length: 20 }, () => new Float32Array(3));
    await Promise.all(
      outputs.map((y, i) => program.run([new Float32Array([1, 2, 3]), new Float32Array([i, 10, 20])], [y])),
    );
    outputs.forEach((y, i) => {
      expect([...y]).toEqual([1 + i, 12, 23]);
    });
    expect(program.profile()).toEqual([]);
    expect(program.unrecorded()).toBe('');
    dispose();
  });

  it('reads and writes views and shared memory where they are', async () => {
    const { program, dispose } = compile(device, additionProgram(), [192]);
    const shared = new Float32Array(new SharedArrayBuffer(12));
    const whole = new Float32Array(9);
    shared.set([4, 5, 6]);
    whole.set([1, 2, 3], 3);
    await program.run([shared, whole.subarray(3, 6)], [whole.subarray(6)]);
    expect([...whole]).toEqual([0, 0, 0, 1, 2, 3, 5, 7, 9]);
    dispose();
  });

  it('refuses wrong numbers and lengths of arrays before anything runs', () => {
    const { program, dispose } = compile(device, additionProgram(), [192]);
    const [three, four] = [new Float32Array(3), new Float32Array(4)];
    expect(() => program.run([three], [three])).toThrow(isNativeError('ERR_SHAPE', /1 inputs, expected 2/));
    expect(() => program.run([three, three], [])).toThrow(isNativeError('ERR_SHAPE', /0 outputs, expected 1/));
    expect(() => program.run([three, four], [three])).toThrow(
      isNativeError('ERR_SHAPE', /input 'b' has 16 bytes, expected 12/),
    );
    expect(() => program.run([three, three], [four])).toThrow(
      isNativeError('ERR_SHAPE', /output 'y' has 16 bytes, expected 12/),
    );
    expect(() => program.run([three, [1, 2, 3] as never], [three])).toThrow(
      isNativeError('ERR_DTYPE', /inputs 1 must be a Float32Array/),
    );
    dispose();
  });

  it('tells what is wrong with a program', () => {
    const buffer = device.allocate(64);
    const compileWith = (change: object) => () =>
      device.compile(
        {
          instructions: [{ op: 'fill', tensors: [{ ...vector(0, 4), ...change }], params: [0], label: 'zero' }],
          inputs: [],
          outputs: [],
        },
        [buffer],
      );
    expect(compileWith({ buffer: 1 })).toThrow(
      isNativeError('ERR_SHAPE', /'zero' \(fill\), operand 0.*: buffer 1 of 1/),
    );
    expect(compileWith({ offset: 52 })).toThrow(isNativeError('ERR_SHAPE', /bytes 52 to 68 of a buffer of 64 bytes/));
    expect(compileWith({ dtype: 'f8' })).toThrow(isNativeError('ERR_DTYPE', /'f8', expected 'f32', 'f64'/));
    expect(compileWith({ dtype: 'f16' })).toThrow(isNativeError('ERR_DTYPE', /does not store images in/));
    expect(compileWith({ offset: 0.5 })).toThrow(isNativeError('ERR_SHAPE', /offset must be a whole number/));
    expect(compileWith({ shape: [1, 1, 4] })).toThrow(isNativeError('ERR_SHAPE', /shape must have 4 sizes/));
    expect(compileWith({ shape: [2 ** 40, 2 ** 40, 2 ** 40, 1] })).toThrow(
      isNativeError('ERR_SHAPE', /impossible shape/),
    );
    expect(() => device.compile(null as never, [buffer])).toThrow(
      isNativeError('ERR_SHAPE', /program must be an object/),
    );
    expect(() => device.compile({ instructions: [], inputs: [], outputs: [] }, [{} as never])).toThrow(
      isNativeError('ERR_SHAPE', /buffer 0 is not a buffer/),
    );
    buffer.dispose();
  });

  it('rejects with ERR_ABORTED when aborted, and runs again afterwards', async () => {
    const { program, dispose } = compileLongRun(device);
    const runs = [program.run([], []), program.run([], [])];
    const ends = Promise.allSettled(runs);
    program.abort();
    for (const end of await ends)
      expect(end).toEqual({ status: 'rejected', reason: isNativeError('ERR_ABORTED', /aborted/) });
    const again = program.run([], []);
    setTimeout(() => program.abort(), 50); // in the middle: a whole run takes minutes
    await expect(again).rejects.toThrow(isNativeError('ERR_ABORTED', /aborted/));
    dispose();
  });
});

describe('memory', () => {
  it('is counted and comes back after dispose', async () => {
    const before = device.memory();
    const { program, dispose } = compile(device, additionProgram(), [192, 1000]);
    expect(device.memory()).toMatchObject({ buffers: before.buffers + 2, bytes: before.bytes + 1192 });
    const y = new Float32Array(3);
    await program.run([y, y], [y]);
    dispose();
    dispose(); // idempotent
    const after = device.memory();
    expect(after).toMatchObject({ buffers: before.buffers, bytes: before.bytes });
    expect(after.peakBytes).toBeGreaterThanOrEqual(before.bytes + 1192);
  });

  it('comes back after a run was aborted and disposed while it went on', async () => {
    const before = device.memory();
    const { program, dispose } = compileLongRun(device);
    const run = program.run([], []);
    program.abort();
    dispose();
    expect(device.memory().bytes).toBe(before.bytes + longRun.bufferBytes[0]! + longRun.bufferBytes[1]!); // the run holds them
    await expect(run).rejects.toThrow(isNativeError('ERR_ABORTED', /aborted/));
    expect(device.memory()).toMatchObject({ buffers: before.buffers, bytes: before.bytes });
  });

  it('is refused in one line when there is none', () => {
    expect(() => device.allocate(2 ** 50)).toThrow(
      isNativeError('ERR_OUT_OF_MEMORY', /cannot allocate 1125899906842624 bytes/),
    );
    for (const bad of [-1, 0.5, Number.NaN, Infinity]) {
      expect(() => device.allocate(bad)).toThrow(isNativeError('ERR_SHAPE', /whole number/));
    }
  });

  it('starts as zeros and keeps what is written', () => {
    const buffer = device.allocate(32);
    const numbers = new Float32Array(8).fill(9);
    buffer.read(numbers);
    expect([...numbers]).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
    buffer.write(new Float64Array([1.5]), 8);
    const double = new Float64Array(1);
    buffer.read(double, 8);
    expect(double[0]).toBe(1.5);
    expect(buffer.bytes).toBe(32);
    for (const offset of [28, 32, -4, 2 ** 53, Number.NaN]) {
      expect(() => buffer.write(double, offset)).toThrow(isNativeError('ERR_SHAPE', /of a buffer of 32 bytes/));
    }
    buffer.dispose();
  });
});

describe('writeAsync and readAsync', () => {
  it('copy what write and read do, whatever becomes of the buffer meanwhile', async () => {
    const buffer = device.allocate(4 << 20);
    const numbers = Float32Array.from({ length: (4 << 20) / 4 - 1 }, (_, i) => i);
    await buffer.writeAsync(numbers, 4);
    const back = new Float32Array(numbers.length + 1);
    buffer.read(back);
    expect(back[0]).toBe(0);
    expect(back.subarray(1)).toEqual(numbers);
    const part = new Float32Array(3);
    await buffer.readAsync(part, 400);
    expect([...part]).toEqual([99, 100, 101]);
    const shared = new Float64Array(new SharedArrayBuffer(8)).fill(2.5);
    const last = [buffer.writeAsync(shared, 8), buffer.writeAsync(new Uint8Array(0))];
    buffer.dispose(); // the writes hold it
    expect(await Promise.all(last)).toEqual([undefined, undefined]);
  });

  it('refuse what write and read refuse', () => {
    const buffer = device.allocate(32);
    expect(() => buffer.writeAsync(new Float64Array(1), 28)).toThrow(isNativeError('ERR_SHAPE', /of a buffer of 32/));
    expect(() => buffer.readAsync(new Float64Array(5))).toThrow(isNativeError('ERR_SHAPE', /of a buffer of 32/));
    expect(() => buffer.writeAsync([1] as never)).toThrow(isNativeError('ERR_DTYPE', /array/));
    buffer.dispose();
    expect(() => buffer.writeAsync(new Float64Array(1))).toThrow(isNativeError('ERR_DISPOSED', /buffer/));
  });
});

describe('dispose', () => {
  it('makes every later use throw ERR_DISPOSED', () => {
    const addon = loadAddon();
    const own = addon.createDevice({ kind: 'cpu', threads: 1 });
    const buffer = own.allocate(192);
    const program = own.compile(additionProgram(), [buffer]);
    program.dispose();
    expect(() => program.run([], [])).toThrow(isNativeError('ERR_DISPOSED', /program/));
    expect(() => program.profile()).toThrow(isNativeError('ERR_DISPOSED', /program/));
    expect(() => program.unrecorded()).toThrow(isNativeError('ERR_DISPOSED', /program/));
    expect(() => program.abort()).not.toThrow(); // nothing to abort any more
    buffer.dispose();
    expect(() => buffer.bytes).toThrow(isNativeError('ERR_DISPOSED', /buffer/));
    expect(() => buffer.read(new Float32Array(1))).toThrow(isNativeError('ERR_DISPOSED', /buffer/));
    expect(() => buffer.write(new Float32Array(1))).toThrow(isNativeError('ERR_DISPOSED', /buffer/));
    expect(() => own.compile(additionProgram(), [buffer])).toThrow(isNativeError('ERR_DISPOSED', /buffer/));
    own.dispose();
    own.dispose();
    expect(() => own.info()).toThrow(isNativeError('ERR_DISPOSED', /device/));
    expect(() => own.memory()).toThrow(isNativeError('ERR_DISPOSED', /device/));
    expect(() => own.allocate(1)).toThrow(isNativeError('ERR_DISPOSED', /device/));
  });

  it('of the device leaves its programs working', async () => {
    const own = loadAddon().createDevice({ kind: 'cpu', threads: 1 });
    const { program, dispose } = compile(own, additionProgram(), [192]);
    own.dispose();
    const y = new Float32Array(3);
    await program.run([new Float32Array([1, 1, 1]), new Float32Array([2, 3, 4])], [y]);
    expect([...y]).toEqual([3, 4, 5]);
    dispose();
  });
});

describe('device options', () => {
  it('are refused when they make no sense', () => {
    const create = (options: object) => () => loadAddon().createDevice(options as never);
    expect(create({ kind: 'tpu' })).toThrow(isNativeError('ERR_DEVICE', /expected cpu or cuda/));
    expect(create({})).toThrow(isNativeError('ERR_DEVICE', /expected cpu or cuda/));
    for (const threads of [0, -1, 1.5, 4096, '2', Number.NaN]) {
      expect(create({ kind: 'cpu', threads })).toThrow(isNativeError('ERR_DEVICE', /threads must be a whole number/));
    }
    expect(create({ kind: 'cpu', isa: 'sse9' })).toThrow(isNativeError('ERR_DEVICE', /isa is 'sse9'/));
  });
});
