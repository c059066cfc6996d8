/**
 * The native addon's exports, typed by hand; test/bindings/surface.test.ts compares the names with the real ones.
 * Errors thrown from here are `NativeError`s with `.code`: ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_OUT_OF_MEMORY,
 * ERR_ABORTED, ERR_DISPOSED, ERR_INTERNAL.
 */
import type { Instruction, ProgramDescription } from '../src/compiler/program_types.js';

export type DeviceOptions = CpuOptions | CudaOptions;

export interface CpuOptions {
  kind: 'cpu';
  /** Threads that compute; default: the physical cores this process may use. Results do not depend on it. */
  threads?: number;
  /** Highest instruction set to use; default 'auto' = the best this processor has. */
  isa?: 'auto' | 'avx512' | 'avx2' | 'baseline';
}

export interface CudaOptions {
  kind: 'cuda';
  /** CUDA's number of the device; default 0. */
  index?: number;
  /** Whether f32 convolutions may round their operands to tf32 (compute capability 8.0 and up). Default false. */
  tf32?: boolean;
  /** Only kernels whose results do not vary from run to run. Default true. */
  deterministic?: boolean;
  /** Where else to look for cuDNN. */
  libraryFolders?: readonly string[];
}

export interface DeviceInfo {
  kind: 'cpu' | 'cuda';
  name: string;
  /** Threads that compute; 0 on CUDA. */
  threads: number;
  /** The instruction set: 'avx512', 'avx2', 'baseline', or 'sm_90' and the like. */
  isa: string;
  /** Pixels of more than one channel are padded to multiples of this many bytes (1: no padding). */
  rowBytes: number;
  /** Bytes that were free for buffers when the device was opened; 0: the machine's memory. */
  memoryBytes: number;
  /** Who computes convolutions on a GPU: 'cuDNN 9.14.0', or 'no cuDNN: ...' with the reason; '' on the CPU. */
  convolutions: string;
}

/** What is known about CUDA without opening a device. */
export interface CudaReport {
  /** Whether this addon was built with CUDA. */
  built: boolean;
  /** Compute capabilities that it has code for: 'sm_70', ... */
  architectures: string[];
  /** CUDA version of the runtime built in and of the driver ('12.4'; '' without one). */
  runtime: string;
  driver: string;
  devices: {
    index: number;
    name: string;
    computeCapability: string;
    memoryBytes: number;
    usable: boolean;
    reason: string;
  }[];
  /** Why there is no usable device, and what to do; '' where there is one. */
  reason: string;
  /** cuDNN and NCCL, where they were asked for: version and path are '' where there is none, `problem` says why. */
  libraries: { name: string; version: string; path: string; problem: string; tried: string[] }[];
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
  /**
   * These two beside running programs. The array must not be touched until the promise settles, nor its buffer transferred
   * to another thread (postMessage, structuredClone): then the promise rejects with ERR_SHAPE, if the process still lives.
   */
  writeAsync(source: Float32Array | Float64Array | Uint8Array, byteOffset?: number): Promise<void>;
  read(target: Float32Array | Float64Array | Uint8Array, byteOffset?: number): void;
  readAsync(target: Float32Array | Float64Array | Uint8Array, byteOffset?: number): Promise<void>;
  dispose(): void;
}

export interface NativeProgram {
  /**
   * Copies `inputs`, runs all instructions, fills `outputs`, all on the device's own thread. The arrays must not be
   * touched until the promise settles, nor their buffers transferred (it rejects then). Runs on one device are executed in the order of the calls.
   */
  run(
    inputs: readonly (Float32Array | Float64Array)[],
    outputs: readonly (Float32Array | Float64Array)[],
  ): Promise<void>;
  /** Makes the current run reject with ERR_ABORTED before its next instruction. */
  abort(): void;
  /** Seconds spent in each instruction of the last run when the device was made with BANDLIFT_PROFILE=1, else empty. */
  profile(): { label: string; op: string; seconds: number }[];
  /** Why runs are not replayed as one recording from the second on, where the device records; else ''. */
  unrecorded(): string;
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

/**
 * Ranks that compute together. Every rank makes the same calls in the same order; they run on a thread of their own. Arrays
 * must not be touched until the promise settles.
 */
export interface NativeCommunicator {
  readonly rank: number;
  readonly size: number;
  /** The library, its version and ABI, and the thread level that it granted. */
  readonly name: string;
  /** Sums over ranks, in place; every rank has the same bits, which may depend on the library and the number of ranks. */
  sum(values: Float32Array): Promise<void>;
  /** Sums in place: rank 0's values + rank 1's + ..., from left to right. */
  sumInOrder(values: Float32Array): Promise<void>;
  /** `all` gets the numbers of every rank, one rank after the other. */
  allGather(own: Float64Array, all: Float64Array): Promise<void>;
  /** Rank 0's bytes to all. */
  broadcast(values: Float32Array | Float64Array | Uint8Array): Promise<void>;
  barrier(): Promise<void>;
  /** The last call, of every rank. */
  finish(): Promise<void>;
}

export interface InstructionInfo {
  readonly name: string;
  /** In order; scratch memory, where there is some, comes last and is called workspace. */
  readonly operands: readonly { readonly name: string; readonly optional: boolean; readonly isImage: boolean }[];
  /** Number of scalar parameters. */
  readonly params: number;
}

export interface Addon {
  readonly version: string;
  /** What a device can compute: the lines of native/ops. */
  readonly instructions: readonly InstructionInfo[];
  /** What this processor has, best first. */
  cpuFeatures(): { name: string; isa: ('avx512' | 'avx2' | 'baseline')[]; physicalCores: number };
  /** With folders to look in besides the usual places also tells of libraries, which are opened for that. */
  cudaReport(libraryFolders?: readonly string[]): CudaReport;
  createDevice(options: DeviceOptions): NativeDevice;
  /**
   * Opens the first of these MPI libraries (files, or names that the loader finds) and initialises it, once in a process.
   * Rejects with ERR_DEVICE where none can be opened, naming each and why, or where it grants too few threads.
   */
  openMpi(names: readonly string[]): Promise<NativeCommunicator>;
  /** Which of these MPI libraries would be opened; nothing is initialised. `problem` is '' where there is one. */
  mpiReport(names: readonly string[]): { path: string; version: string; abi: string; problem: string };
  /** Ends the process with this code at once, whatever its threads wait for: for a rank whose peers are gone. */
  exitNow(code: number): never;
}
