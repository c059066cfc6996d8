/**
 * The graph of one tile: a segment of the scene's graph, restricted to the regions that the wanted regions need. Every value
 * is kept on a region that holds the needed one; convolutions keep their input's region (their results are right where
 * they are needed), and where values of different regions meet, or a convolution would work much in vain, they are cropped.
 * Resampling tables are rows of the scene's own tables, so that a tile resamples exactly as the whole scene would; they are
 * inputs, so that all tiles of one shape share a program.
 */
import {
  type Footprint,
  type Graph,
  GraphBuilder,
  type GraphNode,
  nodeCost,
  type Shape,
  ShapeError,
  type Value,
  type ValueId,
} from '../graph/ir.js';
import { resampleOp } from '../graph/ops/resample.js';
import { reshape } from '../graph/ops/reshape.js';
import {
  area,
  contains,
  imageRegion,
  intersection,
  layoutRegion,
  neededRegions,
  operandRegion,
  type Region,
  sameRegion,
  scaled,
  scaleOf,
} from './footprint.js';
import type { Segment, SegmentedGraph } from './segments.js';

/** A part of a value of the scene's graph, under a name in the tile's graph. */
export interface TilePart {
  readonly name: string;
  readonly value: ValueId;
  /** In the layout of the value (src/tiling/footprint.ts). */
  readonly region: Region;
  readonly shape: Shape;
}

export interface TileGraph {
  readonly graph: Graph;
  /** Filled by the caller: parts of the scene and of maps, and means. */
  readonly reads: readonly TilePart[];
  /** Further inputs with their numbers: resampling tables. */
  readonly tables: readonly { readonly name: string; readonly data: Float32Array }[];
  /** Results; each region holds the wanted one. */
  readonly writes: readonly TilePart[];
  /** Equal for tiles that can share a program. */
  readonly key: string;
}

type Window = Extract<Footprint, { kind: 'window' }>;
type Tables = Extract<Footprint, { kind: 'tables' }>;

/** A convolution's input is cropped when that saves more than this share of its pixels. */
const CROP_SHARE = 0.13;
/** Multiply-adds for each pixel from which a convolution is dear beside a crop. */
const DEAR = 4096;

interface Stored {
  readonly value: Value;
  readonly region: Region;
}

/** @param wanted a region of every result of the segment: maps, sources of means, results */
export function tileGraph(scene: SegmentedGraph, segment: Segment, wanted: ReadonlyMap<ValueId, Region>): TileGraph {
  return new TileBuilder(scene, segment, wanted).build(wanted);
}

class TileBuilder {
  readonly #scene: SegmentedGraph;
  readonly #segment: Segment;
  readonly #needed: ReadonlyMap<ValueId, Region>;
  readonly #builder = new GraphBuilder();
  readonly #stored = new Map<ValueId, Stored>();
  readonly #parameters = new Map<ValueId, Value>();
  readonly #crops = new Map<string, Stored>();
  readonly #reads: TilePart[] = [];
  readonly #tables: { name: string; data: Float32Array }[] = [];

  constructor(scene: SegmentedGraph, segment: Segment, wanted: ReadonlyMap<ValueId, Region>) {
    this.#scene = scene;
    this.#segment = segment;
    this.#needed = neededRegions(scene.graph, scene.layouts, segment.nodes, wanted);
  }

