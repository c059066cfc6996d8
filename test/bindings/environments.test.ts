import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { addonPath, loadAddon } from '../../bindings/load.js';
import { additionProgram, runChild } from './programs.js';

/** Loads the addon in a worker, adds two arrays and posts the sum. */
const ADDING_WORKER = `
  const { parentPort, workerData } = require('node:worker_threads');
  const device = require(workerData.addon).createDevice({ kind: 'cpu', threads: 2 });
  const buffer = device.allocate(192);
  const program = device.compile(workerData.description, [buffer]);
  const y = new Float32Array(3);
  program.run([new Float32Array([1, 2, 3]), new Float32Array([10, 20, 30])], [y]).then(() => parentPort.postMessage([...y]));
`;

describe('workers', () => {
  it('load the addon beside the main thread and beside each other', async () => {
    loadAddon();
    const workerData = { addon: addonPath(), description: additionProgram() };
    const results = [0, 1, 2].map(
      () =>
        new Promise((resolve, reject) => {
          const worker = new Worker(ADDING_WORKER, { eval: true, workerData });
          let sum: unknown;
          worker.once('message', (message) => {
            sum = message;
          });
          worker.once('error', reject);
          worker.once('exit', (code) => resolve({ sum, code }));
        }),
    );
    for (const result of await Promise.all(results)) expect(result).toEqual({ sum: [11, 22, 33], code: 0 });
  });

  it('may be terminated during a write', async () => {
    const code = `
      const { workerData } = require('node:worker_threads');
      const device = require(workerData.addon).createDevice({ kind: 'cpu', threads: 1 });
      const buffer = device.allocate(1 << 26);
      const numbers = new Float32Array(1 << 24).fill(1);
      for (let i = 0; i < 20; i++) buffer.writeAsync(numbers);
      process.exit(5);
    `;
    const worker = new Worker(code, { eval: true, workerData: { addon: addonPath() } });
    expect(await new Promise((resolve) => worker.once('exit', resolve))).toBe(5);
  });

  it('may be terminated during a run; the process goes on', () => {
    const { status, signal, stdout, stderr } = runChild('terminate');
    expect({ status, signal, stdout, stderr }).toEqual({
      status: 0,
      signal: null,
      stdout: 'worker ended with 1, then ERR_ABORTED\n', // Node gives a terminated worker the code 1
      stderr: '',
    });
  });
});

describe('processes', () => {
  it('may exit during a run', () => {
    const { status, signal, stdout, stderr } = runChild('exit');
    expect({ status, signal, stdout, stderr }).toEqual({ status: 7, signal: null, stdout: 'running\n', stderr: '' });
  });

  it('may exit during a run whose program, buffers and device were disposed', () => {
    const { status, signal, stdout, stderr } = runChild('disposed');
    expect({ status, signal, stdout, stderr }).toEqual({ status: 0, signal: null, stdout: 'running\n', stderr: '' });
  });
});
