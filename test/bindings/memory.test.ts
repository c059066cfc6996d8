/** What the addon tells V8 of its memory, and what becomes of arrays whose memory is taken away while it uses them. */
import { describe, expect, it } from 'vitest';
import { loadAddon } from '../../bindings/load.js';
import { additionProgram } from './programs.js';

describe('memory of the addon', () => {
  it('is collected where nobody disposed of it', async () => {
    const device = loadAddon().createDevice({ kind: 'cpu', threads: 1 });
    const [buffers, bytes] = [100, 256 << 20]; // 25 GiB of addresses; pages that nobody touches cost nothing
    for (let i = 0; i < buffers; i++) {
      device.allocate(bytes);
      await new Promise(setImmediate); // finalizers run between turns of the event loop
    }
    expect(device.memory().bytes).toBeLessThan((buffers * bytes) / 2);
    device.dispose();
  });
});

describe('an array that is transferred while it is in use', () => {
  const transferred = {
    code: 'ERR_SHAPE',
    message: expect.stringContaining('was transferred while it was in use: its numbers cannot be relied on'),
  };

  it.each(['input', 'output'])('makes the run reject: %s', async (side) => {
    const device = loadAddon().createDevice({ kind: 'cpu', threads: 1 });
    const program = device.compile(additionProgram(), [device.allocate(192)]);
    const [a, b, y] = [new Float32Array(3), new Float32Array(3), new Float32Array(3)];
    const run = program.run([a, b], [y]);
    const gone = side === 'input' ? a : y;
    const kept = structuredClone(gone, { transfer: [gone.buffer] }); // its memory lives on here
    await expect(run).rejects.toMatchObject(transferred);
    expect(kept.length).toBe(3);
    await program.run([new Float32Array(3), b], [new Float32Array(3)]); // the program goes on
    device.dispose();
  });

  it('makes the copy reject', async () => {
    const device = loadAddon().createDevice({ kind: 'cpu', threads: 1 });
    const buffer = device.allocate(64);
    for (const copy of ['writeAsync', 'readAsync'] as const) {
      const array = new Float32Array(16);
      const promise = buffer[copy](array);
      const kept = structuredClone(array, { transfer: [array.buffer] });
      await expect(promise).rejects.toMatchObject(transferred);
      expect(kept.length).toBe(16);
    }
    device.dispose();
  });
});
