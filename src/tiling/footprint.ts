/**
 * Which part of every value is needed for a part of the output: what a tile must read. Works backwards through the graph of
 * the whole scene, so borders are exact: a region never reaches beyond the scene, and where it ends at the scene's border
 * the zero padding of a tile's convolutions is the network's own.
 */
import type { Graph, GraphNode, Shape, Value, ValueId } from '../graph/ir.js';
import { ShapeError } from '../graph/ir.js';

/** Rows [y0, y1) and columns [x0, x1). */
export interface Region {
  readonly y0: number;
  readonly y1: number;
  readonly x0: number;
  readonly x1: number;
}

/**
 * How a value lies on an image of h x w pixels: as it is [n,h,w,c], in raster order [n,1,h*w,c], or with wavelength as the
 * last axis [n,h*w,c,1]. Regions of 'line' are intervals of the raster, those of 'pixels' are regions of the image.
 */
export interface Layout {
  readonly kind: 'image' | 'line' | 'pixels';
  readonly h: number;
  readonly w: number;
}

export const area = ({ y0, y1, x0, x1 }: Region): number => Math.max(0, y1 - y0) * Math.max(0, x1 - x0);

export const sameRegion = (a: Region, b: Region): boolean =>
  a.y0 === b.y0 && a.y1 === b.y1 && a.x0 === b.x0 && a.x1 === b.x1;

export const contains = (outer: Region, inner: Region): boolean =>
  outer.y0 <= inner.y0 && outer.y1 >= inner.y1 && outer.x0 <= inner.x0 && outer.x1 >= inner.x1;

export function intersection(a: Region, b: Region): Region {
  return {
    y0: Math.max(a.y0, b.y0),
    y1: Math.min(a.y1, b.y1),
    x0: Math.max(a.x0, b.x0),
    x1: Math.min(a.x1, b.x1),
  };
}

/** The smallest region that holds both. */
export function hull(a: Region, b: Region): Region {
  return {
    y0: Math.min(a.y0, b.y0),
    y1: Math.max(a.y1, b.y1),
    x0: Math.min(a.x0, b.x0),
    x1: Math.max(a.x1, b.x1),
  };
}

/** All of a value, as a region of its layout. */
export function wholeRegion({ kind, h, w }: Layout): Region {
  return kind === 'line' ? { y0: 0, y1: 1, x0: 0, x1: h * w } : { y0: 0, y1: h, x0: 0, x1: w };
}

function grow(r: Region, dy: number, dx: number, bounds: Region): Region {
  return intersection({ y0: r.y0 - dy, y1: r.y1 + dy, x0: r.x0 - dx, x1: r.x1 + dx }, bounds);
}

/** A region of the image that holds a region of the layout: full rows for an interval of the raster. */
export function imageRegion(layout: Layout, r: Region): Region {
  if (layout.kind !== 'line') return r;
  return { y0: Math.floor(r.x0 / layout.w), y1: Math.ceil(r.x1 / layout.w), x0: 0, x1: layout.w };
}

/** A region of the layout that holds a region of the image. */
export function layoutRegion(layout: Layout, r: Region): Region {
  if (layout.kind !== 'line') return r;
  return { y0: 0, y1: 1, x0: r.y0 * layout.w + r.x0, x1: (r.y1 - 1) * layout.w + r.x1 };
}

// ---- layouts ----

/** Layouts of all values that are images; parameters, constants and what is computed from them alone have none. */
export function layoutsOf(graph: Graph): ReadonlyMap<ValueId, Layout> {
  const layouts = new Map<ValueId, Layout>();
  const image = ({ shape }: Value): Layout => ({ kind: 'image', h: shape[1], w: shape[2] });
  for (const value of graph.values) if (value.role === 'input') layouts.set(value.id, image(value));
  for (const node of graph.nodes) {
    const first = layouts.get(node.inputs[0]!);
    if (first === undefined) continue;
    for (const id of node.outputs) {
      const value = graph.values[id]!;
      const footprint = node.op.footprint;
      if (node.op.view === true) layouts.set(id, reshaped(node, first, graph, value.shape));
      else if (first.kind === 'image' || footprint?.kind === 'mean') layouts.set(id, image(value));
      else if (footprint?.kind === 'tables' || scaleOf(node) !== 1)
        throw new ShapeError('tiles', node.label, 'only an image can change its size');
      else layouts.set(id, first);
    }
  }
  return layouts;
}

