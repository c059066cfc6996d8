/**
 * One pass over the scene: all tiles of a segment, one after another. While a tile is computed, the next one is read and the
 * one before is written. The order of tiles is fixed, so sums come out the same however often the pass was interrupted.
 */

import { BandliftError, EXIT } from '../base/errors.js';
import { markNonNegative, type Normalizer } from '../data/normalize.js';
import { elements, type ValueId } from '../graph/ir.js';
import type { EnviOutput } from '../scenes/envi_output.js';
import type { Scene } from '../scenes/types.js';
import { imageRegion, type Region } from '../tiling/footprint.js';
import type { SegmentedGraph } from '../tiling/segments.js';
import { type TileGraph, tileGraph } from '../tiling/tile_graph.js';
import type { TilePrograms } from '../tiling/tile_programs.js';
import { addValid, crop, cropBytes, firstNotFinite, meansOf, validOnGrid } from './pixels.js';
import { type Scratch, VALID } from './scratch.js';
import { NamedArrays, type Slab } from './slab.js';
import type { OutputNumbers } from './stage_model.js';
import { CLAMPED, type SegmentPlan, wantedOf } from './stage_plan.js';
import { tileCount, tileRegion } from './tiles.js';

/** The last tile asked for is done and everything is on the disk; the prediction can be resumed. */
export class Interrupted extends BandliftError {
  override name = 'Interrupted';
  constructor() {
    super('interrupted; the same prediction goes on from here', {}, EXIT.interrupted);
  }
}

export interface StageParts {
  readonly scene: SegmentedGraph;
  /** The input: already cut to the region of interest. */
  readonly input: Scene;
  readonly inputNumbers: Normalizer;
  readonly outputNumbers: OutputNumbers;
  /** Whether spectra are held at 0 where no input band is negative: those of stage 1, which lie on the input's grid. */
  readonly heldAtZero: boolean;
  readonly programs: TilePrograms;
  readonly scratch: Scratch;
  readonly output: EnviOutput;
  readonly slab: Slab;
  /** Pixels done of the segment. */
  progress(segment: SegmentPlan, tiles: number): void;
  interrupted(): boolean;
}

interface Prepared {
  readonly index: number;
  readonly region: Region;
  /** Undefined where no pixel is valid and nothing has to be computed. */
  readonly tile: TileGraph | undefined;
  readonly wanted: ReadonlyMap<ValueId, Region>;
  readonly reads: ReadonlyMap<string, Float32Array>;
  /** Of the tile's own pixels; undefined when all are. */
  readonly valid: Uint8Array | undefined;
  /** Of the tile's own pixels, 1 = valid and no band below 0; undefined where nothing is held at 0. */
  readonly nonNegative: Uint8Array | undefined;
}

/** Progress is brought to the disk this often, in seconds. */
const SAVE_SECONDS = 3;

const windowOf = (r: Region) => ({ y: r.y0, x: r.x0, height: r.y1 - r.y0, width: r.x1 - r.x0 });
const pixelsOf = (r: Region): number => (r.y1 - r.y0) * (r.x1 - r.x0);
export const mapName = (id: ValueId): string => `map-${id}`;

export class SegmentRun {
  readonly #parts: StageParts;
  readonly #plan: SegmentPlan;
  readonly #isLast: boolean;
  readonly #means: ReadonlyMap<string, readonly number[]>;
  /** Reads of this tile and of the next. */
  readonly #reads: readonly [NamedArrays, NamedArrays];
  readonly #writes: NamedArrays;
  readonly #sums: Float64Array[];
  #saved = Date.now();
  #indices = new Uint32Array();

