/** Programs of a session over its shared buffers, compiled at their first use. */
import type { NativeBuffer, NativeDevice, NativeProgram } from '../../bindings/addon.js';
import { chain, type PlannedProgram, withOperand } from '../compiler/chain.js';
import { lower } from '../compiler/lower.js';
import type { ProgramDescription } from '../compiler/program_types.js';
import type { Graph } from '../graph/ir.js';
import { GRADIENT_NORM, gradNormOp, SCALAR_COUNT } from '../graph/ops/optimizer.js';
import type { HeldPatches } from './held_patches.js';
import { DEFAULT_ADAM, type PlanTarget, planGraph } from './memory_plan.js';
import {
  type NamedGraph,
  normProgram,
  optimizerProgram,
  type SampleProgram,
  sampleProgram,
  zeroProgram,
} from './programs.js';
import { atLeastOneLine, BUFFER, constantLayout, type ParameterStorage } from './storage.js';
import type { SessionOptions } from './types.js';

const LOSS_TERMS_OPERAND = gradNormOp.inputs.indexOf('loss_terms');

/** The optimizer's scalars, which change from step to step. */
const SCALARS_PORT: ProgramDescription['inputs'][number] = {
  name: 'scalars',
  tensor: { buffer: BUFFER.scalars, offset: 0, dtype: 'f32', shape: [1, 1, 1, SCALAR_COUNT], pitch: SCALAR_COUNT },
};

interface LoweredGraph extends PlannedProgram {
  readonly graph: Graph;
}

export class ProgramCache {
  readonly #device: NativeDevice;
  readonly #storage: ParameterStorage;
  readonly #options: SessionOptions;
  readonly #target: PlanTarget;
  readonly #buffers: readonly NativeBuffer[];
  readonly #arenaBytes: number;
  readonly #programs = new Map<string, NativeProgram>();
  readonly #owned: NativeBuffer[] = [];
  #held: HeldPatches | undefined;

  constructor(
    device: NativeDevice,
    storage: ParameterStorage,
    options: SessionOptions,
    buffers: readonly NativeBuffer[],
    arenaBytes: number,
    target: PlanTarget,
  ) {
    this.#device = device;
    this.#target = target;
    this.#storage = storage;
    this.#options = options;
    this.#buffers = buffers;
    this.#arenaBytes = arenaBytes;
  }

  /** From now on programs can be fed from these patches. */
  hold(held: HeldPatches): void {
    this.#held = held;
  }

  /**
   * A program over `samples` samples; with `ema` it reads the moving average as parameters, with `fed` it takes its patches
   * from those held.
   */
  samples(kind: SampleProgram, samples: number, { ema = false, fed = false } = {}): NativeProgram {
    const key = `${kind} ${samples}${ema ? ' ema' : ''}${fed ? ' held' : ''}`;
    return this.#compiled(key, () => this.#sampled(kind, samples, fed), { ema, fed });
  }

  #sampled(kind: SampleProgram, samples: number, fed: boolean): LoweredGraph {
    const program = this.#lower(sampleProgram(kind, samples, this.#options));
    return fed ? { ...this.#held!.feed(program, samples), graph: program.graph } : program;
  }

