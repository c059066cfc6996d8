/** Small programs for the tests of the addon, and child processes that run them. */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { NativeBuffer, NativeDevice, NativeProgram } from '../../bindings/addon.js';
import { addonPath, loadAddon } from '../../bindings/load.js';
import type { Instruction, ProgramDescription, TensorRef } from '../../src/compiler/program_types.js';

export const vector = (offset: number, c: number): TensorRef => ({
  buffer: 0,
  offset,
  dtype: 'f32',
  shape: [1, 1, 1, c],
  pitch: c,
});

/** y = a + b over 3 numbers; 192 bytes of buffer. */
export function additionProgram(): ProgramDescription {
  const [a, b, y] = [vector(0, 3), vector(64, 3), vector(128, 3)];
  return {
    instructions: [{ op: 'add', tensors: [a, b, y], params: [], label: 'sum' }],
    inputs: [
      { name: 'a', tensor: a },
      { name: 'b', tensor: b },
    ],
    outputs: [{ name: 'y', tensor: y }],
  };
}

/** A 3x3 convolution of 64 channels on 128 x 128 pixels (1.2 GFLOP); the workspace lies in the second buffer. */
function convolution(): Instruction {
  const image = 128 * 128 * 64 * 4;
  const shape = [1, 128, 128, 64] as const;
  return {
    op: 'conv2d_forward',
    tensors: [
      { buffer: 0, offset: 0, dtype: 'f32', shape, pitch: 64 },
      vector(2 * image, 64 * 64 * 9),
      null,
      null,
      { buffer: 0, offset: image, dtype: 'f32', shape, pitch: 64 },
      { ...vector(0, 4 << 20), buffer: 1 },
    ],
    params: [3, 3, 0, 1, 0],
    label: 'conv',
  };
}

/** Minutes of convolutions: whoever waits for its end has not aborted it. */
export const longRun = {
  bufferBytes: [2 * 128 * 128 * 64 * 4 + 64 * 64 * 9 * 4, 16 << 20],
  instruction: convolution(),
  times: 20_000,
};

export interface Compiled {
  readonly program: NativeProgram;
  dispose(): void;
}

/** The program and its own buffers. */
export function compile(
  device: NativeDevice,
  description: ProgramDescription,
  bufferBytes: readonly number[],
): Compiled {
  const buffers: NativeBuffer[] = bufferBytes.map((bytes) => device.allocate(bytes));
  const program = device.compile(description, buffers);
  return {
    program,
    dispose() {
      program.dispose();
      for (const buffer of buffers) buffer.dispose();
    },
  };
}

export function compileLongRun(device: NativeDevice): Compiled {
  const instructions = new Array<Instruction>(longRun.times).fill(longRun.instruction);
  return compile(device, { instructions, inputs: [], outputs: [] }, longRun.bufferBytes);
}

/** Runs long_run_child.mjs in its own process; `mode` says how the run ends. */
export function runChild(mode: string): SpawnSyncReturns<string> {
  loadAddon();
  const child = fileURLToPath(new URL('long_run_child.mjs', import.meta.url));
  return spawnSync(process.execPath, [child, mode, addonPath()!, JSON.stringify(longRun)], {
    encoding: 'utf8',
    timeout: 60_000,
  });
}