  constructor(parts: StageParts, plan: SegmentPlan) {
    this.#parts = parts;
    this.#plan = plan;
    this.#isLast = plan.segment.results.length > 0;
    parts.slab.reset();
    this.#reads = [new NamedArrays(parts.slab), new NamedArrays(parts.slab)];
    this.#writes = new NamedArrays(parts.slab);
    this.#reserve(plan);
    const { state } = parts.scratch;
    this.#means = new Map(Object.entries(state.means));
    this.#sums = plan.segment.means.map(({ source }, i) => {
      const channels = parts.scene.graph.values[source]!.shape[3];
      return state.sums[i] === undefined ? new Float64Array(channels + 1) : Float64Array.from(state.sums[i]);
    });
  }

  /** Takes the memory of the largest tile, so that no smaller one before it takes a part in vain. */
  #reserve({ largest }: SegmentPlan): void {
    const { graph } = this.#parts.scene;
    for (const { name, shape } of largest.tile.reads) for (const reads of this.#reads) reads.get(name, elements(shape));
    for (const { name, shape } of largest.tile.writes) this.#writes.get(name, elements(shape));
    [...largest.wanted].forEach(([id, part], i) => {
      this.#writes.get(`own.${i}`, pixelsOf(part) * graph.values[id]!.shape[3]);
    });
  }

  /** Computes what is left of the segment and takes its means. Throws Interrupted after a whole tile when asked to stop. */
  async run(): Promise<void> {
    const { output, scratch } = this.#parts;
    const count = tileCount(this.#plan.grid);
    const todo: number[] = [];
    for (let i = 0; i < count; i++) if (this.#isLast ? !output.done.has(i) : i >= scratch.state.tiles) todo.push(i);
    let next = todo.length > 0 ? settled(this.#prepare(todo[0]!, 0)) : undefined;
    let writing = Promise.resolve();
    try {
      for (let n = 0; n < todo.length; n++) {
        const tile = await next!.value();
        next = undefined;
        const computing = settled(this.#compute(tile));
        if (n + 1 < todo.length) next = settled(this.#prepare(todo[n + 1]!, (n + 1) % 2));
        await computing.value();
        await writing;
        const store = this.#take(tile);
        writing = store().then(() => this.#note(tile.index, n + 1 === todo.length));
        writing.catch(() => undefined); // told when it is awaited
        this.#parts.progress(this.#plan, count - todo.length + n + 1);
        if (this.#parts.interrupted() && n + 1 < todo.length) {
          await writing;
          await this.#save(tile.index + 1);
          throw new Interrupted();
        }
      }
      await writing;
    } catch (error) {
      // nothing may still use the files when they are closed
      await Promise.allSettled([writing, next?.value() ?? Promise.resolve()]);
      throw error;
    }
    if (!this.#isLast) await this.#finishMeans();
  }

  // ---- reading ----

  async #prepare(index: number, slot: number): Promise<Prepared> {
    const { scene, input, scratch } = this.#parts;
    const { segment, grid } = this.#plan;
    const region = tileRegion(grid, index);
    const wanted = wantedOf(scene, segment, grid, region);
    const tile = wanted.size === 0 ? undefined : tileGraph(scene, segment, wanted);
    const reads = new Map<string, Float32Array>();
    let valid: Uint8Array | undefined;
    let nonNegative: Uint8Array | undefined;
    for (const { name, value, region: part, shape } of tile?.reads ?? []) {
      const array = this.#reads[slot]!.get(name, elements(shape));
      reads.set(name, array);
      const mean = this.#means.get(String(value));
      if (mean !== undefined) array.set(mean);
      else if (scene.graph.values[value]!.role === 'input')
        ({ valid, nonNegative } = await this.#readInput(part, array, region));
      else {
        const { h, w } = scene.layouts.get(value)!;
        const raster = await scratch.raster(mapName(value), h, w, shape[3], 4);
        await raster.read(imageRegion(scene.layouts.get(value)!, part), bytesOf(array));
      }
    }
    if (valid === undefined) {
      valid = new Uint8Array(pixelsOf(region));
      const raster = await scratch.raster(VALID, input.height, input.width, 1, 1);
      await raster.read(region, valid);
    }
    const holds = this.#parts.heldAtZero && this.#isLast;
    if (holds && nonNegative === undefined) nonNegative = await this.#nonNegative(region);
    const empty = !valid.includes(1);
    // maps are read with halo: their pixels count even where none is valid
    const skip = empty && segment.maps.length === 0;
    return {
      index,
      region,
      tile: skip ? undefined : tile,
      wanted,
      reads,
      valid: valid.includes(0) ? valid : undefined,
      nonNegative: holds ? nonNegative : undefined,
    };
  }

  /** Normalised pixels of a part of the scene, 0 where not valid; returns which of the tile's own are valid, or not negative. */
  async #readInput(part: Region, array: Float32Array, region: Region) {
    const { input, inputNumbers } = this.#parts;
    const { values, valid } = await input.read(windowOf(part));
    inputNumbers.place(values, this.#pixels(valid.length), valid, array);
    const marks = this.#mark(values, valid);
    return { valid: cropBytes(valid, part, region), nonNegative: cropBytes(marks, part, region) };
  }

  async #nonNegative(region: Region): Promise<Uint8Array> {
    const { values, valid } = await this.#parts.input.read(windowOf(region));
    return this.#mark(values, valid);
  }

  #mark(values: Float32Array, valid: Uint8Array): Uint8Array {
    const marks = new Uint8Array(valid.length);
    markNonNegative(values, this.#parts.input.bands, this.#pixels(valid.length), valid, marks);
    return marks;
  }

  /** 0 .. count - 1 */
  #pixels(count: number): Uint32Array {
    if (this.#indices.length < count) this.#indices = Uint32Array.from({ length: count }, (_, i) => i);
    return this.#indices.subarray(0, count);
  }

  // ---- computing ----

  async #compute({ tile, reads }: Prepared): Promise<void> {
    if (tile === undefined) return;
    const writes = tile.writes.map(({ name, shape }) => this.#writes.get(name, elements(shape)));
    await this.#parts.programs.run(tile, reads, writes);
  }

  // ---- writing ----

  /** Takes the tile's results out of the arrays of the program; what it returns writes them while the next tile is computed. */
  #take({ index, region, tile, wanted, valid, nonNegative }: Prepared): () => Promise<void> {
    const { scene, scratch, output, input } = this.#parts;
    const { segment } = this.#plan;
    const jobs: (() => Promise<void>)[] = [];
    const counts = scene.graph.outputs.get(CLAMPED);
    let bounded = 0;
    if (segment.index === 0 && !this.#isLast) {
      const known = valid ?? new Uint8Array(pixelsOf(region)).fill(1);
      jobs.push(async () => {
        const raster = await scratch.raster(VALID, input.height, input.width, 1, 1);
        await raster.write(region, known);
      });
    }
    for (const [i, id] of [...wanted.keys()].entries()) {
      const layout = scene.layouts.get(id)!;
      const part = wanted.get(id)!;
      const channels = scene.graph.values[id]!.shape[3];
      const own = this.#writes.get(`own.${i}`, pixelsOf(part) * channels);
      const stored = tile?.writes.find(({ value }) => value === id);
      if (stored !== undefined)
        crop(this.#writes.get(stored.name, elements(stored.shape)), stored.region, part, channels, own);
      const area = imageRegion(layout, part);
      const mask = valid && this.#mask(valid, region, layout, area);
      if (stored !== undefined) this.#checkFinite(own, channels, mask, area, index);
      const mean = segment.means.findIndex(({ source }) => source === id);
      if (mean >= 0 && stored !== undefined) addValid(own, mask, this.#sums[mean]!);
      if (segment.maps.includes(id))
        jobs.push(async () => {
          const raster = await scratch.raster(mapName(id), layout.h, layout.w, channels, 4);
          await raster.write(area, bytesOf(own));
        });
      if (id === counts) {
        if (stored !== undefined) for (let p = 0; p < own.length; p++) if (mask?.[p] !== 0) bounded += own[p]!;
      } else if (segment.results.includes(id)) {
        if (stored !== undefined) bounded += this.#parts.outputNumbers.denormalize(own, nonNegative);
        // a stage's numbers may be fewer than its graph's
        const values = own.subarray(0, pixelsOf(part) * output.description.bands);
        jobs.push(() =>
          output.write(
            windowOf(area),
            values,
            stored === undefined ? new Uint8Array(pixelsOf(area)) : mask,
            index,
            bounded,
          ),
        );
      }
    }
    return async () => {
      for (const job of jobs) await job();
    };
  }

  /** Valid pixels of a region of another grid over the scene; their centres lie in the tile. */
  #mask(valid: Uint8Array, region: Region, grid: { h: number; w: number }, part: Region): Uint8Array {
    const { input } = this.#parts;
    return grid.h === input.height && grid.w === input.width ? valid : validOnGrid(valid, region, input, grid, part);
  }

  #checkFinite(own: Float32Array, channels: number, mask: Uint8Array | undefined, area: Region, index: number): void {
    const bad = firstNotFinite(own, channels, mask);
    if (bad < 0) return;
    const pixel = Math.floor(bad / channels);
    const width = area.x1 - area.x0;
    const [row, column] = [area.y0 + Math.floor(pixel / width), area.x0 + (pixel % width)];
    const what = this.#isLast ? 'the prediction' : 'the network';
    throw new BandliftError(
      `${what} is not a finite number in tile ${index}, row ${row}, column ${column}, ${this.#isLast ? 'band' : 'feature'} ${bad % channels}`,
      {
        file: this.#parts.input.path,
        found: own[bad]!,
        hint: 'the input may lie far outside of what the model was trained on (units?), or the checkpoint is damaged',
      },
      EXIT.notFinite,
    );
  }

  // ---- keeping ----

  /** Notes a tile as done; brings it to the disk now and then. */
  async #note(index: number, last: boolean): Promise<void> {
    if (!last && Date.now() - this.#saved < SAVE_SECONDS * 1000) return;
    await this.#save(index + 1);
  }

  async #save(tiles: number): Promise<void> {
    const { scratch, output } = this.#parts;
    this.#saved = Date.now();
    if (this.#isLast) return output.sync();
    const sums = this.#sums.map((sum) => [...sum]);
    scratch.state = { ...scratch.state, tiles, sums };
    await scratch.save();
  }

  async #finishMeans(): Promise<void> {
    const { scratch } = this.#parts;
    const { segment } = this.#plan;
    const means = { ...scratch.state.means };
    segment.means.forEach(({ mean }, i) => {
      means[mean] = meansOf(this.#sums[i]!);
    });
    scratch.state = { ...scratch.state, means, segment: segment.index + 1, tiles: 0, sums: [] };
    await scratch.save();
  }
}

const bytesOf = (array: Float32Array): Uint8Array => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

/** A promise whose failure is told to who asks for its value, not to the process. */
function settled<T>(promise: Promise<T>): { value(): Promise<T> } {
  promise.catch(() => undefined);
  return { value: () => promise };
}