  build(wanted: ReadonlyMap<ValueId, Region>): TileGraph {
    for (const id of this.#segment.reads) if (this.#needed.has(id)) this.#read(id);
    for (const node of this.#segment.nodes) this.#node(node);
    const writes = [...wanted.keys()].map((id, i) => {
      const { value, region } = this.#stored.get(id)!;
      const name = `write.${i}`;
      this.#builder.output(name, value);
      return { name, value: id, region, shape: value.shape };
    });
    const graph = this.#builder.build();
    const key = [
      this.#segment.index,
      ...graph.values.filter((v) => v.role === 'input').map((v) => v.shape.join()),
      // which values a node takes, too: a crop of one operand or of another has the same label and shape
      ...graph.nodes.map(({ label, inputs, outputs }) => {
        const results = outputs.map((id) => `${id}:${graph.values[id]!.shape.join()}`);
        return `${label} ${inputs.map((id) => id ?? '-').join()} ${results.join(' ')}`;
      }),
      ...writes.map(({ name }) => graph.outputs.get(name)),
    ].join(';');
    return { graph, reads: this.#reads, tables: this.#tables, writes, key };
  }

  #value(id: ValueId): Value {
    return this.#scene.graph.values[id]!;
  }

  /** Shape of a region of a value. */
  #shape(id: ValueId, region: Region): Shape {
    const { shape } = this.#value(id);
    const layout = this.#scene.layouts.get(id)!;
    if (layout.kind === 'pixels') return [1, area(region), shape[2], shape[3]];
    return [1, region.y1 - region.y0, region.x1 - region.x0, shape[3]];
  }

  #read(id: ValueId): void {
    const layout = this.#scene.layouts.get(id)!;
    // whole rows of what lies in raster order, so that it can become an image again
    const region = layoutRegion(layout, imageRegion(layout, this.#needed.get(id)!));
    const name = `read.${id}`;
    const shape = this.#shape(id, region);
    this.#stored.set(id, { value: this.#builder.input(name, shape), region });
    this.#reads.push({ name, value: id, region, shape });
  }

  #operand(id: ValueId): Stored {
    const stored = this.#stored.get(id);
    if (stored === undefined) throw new Error(`tiles: '${this.#value(id).name}' is not there`);
    return stored;
  }

  /** A value that is no image, as it is: a parameter, a constant that is no table, what is computed from them. */
  #plain(id: ValueId | null): Value | null {
    if (id === null) return null;
    const computed = this.#stored.get(id);
    if (computed !== undefined) return computed.value;
    const known = this.#parameters.get(id);
    if (known !== undefined) return known;
    const { name, shape, role, trainable, data } = this.#value(id);
    const value =
      role === 'parameter' ? this.#builder.parameter(name, shape, trainable === true) : this.#table(data!, shape);
    this.#parameters.set(id, value);
    return value;
  }

