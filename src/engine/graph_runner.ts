/**
 * One graph on a device, compiled once and run with numbers by name: for tests, benchmarks and the regression fit.
 * (Training shares buffers between several programs and has src/engine/session.ts.)
 */
import type { NativeBuffer, NativeDevice, NativeProgram } from '../../bindings/addon.js';
import { BandliftError } from '../base/errors.js';
import { lower, type Place } from '../compiler/lower.js';
import { alignUp, planMemory } from '../compiler/plan.js';
import { assignStorage } from '../compiler/storage_types.js';
import { byteLength, elements, type Graph, type Value } from '../graph/ir.js';
import { type Precision, storageRules } from './precision.js';

type Numbers = Float32Array | Float64Array;

/** Buffer of everything that outlives a run: parameters, states, constants. The arena is buffer 0. */
const HELD = 1;

export class GraphRunner {
  readonly graph: Graph;
  /** Bytes of the arena and of what outlives a run. */
  readonly bytes: { readonly arena: number; readonly held: number };
  readonly #program: NativeProgram;
  readonly #buffers: readonly NativeBuffer[];
  readonly #held = new Map<string, { value: Value; place: Place }>();
  readonly #inputs: readonly Value[];
  readonly #outputs: readonly { name: string; array: Numbers }[];

  /** `precision` decides how images are kept (f16 and bf16 on CUDA). */
  constructor(device: NativeDevice, built: Graph, precision: Precision = 'fp32') {
    const graph = assignStorage(built, storageRules(device.info(), precision));
    this.graph = graph;
    const used = new Set(graph.nodes.flatMap((node) => [...node.inputs, ...node.outputs]));
    for (const id of graph.outputs.values()) used.add(id);
    const places = new Map<number, Place>();
    let offset = 0;
    for (const value of graph.values) {
      if (!used.has(value.id) || value.role === 'input' || value.role === 'node') continue;
      const place = { buffer: HELD, offset };
      places.set(value.id, place);
      this.#held.set(value.name, { value, place });
      offset += alignUp(byteLength(value));
    }
    const plan = planMemory(graph, {
      placed: (id) => places.get(id),
      workspaceBytes: (instruction) => device.workspaceBytes(instruction),
    });
    this.#inputs = graph.values.filter((v) => v.role === 'input' && used.has(v.id));
    this.#outputs = [...graph.outputs].map(([name, id]) => ({ name, array: arrayFor(graph.values[id]!) }));
    const description = lower(graph, plan, {
      inputs: this.#inputs.map((v) => v.name),
      outputs: this.#outputs.map((o) => o.name),
    });
    this.bytes = { arena: plan.arenaBytes, held: offset };
    this.#buffers = [device.allocate(Math.max(plan.arenaBytes, 64)), device.allocate(Math.max(offset, 64))];
    this.#program = device.compile(description, this.#buffers);
    for (const { value } of this.#held.values()) if (value.data !== undefined) this.set(value.name, value.data);
  }

  /** Sets a parameter or state. */
  set(name: string, numbers: Numbers): void {
    const held = this.#held.get(name);
    if (held === undefined) return;
    checkLength(held.value, numbers);
    this.#buffers[HELD]!.write(numbers, held.place.offset);
  }

  /** Reads a parameter or state. */
  get(name: string): Numbers {
    const held = this.#held.get(name);
    if (held === undefined) throw new BandliftError(`the graph holds no '${name}'`);
    const numbers = arrayFor(held.value);
    this.#buffers[HELD]!.read(numbers, held.place.offset);
    return numbers;
  }

  /** Runs with all inputs by name; the outputs' arrays are reused by the next run. */
  async run(inputs: ReadonlyMap<string, Numbers>): Promise<Map<string, Numbers>> {
    const arrays = this.#inputs.map((value) => {
      const numbers = inputs.get(value.name);
      if (numbers === undefined) throw new BandliftError(`input '${value.name}' is missing`);
      checkLength(value, numbers);
      return numbers;
    });
    await this.#program.run(
      arrays,
      this.#outputs.map((o) => o.array),
    );
    return new Map(this.#outputs.map((o) => [o.name, o.array]));
  }

  profile(): { label: string; op: string; seconds: number }[] {
    return this.#program.profile();
  }

  dispose(): void {
    this.#program.dispose();
    for (const buffer of this.#buffers) buffer.dispose();
  }
}

function arrayFor(value: Value): Numbers {
  return value.dtype === 'f64' ? new Float64Array(elements(value.shape)) : new Float32Array(elements(value.shape));
}

function checkLength(value: Value, numbers: Numbers): void {
  const isDouble = numbers instanceof Float64Array;
  if (numbers.length !== elements(value.shape) || isDouble !== (value.dtype === 'f64')) {
    throw new BandliftError(`${numbers.length} ${isDouble ? 'f64' : 'f32'} numbers`, {
      field: value.name,
      expected: `${elements(value.shape)} ${value.dtype} for shape [${value.shape.join(', ')}]`,
    });
  }
}