  /** Gradients to zero; norm of the gradients; norm, clipping and Adam. */
  fixed(kind: 'zero' | 'norm' | 'optimizer'): NativeProgram {
    const length = this.#storage.trainedLength;
    return this.#compiled(kind, () => {
      if (kind === 'zero') return this.#lower(zeroProgram(length));
      if (kind === 'optimizer') return this.#optimizer();
      return this.#lower(normProgram(length));
    });
  }

  /**
   * A whole training step over a batch that needs no micro-batches: zero, loss and gradients, optimizer, in one run. Its last
   * input are the scalars. Outputs: the loss terms, the norm. A loss that is not finite leaves the parameters as they were.
   */
  training(samples: number, fed = false): NativeProgram {
    const build = () => {
      const step = this.#sampled('step', samples, fed);
      const zero = this.#lower(zeroProgram(this.#storage.trainedLength));
      const whole = chain([zero, step, this.#optimizer()]);
      const { description } = whole;
      const [terms] = description.outputs;
      const fedScalars = { ...whole, description: { ...description, inputs: [...description.inputs, SCALARS_PORT] } };
      return { ...withOperand(fedScalars, GRADIENT_NORM, LOSS_TERMS_OPERAND, terms!.tensor), graph: step.graph };
    };
    return this.#compiled(`train ${samples}${fed ? ' held' : ''}`, build, { fed });
  }

  #optimizer() {
    const { trainedLength } = this.#storage;
    return this.#lower(optimizerProgram(trainedLength, this.#options.ema === true, this.#options.adam ?? DEFAULT_ADAM));
  }

  #compiled(key: string, build: () => LoweredGraph, { ema = false, fed = false } = {}): NativeProgram {
    const known = this.#programs.get(key);
    if (known !== undefined) return known;
    const { description, arenaBytes, graph } = build();
    const buffers = [...this.#buffers, ...(fed ? this.#held!.buffers : [])];
    // fewer samples need less than was planned for; should a device see that otherwise, the program gets its own arena
    if (arenaBytes > this.#arenaBytes) buffers[BUFFER.arena] = this.#own(arenaBytes);
    if (ema) buffers[BUFFER.parameters] = buffers[BUFFER.ema]!;
    buffers[BUFFER.constants] = constantsOf(graph, (bytes) => this.#own(bytes));
    const program = this.#device.compile(description, buffers);
    this.#programs.set(key, program);
    return program;
  }

  /** A program with an arena of its own, not kept: for checks that need more than training does. */
  apart(named: NamedGraph): { program: NativeProgram; dispose(): void } {
    const { description, arenaBytes } = this.#lower(named);
    const own: NativeBuffer[] = [];
    const release = () => {
      for (const buffer of own) buffer.dispose();
    };
    const allocate = (bytes: number) => {
      const buffer = this.#device.allocate(atLeastOneLine(bytes));
      own.push(buffer);
      return buffer;
    };
    try {
      const buffers = [allocate(arenaBytes), ...this.#buffers.slice(1)];
      buffers[BUFFER.constants] = constantsOf(named.graph, allocate);
      const program = this.#device.compile(description, buffers);
      const dispose = () => {
        program.dispose();
        release();
      };
      return { program, dispose };
    } catch (error) {
      release();
      throw error;
    }
  }

  /** A buffer that is kept as long as this cache. */
  #own(bytes: number): NativeBuffer {
    const buffer = this.#device.allocate(atLeastOneLine(bytes));
    this.#owned.push(buffer);
    return buffer;
  }

  #lower({ graph: built, inputs, outputs }: NamedGraph): LoweredGraph {
    const { graph, plan } = planGraph(built, this.#target, this.#storage);
    return { graph, description: lower(graph, plan, { inputs, outputs }), arenaBytes: plan.arenaBytes };
  }

  /** Why programs that ran more than once are not replayed from a recording, by name; empty where all are. */
  unrecorded(): Map<string, string> {
    return new Map(
      [...this.#programs]
        .map(([name, program]) => [name, program.unrecorded()] as const)
        .filter(([, why]) => why !== ''),
    );
  }

  profile(): Map<string, { label: string; op: string; seconds: number }[]> {
    return new Map([...this.#programs].map(([name, program]) => [name, program.profile()]));
  }

  dispose(): void {
    for (const program of this.#programs.values()) program.dispose();
    for (const buffer of this.#owned) buffer.dispose();
  }
}

/** A graph's constants (masks, resampling tables) in a buffer of their own. */
function constantsOf(graph: Graph, allocate: (bytes: number) => NativeBuffer): NativeBuffer {
  const { bytes, offsets } = constantLayout(graph);
  const buffer = allocate(bytes);
  for (const [id, offset] of offsets) buffer.write(graph.values[id]!.data!, offset);
  return buffer;
}