  #table(data: Float32Array, shape: Shape): Value {
    const name = `table.${this.#tables.length}`;
    this.#tables.push({ name, data });
    return this.#builder.input(name, shape);
  }

  /** Rows [from, to) of a resampling table, for an input that begins at `origin`. */
  #slice(id: ValueId, from: number, to: number, origin: number): Value {
    const { data, shape } = this.#value(id);
    const width = shape[3];
    const rows = data!.slice(from * width, to * width);
    for (let at = 0; at < rows.length; at += width) rows[at] = rows[at]! - origin;
    return this.#table(rows, [1, 1, to - from, width]);
  }

  /** The part of a value on a smaller region, by tables that copy. */
  #crop(id: ValueId, stored: Stored, region: Region): Stored {
    if (sameRegion(stored.region, region)) return stored;
    if (!contains(stored.region, region) || this.#scene.layouts.get(id)!.kind === 'pixels')
      throw new ShapeError('tiles', this.#value(id).name, 'cannot be cropped');
    const key = `${stored.value.id} ${region.y0} ${region.y1} ${region.x0} ${region.x1}`;
    const known = this.#crops.get(key);
    if (known !== undefined) return known;
    const copy = (first: number, count: number) =>
      this.#table(
        Float32Array.from({ length: 2 * count }, (_, i) => (i % 2 === 0 ? first + i / 2 : 1)),
        [1, 1, count, 2],
      );
    const rows = copy(region.y0 - stored.region.y0, region.y1 - region.y0);
    const columns = copy(region.x0 - stored.region.x0, region.x1 - region.x0);
    const label = `${this.#value(id).name}.crop`;
    const value = this.#builder.apply(resampleOp, [stored.value, rows, columns, null], {}, label)[0]!;
    const cropped = { value, region };
    this.#crops.set(key, cropped);
    return cropped;
  }

  #store(id: ValueId, stored: Stored): void {
    this.#stored.set(id, stored);
    if (this.#scene.exact.has(id)) this.#builder.keepExact(stored.value);
  }

  #emit(node: GraphNode, operands: readonly (Value | null)[], region: Region): void {
    const results = this.#builder.apply(node.op, operands, node.attributes, node.label);
    node.outputs.forEach((id, i) => {
      this.#store(id, { value: results[i]!, region });
    });
  }

  #node(node: GraphNode): void {
    const { footprint } = node.op;
    if (!this.#scene.layouts.has(node.outputs[0]!)) {
      const operands = node.inputs.map((id) => this.#plain(id));
      this.#emit(node, operands, { y0: 0, y1: 1, x0: 0, x1: 1 });
    } else if (node.outputs.every((id) => !this.#needed.has(id))) return;
    else if (node.op.view === true) this.#view(node);
    else if (footprint?.kind === 'window') this.#window(node, footprint);
    else if (footprint?.kind === 'tables') this.#tabled(node, footprint);
    else this.#pointwise(node, footprint?.kind === 'pointwise' ? (footprint.perSample ?? []) : []);
  }

  /** Operators that work on each pixel: images on their common region, the others (gates, endmembers) as they are. */
  #pointwise(node: GraphNode, perSample: readonly number[]): void {
    const images = node.inputs.filter(
      (id, i) => !perSample.includes(i) && id !== null && this.#scene.layouts.has(id),
    ) as ValueId[];
    const region = images.map((id) => this.#operand(id).region).reduce(intersection);
    const operands = node.inputs.map((id, i) => {
      if (id === null) return null;
      if (perSample.includes(i)) return this.#operand(id).value;
      return images.includes(id) ? this.#crop(id, this.#operand(id), region).value : this.#plain(id);
    });
    this.#emit(node, operands, region);
  }

  #window(node: GraphNode, { beside = [] }: Window): void {
    const { graph, layouts } = this.#scene;
    const x = node.inputs[0]!;
    let input = this.#operand(x);
    const needed = operandRegion(graph, layouts, node, 0, this.#needed.get(node.outputs[0]!)!)!;
    const saves = area(needed) < (1 - CROP_SHARE) * area(input.region);
    const others = node.inputs.filter((id, i) => beside.includes(i) && id !== null) as ValueId[];
    if (others.length > 0 || (saves && this.#isDear(node) && layouts.get(x)!.kind === 'image'))
      input = this.#crop(x, input, needed);
    const region = scaled(input.region, scaleOf(node));
    const operands = node.inputs.map((id, i) => {
      if (i === 0) return input.value;
      if (id === null || !this.#scene.layouts.has(id)) return this.#plain(id);
      if (others.includes(id)) return this.#crop(id, this.#operand(id), region).value;
      throw new ShapeError('tiles', node.label, `${node.op.inputs[i]} is an image that the footprint does not name`);
    });
    this.#emit(node, operands, region);
  }

  #isDear(node: GraphNode): boolean {
    const { shape } = this.#value(node.inputs[0]!);
    return nodeCost(this.#scene.graph, node).flops / 2 >= DEAR * shape[0] * shape[1] * shape[2];
  }

  /** Exactly the needed pixels: a table can begin and end anywhere. */
  #tabled(node: GraphNode, { through, rows, columns }: Tables): void {
    const region = this.#needed.get(node.outputs[0]!)!;
    const source = through.map((i) => this.#operand(node.inputs[i]!).region).reduce(intersection);
    const operands = node.inputs.map((id, i) => {
      if (id === null) return null;
      if (i === rows) return this.#slice(id, region.y0, region.y1, source.y0);
      if (i === columns) return this.#slice(id, region.x0, region.x1, source.x0);
      if (!this.#scene.layouts.has(id)) return this.#plain(id);
      return this.#crop(id, this.#operand(id), through.includes(i) ? source : region).value;
    });
    this.#emit(node, operands, region);
  }

  #view(node: GraphNode): void {
    const [from, to] = [node.inputs[0]!, node.outputs[0]!];
    const { value, region } = this.#operand(from);
    const image = imageRegion(this.#scene.layouts.get(from)!, region);
    const target = layoutRegion(this.#scene.layouts.get(to)!, image);
    const shaped = reshape(this.#builder, value, this.#shape(to, target), node.label);
    this.#store(to, { value: shaped, region: target });
  }
}