function reshaped(node: GraphNode, from: Layout, graph: Graph, to: Shape): Layout {
  const { shape } = graph.values[node.inputs[0]!]!;
  const { h, w } = from;
  const c = from.kind === 'pixels' ? shape[2] : shape[3];
  const is = (rows: number, columns: number, channels: number) =>
    to[1] === rows && to[2] === columns && to[3] === channels;
  if (is(h, w, c)) return { kind: 'image', h, w };
  if (is(1, h * w, c)) return { kind: 'line', h, w };
  if (is(h * w, c, 1)) return { kind: 'pixels', h, w };
  throw new ShapeError('tiles', node.label, `[${shape.join(', ')}] to [${to.join(', ')}] mixes pixels`);
}

// ---- the footprint of each operator (src/graph/ir.ts) ----

/** First and last + 1 input position that rows [from, to) of a resampling table read. */
export function tableReach(table: Value, from: number, to: number): readonly [number, number] {
  const width = table.shape[3];
  let [first, last] = [Number.POSITIVE_INFINITY, 0];
  for (let o = from; o < to; o++) {
    const start = table.data![o * width]!;
    first = Math.min(first, start);
    last = Math.max(last, start + width - 1);
  }
  return [first, last];
}

/** The region of operand `index` that region `out` of the node's results needs; undefined for operands that are no images. */
export function operandRegion(
  graph: Graph,
  layouts: ReadonlyMap<ValueId, Layout>,
  node: GraphNode,
  index: number,
  out: Region,
): Region | undefined {
  const id = node.inputs[index];
  const layout = id === null || id === undefined ? undefined : layouts.get(id);
  if (layout === undefined) return undefined;
  const { op, attributes, label } = node;
  if (op.view === true) return layoutRegion(layout, imageRegion(layouts.get(node.outputs[0]!)!, out));
  const { footprint } = op;
  switch (footprint?.kind) {
    case 'pointwise':
      return footprint.perSample?.includes(index) === true ? wholeRegion(layout) : out;
    case 'window': {
      const [rows, columns] = footprint.reach(attributes);
      const first = layouts.get(node.inputs[0]!)!;
      if (first.kind === 'pixels') {
        if (rows > 0) throw new ShapeError('tiles', label, 'a kernel over unordered pixels');
        return out; // columns are wavelengths there
      }
      const scale = scaleOf(node);
      const plain = {
        y0: Math.floor(out.y0 / scale),
        y1: Math.ceil(out.y1 / scale),
        x0: Math.floor(out.x0 / scale),
        x1: Math.ceil(out.x1 / scale),
      };
      // a tile computes as much as it reads of operand 0, so it reads as much of the images beside it
      const read = grow(plain, rows, columns, wholeRegion(first));
      return footprint.beside?.includes(index) === true ? scaled(read, scale) : read;
    }
    case 'tables': {
      if (!footprint.through.includes(index)) return out;
      const [y0, y1] = tableReach(graph.values[node.inputs[footprint.rows]!]!, out.y0, out.y1);
      const [x0, x1] = tableReach(graph.values[node.inputs[footprint.columns]!]!, out.x0, out.x1);
      return { y0, y1, x0, x1 };
    }
    case 'mean':
      return wholeRegion(layout);
    case undefined:
      throw new ShapeError('tiles', label, `operator ${op.name} has no footprint`);
  }
}

/** The same region where every pixel is `scale` x `scale` pixels. */
export const scaled = ({ y0, y1, x0, x1 }: Region, scale: number): Region => ({
  y0: y0 * scale,
  y1: y1 * scale,
  x0: x0 * scale,
  x1: x1 * scale,
});

/** Result pixels for each of operand 0's, in each direction. */
export function scaleOf({ op, attributes }: GraphNode): number {
  return op.footprint?.kind === 'window' ? (op.footprint.scale?.(attributes) ?? 1) : 1;
}

/**
 * The region of every value that the wanted regions need, through these nodes (in the graph's order). Values that no node of
 * them makes are what a tile reads.
 */
export function neededRegions(
  graph: Graph,
  layouts: ReadonlyMap<ValueId, Layout>,
  nodes: readonly GraphNode[],
  wanted: ReadonlyMap<ValueId, Region>,
): Map<ValueId, Region> {
  const needed = new Map(wanted);
  for (const node of [...nodes].reverse()) {
    let out: Region | undefined;
    for (const id of node.outputs) {
      const region = needed.get(id);
      if (region !== undefined) out = out === undefined ? region : hull(out, region);
    }
    if (out === undefined) continue;
    node.inputs.forEach((id, index) => {
      const region = operandRegion(graph, layouts, node, index, out);
      if (region === undefined) return;
      const known = needed.get(id!);
      needed.set(id!, known === undefined ? region : hull(known, region));
    });
  }
  return needed;
}
