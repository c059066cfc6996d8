/** A graph of one's own on a device. */
import { fuse } from '../compiler/fuse.js';
import { openDevice } from '../engine/device.js';
import { parseDevice } from '../engine/device_choice.js';
import { GraphRunner } from '../engine/graph_runner.js';
import type { Precision } from '../engine/precision.js';
import type { Graph } from '../graph/ir.js';

export interface SessionChoice {
  /** 'auto' (default: a GPU where one can be used), 'cpu', 'cuda' or 'cuda:NUMBER'. */
  readonly device?: string;
  readonly precision?: 'auto' | Precision;
  /** Threads that compute on the CPU; results do not depend on it. */
  readonly threads?: number;
}

type Numbers = Float32Array | Float64Array;

/** A compiled graph with its memory on a device. Dispose it: memory on a device is not garbage collected. */
export class GraphSession {
  /** What computes, in words. */
  readonly device: string;
  readonly #runner: GraphRunner;
  readonly #dispose: () => void;

  /** Use createSession. */
  constructor(runner: GraphRunner, device: string, dispose: () => void) {
    this.#runner = runner;
    this.device = device;
    this.#dispose = dispose;
  }

  /** Sets a parameter or state by its name; row-major, as many numbers as its shape has. Unset ones are 0. */
  set(name: string, numbers: Numbers): void {
    this.#runner.set(name, numbers);
  }

  /** A copy of a parameter or state. */
  get(name: string): Numbers {
    return this.#runner.get(name);
  }

  /**
   * Computes all outputs.
   *
   * @param inputs by name; images are [n, h, w, c], channels last
   * @returns outputs by name; the next run writes into the same arrays
   * @throws BandliftError for an input that is missing or has the wrong length
   */
  async run(inputs: Readonly<Record<string, Numbers>>): Promise<Record<string, Numbers>> {
    return Object.fromEntries(await this.#runner.run(new Map(Object.entries(inputs))));
  }

  /** Seconds of each instruction of the last run on the CPU, in their order. */
  profile(): { label: string; op: string; seconds: number }[] {
    return this.#runner.profile();
  }

  dispose(): void {
    this.#runner.dispose();
    this.#dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/**
 * Compiles a graph for a device: operators are fused, memory is planned, instructions are written.
 *
 * @throws BandliftError for a device that this machine lacks
 */
export async function createSession(graph: Graph, choice: SessionChoice = {}): Promise<GraphSession> {
  const { device: name = 'auto', precision, threads } = choice;
  const opened = await openDevice({ ...parseDevice(name, precision), ...(threads === undefined ? {} : { threads }) });
  try {
    const runner = new GraphRunner(opened.device, fuse(graph), opened.precision);
    return new GraphSession(runner, opened.name, () => opened.device.dispose());
  } catch (error) {
    opened.device.dispose();
    throw error;
  }
}
