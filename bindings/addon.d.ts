/**
 * The native addon's exports, typed by hand; test/bindings/surface.test.ts compares the names with the real ones.
 * Errors thrown from here are `NativeError`s with `.code`: ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_OUT_OF_MEMORY,
 * ERR_ABORTED, ERR_DISPOSED, ERR_INTERNAL.
 */
import type { Instruction, ProgramDescription } from '../src/compiler/program_types.js';

export interface DeviceOptions {
  kind: 'cpu';
  /** Threads that compute; default: the physical cores this process may use. Results do not depend on it. */
  threads?: number;
  /** Highest instruction set to use; default 'auto' = the best this processor has. */
  isa?: 'auto' | 'avx512' | 'avx2' | 'baseline';
}

export interface DeviceInfo {
  kind: 'cpu';
  name: string;
  threads: number;
  isa: 'avx512' | 'avx2' | 'baseline';
  /** Pixels are stored at multiples of this many channels (1 on the CPU). */
  channelMultiple: number;
}

export interface MemoryInfo {
  buffers: number;
  bytes: number;
  peakBytes: number;
}

/** A block of device memory. Contents start as zeros. */
export interface NativeBuffer {
  readonly bytes: number;
  write(source: Float32Array | Float64Array | Uint8Array, byteOffset?: number): void;
  read(target: Float32Array | Float64Array | Uint8Array, byteOffset?: number): void;
  dispose(): void;
}

export interface NativeProgram {
  /**
   * Copies `inputs`, runs all instructions, fills `outputs`, all on the device's own thread. The arrays must not be
   * touched until the promise settles. Runs on one device are executed in the order of the calls.
   */
  run(
    inputs: readonly (Float32Array | Float64Array)[],
    outputs: readonly (Float32Array | Float64Array)[],
  ): Promise<void>;
  /** Makes the current run reject with ERR_ABORTED before its next instruction. */
  abort(): void;
  /** Seconds spent in each instruction of the last run when the device was made with BANDLIFT_PROFILE=1, else empty. */
  profile(): { label: string; op: string; seconds: number }[];
  dispose(): void;
}

export interface NativeDevice {
  info(): DeviceInfo;
  memory(): MemoryInfo;
  allocate(bytes: number): NativeBuffer;
  /** Scratch bytes that this instruction wants as its last operand (0 where it has none). Tensors may have any offsets. */
  workspaceBytes(instruction: Instruction): number;
  compile(description: ProgramDescription, buffers: readonly NativeBuffer[]): NativeProgram;
  dispose(): void;
}

export interface Addon {
  readonly version: string;
  readonly opcodes: readonly string[];
  /** What this processor has, best first. */
  cpuFeatures(): { name: string; isa: ('avx512' | 'avx2' | 'baseline')[]; physicalCores: number };
  createDevice(options: DeviceOptions): NativeDevice;
}
