/**
 * How a device keeps images: a storage type (f32, f16, bf16) and pixels padded to whole rows of bytes. Graph in, graph
 * out; on a device that keeps f32 without padding (the CPU) it is the same graph.
 *
 * Images are the [n,h,w,c] values between operators. Everything else stays f32 (f64) without padding: parameters and
 * their gradients, tables, targets, masks, and what has one pixel (gates, means, the attention's small layers).
 * Predictions and the sums they are made of are images of f32 (exact_values.ts). All images of one node have one type.
 * `convert` nodes are put where an image begins as an input, ends as an output, goes from 16 bits to f32 or back, is
 * wanted plain by an operator (OpDefinition.plainInputs), or is reshaped in a way that padding does not survive.
 */
import { type DType, type Graph, type GraphNode, type Value, type ValueId, valuePitch } from '../graph/ir.js';
import { convertOp } from '../graph/ops/convert.js';
import { exactNodes } from './exact_values.js';

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

/**
 * Which values are images: those that have pixels, or are kept alike with one that has, and do not belong to parameters
 * (what is computed from them elementwise, what is added to their gradients), whatever their shape.
 */
function imagesOf(graph: Graph): (id: ValueId) => boolean {
  const parent = graph.values.map((value) => value.id);
  const root = (id: ValueId): ValueId => {
    let at = id;
    while (parent[at] !== at) at = parent[at]!;
    return at;
  };
  const join = (a: ValueId, b: ValueId) => {
    parent[root(a)] = root(b);
  };
  for (const { op, inputs, outputs } of graph.nodes) {
    for (const i of op.alike ?? []) if (inputs[i] != null) join(inputs[i], outputs[0]!);
    for (const [input, output] of op.accumulates ?? [])
      if (inputs[input] != null && outputs[output] !== undefined) join(inputs[input]!, outputs[output]!);
  }
  const rootsOf = (wanted: (value: Value) => boolean) => new Set(graph.values.filter(wanted).map(({ id }) => root(id)));
  const kept = ['parameter', 'state', 'constant'];
  const ofParameters = rootsOf(({ role }) => kept.includes(role));
  const withPixels = rootsOf(({ shape: [, h, w] }) => h * w > 1);
  return (id) => graph.values[id]!.dtype === 'f32' && withPixels.has(root(id)) && !ofParameters.has(root(id));
}

export function assignStorage(graph: Graph, rules: StorageRules): Graph {
  if (rules.image === 'f32' && rules.rowBytes <= 4) return graph;
  return new Storage(graph, rules).result();
}

class Storage {
  readonly #graph: Graph;
  readonly #rules: StorageRules;
  readonly #values: Value[];
  readonly #nodes: GraphNode[] = [];
  readonly #isImage: (id: ValueId) => boolean;
  readonly #exact: ReadonlySet<GraphNode>;
  /** Values kept as images. */
  readonly #images = new Set<ValueId>();
  /** The same numbers in other forms, where those were wanted: by value, type and pitch. */
  readonly #copies = new Map<string, ValueId>();

  constructor(graph: Graph, rules: StorageRules) {
    this.#graph = graph;
    this.#rules = rules;
    this.#values = [...graph.values];
    this.#isImage = imagesOf(graph);
    this.#exact = exactNodes(graph);
    for (const node of graph.nodes) this.#node(node);
  }

  result(): Graph {
    const outputs = new Map([...this.#graph.outputs].map(([name, id]) => [name, this.#plain(id)] as const));
    return { values: this.#values, nodes: this.#nodes, outputs };
  }

  #node(node: GraphNode): void {
    const type = this.#exact.has(node) ? 'f32' : this.#rules.image;
    if (node.op.view === true) {
      this.#view(node, type);
      return;
    }
    const plain = new Set(node.op.plainInputs ?? []);
    const inputs = node.inputs.map((id, i) =>
      id === null ? null : plain.has(i) ? this.#plain(id) : this.#operand(id, type),
    );
    const plainOutputs = new Set(node.op.plainOutputs ?? []);
    node.outputs.forEach((id, i) => {
      if (this.#isImage(id) && !plainOutputs.has(i)) this.#makeImage(id, type);
    });
    // where images are f32 a device may still round operands
    const exact = type === 'f32' && node.op.roundsOperands === true && this.#exact.has(node);
    this.#nodes.push({ ...node, inputs, ...(exact ? { attributes: { ...node.attributes, exact } } : {}) });
  }

  /** A view where the bytes stay as they are, else a copy. */
  #view(node: GraphNode, type: ImageType): void {
    const [from, to] = [node.inputs[0]!, node.outputs[0]!];
    const source = this.#copies.get(formKey(from, type, this.#pitch(from, type))) ?? from;
    if (this.#isImage(to)) this.#makeImage(to, type);
    const [a, b] = [this.#values[source]!, this.#values[to]!];
    const dense = valuePitch(a) === a.shape[3] && valuePitch(b) === b.shape[3];
    const view = a.dtype === b.dtype && (dense || (a.shape[3] === b.shape[3] && valuePitch(a) === valuePitch(b)));
    this.#nodes.push({ ...node, inputs: [source], ...(view ? {} : { op: convertOp, attributes: {} }) });
  }

  /** The value as an operator takes it among its images of one type; what is no image stays as it is. */
  #operand(id: ValueId, type: ImageType): ValueId {
    const isInput = this.#values[id]!.role === 'input' && this.#isImage(id);
    return isInput || this.#images.has(id) ? this.#form(id, type, this.#pitch(id, type)) : id;
  }

  /** The value as f32 without padding. */
  #plain(id: ValueId): ValueId {
    return this.#images.has(id) ? this.#form(id, 'f32', this.#values[id]!.shape[3]) : id;
  }

  /** The value in this form: itself, or a copy that is made once. */
  #form(id: ValueId, dtype: ImageType, pitch: number): ValueId {
    const value = this.#values[id]!;
    if (value.dtype === dtype && valuePitch(value) === pitch) return id;
    const key = formKey(id, dtype, pitch);
    const before = this.#copies.get(key);
    if (before !== undefined) return before;
    const { name, shape } = value;
    const copy = this.#values.length;
    this.#values.push({ id: copy, name: `${name}.converted`, shape, dtype, pitch, role: 'node' });
    this.#nodes.push({ op: convertOp, inputs: [id], outputs: [copy], attributes: {}, label: `convert ${name}` });
    this.#copies.set(key, copy);
    return copy;
  }

  #pitch(id: ValueId, image: ImageType): number {
    return imagePitch(this.#values[id]!.shape[3], { image, rowBytes: this.#rules.rowBytes });
  }

  #makeImage(id: ValueId, dtype: ImageType): void {
    this.#values[id] = { ...this.#values[id]!, dtype, pitch: this.#pitch(id, dtype) };
    this.#images.add(id);
  }
}

const formKey = (id: ValueId, dtype: ImageType, pitch: number): string => `${id} ${dtype} ${pitch}`;
