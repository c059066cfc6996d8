/**
 * Programs for the tiles of a scene (src/tiling/tile_graph.ts): one for each shape of tile, all over the same parameters
 * and the same arena. Resampling tables are inputs, so that tiles of one shape share a program wherever they lie.
 */
import type { NativeBuffer, NativeDevice, NativeProgram } from '../../bindings/addon.js';
import { fuse } from '../compiler/fuse.js';
import { lower } from '../compiler/lower.js';
import type { Plan } from '../compiler/plan.js';
import { type PlanTarget, planGraph, planTarget } from '../engine/memory_plan.js';
import type { Precision } from '../engine/precision.js';
import { atLeastOneLine, BUFFER, BUFFER_COUNT, ParameterStorage } from '../engine/storage.js';
import type { Graph } from '../graph/ir.js';
import { modelParameters } from '../models/index.js';
import type { ModelSpec } from '../models/spec.js';
import type { TileGraph } from './tile_graph.js';

/** Programs kept; those used longest ago are made again when needed. */
const KEPT_PROGRAMS = 48;

export class TilePrograms {
  readonly #device: NativeDevice;
  readonly #storage: ParameterStorage;
  readonly #target: PlanTarget;
  readonly #buffers: NativeBuffer[] = [];
  readonly #programs = new Map<string, NativeProgram>();
  #running: NativeProgram | undefined;

  /** Holds the parameters on the device; the arena comes with the first tile, or with `reserve`. */
  constructor(
    device: NativeDevice,
    spec: ModelSpec,
    values: ReadonlyMap<string, Float32Array>,
    precision: Precision = 'fp32',
  ) {
    this.#device = device;
    this.#target = planTarget(device, precision);
    this.#storage = new ParameterStorage(modelParameters(spec));
    const sizes = new Array<number>(BUFFER_COUNT).fill(0);
    sizes[BUFFER.parameters] = this.#storage.trainedBytes;
    sizes[BUFFER.frozen] = this.#storage.frozenBytes;
    for (const bytes of sizes) this.#buffers.push(device.allocate(atLeastOneLine(bytes)));
    for (const { name, frozen, offset } of this.#storage.parameters) {
      const array = values.get(name);
      if (array === undefined) throw new Error(`no values for parameter '${name}'`);
      this.#buffers[frozen ? BUFFER.frozen : BUFFER.parameters]!.write(array, offset);
    }
  }

  /** Bytes that the arena must have for this tile. */
  arenaBytes(tile: TileGraph): number {
    return this.#plan(tile).plan.arenaBytes;
  }

  /** Makes the arena at least this large. */
  reserve(bytes: number): void {
    if (bytes <= this.#buffers[BUFFER.arena]!.bytes) return;
    // programs refer to the arena they were compiled for
    for (const program of this.#programs.values()) program.dispose();
    this.#programs.clear();
    this.#buffers[BUFFER.arena]!.dispose();
    this.#buffers[BUFFER.arena] = this.#device.allocate(bytes);
  }

  /**
   * Runs one tile.
   *
   * @param reads numbers of every part that the tile reads, by name
   * @param writes one array for every result, in the order of `tile.writes`; filled when the promise resolves
   */
  async run(tile: TileGraph, reads: ReadonlyMap<string, Float32Array>, writes: readonly Float32Array[]): Promise<void> {
    const program = this.#program(tile);
    const tables = new Map(tile.tables.map(({ name, data }) => [name, data]));
    const inputs = inputNames(tile).map((name) => reads.get(name) ?? tables.get(name)!);
    this.#running = program;
    try {
      await program.run(inputs, writes);
    } finally {
      this.#running = undefined;
    }
  }

  /** Stops the tile that is being computed. */
  abort(): void {
    this.#running?.abort();
  }

  #plan(tile: TileGraph): { graph: Graph; plan: Plan } {
    return planGraph(fuse(tile.graph), this.#target, this.#storage);
  }

  #program(tile: TileGraph): NativeProgram {
    const known = this.#programs.get(tile.key);
    if (known !== undefined) {
      // the latest used is the last
      this.#programs.delete(tile.key);
      this.#programs.set(tile.key, known);
      return known;
    }
    const { graph, plan } = this.#plan(tile);
    this.reserve(plan.arenaBytes);
    const description = lower(graph, plan, { inputs: inputNames(tile), outputs: tile.writes.map(({ name }) => name) });
    const program = this.#device.compile(description, this.#buffers);
    this.#programs.set(tile.key, program);
    if (this.#programs.size > KEPT_PROGRAMS) {
      const [oldest, dropped] = this.#programs.entries().next().value!;
      this.#programs.delete(oldest);
      dropped.dispose();
    }
    return program;
  }

  dispose(): void {
    for (const program of this.#programs.values()) program.dispose();
    for (const buffer of this.#buffers) buffer.dispose();
  }
}

/** A table that no instruction reads any more (fused away) would have no place: none is made without a reader. */
const inputNames = (tile: TileGraph): string[] => [...tile.reads, ...tile.tables].map(({ name }) => name);
