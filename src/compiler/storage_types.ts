/**
 * How a device keeps images: a storage type (f32, f16, bf16) and pixels padded to whole rows of bytes. Graph in, graph
 * out; on a device that keeps f32 without padding (the CPU) it is the same graph.
 *
 * Images are the [n,h,w,c] values between operators. Everything else stays f32 (f64) without padding: parameters and
 * their gradients, tables, targets, masks, and what has one pixel (gates, means, the attention's small layers).
 * `convert` nodes are put where an image begins as an input, ends as an output, is wanted plain by an operator
 * (OpDefinition.plain), or is reshaped in a way that padding does not survive.
 */
import { type DType, type Graph, type GraphNode, type Value, type ValueId, valuePitch } from '../graph/ir.js';
import { convertOp } from '../graph/ops/convert.js';

export type ImageType = 'f32' | 'f16' | 'bf16';

export interface StorageRules {
  readonly image: ImageType;
  /** Pixels of more than one channel start at multiples of this many bytes (1: no padding). */
  readonly rowBytes: number;
}

const SIZE: Readonly<Record<DType, number>> = { f16: 2, bf16: 2, f32: 4, f64: 8 };

/** Elements between pixels of an image of c channels. */
export function imagePitch(c: number, rules: StorageRules): number {
  const perRow = Math.max(1, rules.rowBytes / SIZE[rules.image]);
  return c === 1 ? 1 : Math.ceil(c / perRow) * perRow;
}

/** Whether a value of this shape between operators is kept as an image. */
const isImageShaped = ({ shape: [, h, w], dtype }: Value): boolean => dtype === 'f32' && h * w > 1;

export function assignStorage(graph: Graph, rules: StorageRules): Graph {
  if (rules.image === 'f32' && rules.rowBytes <= 4) return graph;
  return new Storage(graph, rules).result();
}

class Storage {
  readonly #graph: Graph;
  readonly #rules: StorageRules;
  readonly #values: Value[];
  readonly #nodes: GraphNode[] = [];
  /** Values kept as images. */
  readonly #images = new Set<ValueId>();
  /** The same numbers in the other form, where both were wanted. */
  readonly #asImage = new Map<ValueId, ValueId>();
  readonly #asPlain = new Map<ValueId, ValueId>();

  constructor(graph: Graph, rules: StorageRules) {
    this.#graph = graph;
    this.#rules = rules;
    this.#values = [...graph.values];
    for (const node of graph.nodes) this.#node(node);
  }

  result(): Graph {
    const outputs = new Map([...this.#graph.outputs].map(([name, id]) => [name, this.#plain(id)] as const));
    return { values: this.#values, nodes: this.#nodes, outputs };
  }

  #node(node: GraphNode): void {
    if (node.op.name === 'reshape') {
      this.#reshape(node);
      return;
    }
    const plain = new Set(node.op.plain ?? []);
    const inputs = node.inputs.map((id, i) =>
      id === null ? null : plain.has(i) ? this.#plain(id) : this.#operand(id),
    );
    const accumulated = new Set((node.op.accumulates ?? []).map(([, output]) => output));
    node.outputs.forEach((id, i) => {
      if (!accumulated.has(i) && isImageShaped(this.#values[id]!)) this.#makeImage(id);
    });
    this.#nodes.push({ ...node, inputs });
  }

  /** A view where the bytes stay as they are, else a copy. */
  #reshape(node: GraphNode): void {
    const [from, to] = [node.inputs[0]!, node.outputs[0]!];
    const source = this.#images.has(from) ? from : (this.#asImage.get(from) ?? from);
    if (isImageShaped(this.#values[to]!)) this.#makeImage(to);
    const [a, b] = [this.#values[source]!, this.#values[to]!];
    const dense = valuePitch(a) === a.shape[3] && valuePitch(b) === b.shape[3];
    const view = a.dtype === b.dtype && (dense || (a.shape[3] === b.shape[3] && valuePitch(a) === valuePitch(b)));
    this.#nodes.push({ ...node, inputs: [source], ...(view ? {} : { op: convertOp, attributes: {} }) });
  }

  /** The value as an operator takes it among its images: converted where it is a plain input of an image's shape. */
  #operand(id: ValueId): ValueId {
    const value = this.#values[id]!;
    if (this.#images.has(id) || value.role !== 'input' || !isImageShaped(value)) return id;
    if (this.#rules.image === 'f32' && imagePitch(value.shape[3], this.#rules) === value.shape[3]) return id;
    return this.#once(this.#asImage, id, (copy) => this.#makeImage(copy));
  }

  /** The value as f32 without padding. */
  #plain(id: ValueId): ValueId {
    const value = this.#values[id]!;
    if (!this.#images.has(id) || (value.dtype === 'f32' && valuePitch(value) === value.shape[3])) return id;
    return this.#once(this.#asPlain, id, () => undefined);
  }

  #once(known: Map<ValueId, ValueId>, id: ValueId, finish: (copy: ValueId) => void): ValueId {
    const before = known.get(id);
    if (before !== undefined) return before;
    const { name, shape } = this.#values[id]!;
    const copy = this.#values.length;
    this.#values.push({ id: copy, name: `${name}.converted`, shape, dtype: 'f32', role: 'node' });
    finish(copy);
    this.#nodes.push({ op: convertOp, inputs: [id], outputs: [copy], attributes: {}, label: `convert ${name}` });
    known.set(id, copy);
    return copy;
  }

  #makeImage(id: ValueId): void {
    const value = this.#values[id]!;
    const pitch = imagePitch(value.shape[3], this.#rules);
    this.#values[id] = { ...value, dtype: this.#rules.image, pitch };
    this.#images.add(id);
  }
}
