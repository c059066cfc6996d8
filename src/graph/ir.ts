/**
 * The graph: what is computed, without devices or memory. Immutable; every pass of src/compiler makes a new one.
 * Values are in static single assignment: a buffer that is added to (a gradient) appears as an old and a new value,
 * and only the memory plan knows that both are the same bytes.
 */

import { BandliftError } from '../base/errors.js';

/** [n, h, w, c], channels last. Weights keep PyTorch's order: [co, ci, kh, kw]; vectors are [1, 1, 1, c]. */
export type Shape = readonly [number, number, number, number];
/** Graphs are built in f32 and f64; f16 and bf16 come from src/compiler/storage_types.ts. */
export type DType = 'f32' | 'f64' | 'f16' | 'bf16';
export type ValueId = number;

/**
 * input: filled before a run; parameter: kept between runs, only read; state: kept between runs and replaced by a
 * later value at the same place (gradients, moments); constant: numbers known when the graph is built; node: computed.
 */
export type Role = 'input' | 'parameter' | 'state' | 'constant' | 'node';

export interface Value {
  readonly id: ValueId;
  readonly name: string;
  readonly shape: Shape;
  readonly dtype: DType;
  readonly role: Role;
  /** Elements between neighbouring pixels; absent: as many as there are channels. */
  readonly pitch?: number;
  /** Parameters: whether training changes them. */
  readonly trainable?: boolean;
  /** Constants: their numbers, in order. */
  readonly data?: Float32Array;
}

export type Attribute = number | string | boolean;
export type Attributes = Readonly<Record<string, Attribute>>;

export interface GraphNode {
  readonly op: OpDefinition;
  /** null where an optional operand is absent. */
  readonly inputs: readonly (ValueId | null)[];
  readonly outputs: readonly ValueId[];
  readonly attributes: Attributes;
  /** Where in the model it came from: named in errors and profiles. */
  readonly label: string;
}

export interface Graph {
  /** Indexed by ValueId. Passes may leave values behind that no node uses. */
  readonly values: readonly Value[];
  /** In an order in which they can be run. */
  readonly nodes: readonly GraphNode[];
  /** What is read after a run, by name. */
  readonly outputs: ReadonlyMap<string, ValueId>;
  /** Predictions: a device sums them in f32 even where it keeps images in 16 bits (src/compiler/exact_values.ts). */
  readonly exact?: ReadonlySet<ValueId>;
}

export interface ValueType {
  readonly shape: Shape;
  readonly dtype: DType;
}

export interface Cost {
  readonly flops: number;
  /** Bytes that must be read and written at least once. */
  readonly bytes: number;
}

/** A scalar parameter of an instruction: the attribute of the same name as a number, and back. */
export interface Parameter {
  /** Where the node does not have the attribute; without a fallback it must. */
  readonly fallback?: Attribute;
  encode(attribute: Attribute): number;
  decode(number: number): Attribute;
}

/**
 * Which pixels of its operands a node needs for some pixels of its results: what a tile of a scene must read (src/tiling).
 * Operands that have no pixels (parameters, tables, what is computed from them) need not be named.
 */
export type Footprint =
  /** The same pixels. Operands `perSample` hold one spectrum for a whole sample and are needed whole. */
  | { readonly kind: 'pointwise'; readonly perSample?: readonly number[] }
  /**
   * Of operand 0 the pixels up to `reach` rows and columns away; nothing lies beyond the image's border. `scale` results in
   * each direction for a pixel (default 1). Operands `beside` are images like the results; a tile computes as much as it reads
   * of operand 0, so it reads as much of them.
   */
  | {
      readonly kind: 'window';
      reach(attributes: Attributes): readonly [rows: number, columns: number];
      scale?(attributes: Attributes): number;
      readonly beside?: readonly number[];
    }
  /**
   * Of operands `through` what two constant tables point at, operands `rows` and `columns` (src/graph/ops/resample.ts has
   * their form); of other images the same pixels as of the results.
   */
  | { readonly kind: 'tables'; readonly through: readonly number[]; readonly rows: number; readonly columns: number }
  /** The result is the mean over the pixels of each sample: a scene is cut behind it. */
  | { readonly kind: 'mean' };

/**
 * Everything TypeScript knows about one operator; no other file asks which operator a node has. Operands stand in the order
 * of its line in native/ops. An operator that is differentiated is part of networks, so it must tell its footprint.
 */
export type OpDefinition = OpTraits &
  (
    | { readonly gradient?: undefined; readonly footprint?: Footprint; readonly view?: undefined }
    | { gradient(context: GradientContext): void; readonly footprint: Footprint; readonly view?: undefined }
    /** The operand's bytes under another shape: no instruction, the memory plan gives it the same place. */
    | { gradient(context: GradientContext): void; readonly footprint?: undefined; readonly view: true }
  );

interface OpTraits {
  /** The instruction it becomes; a view becomes none. */
  readonly name: string;
  /** Names of the operands, as in the instruction's line in native/ops. */
  readonly inputs: readonly string[];
  /** A node may have fewer outputs than these: the instruction's last ones are absent then. */
  readonly outputs: readonly string[];
  /** Shape rule: checks operands, returns the outputs' types; errors name the operator and the shapes. */
  infer(operands: readonly (ValueType | null)[], attributes: Attributes, label: string): readonly ValueType[];
  cost(operands: readonly (ValueType | null)[], results: readonly ValueType[], attributes: Attributes): Cost;

  // ---- gradient ----

  /** Outputs whose gradients the rule takes; a loss that depends on another is refused. Default: output 0. */
  readonly differentiates?: readonly number[];
  /** Loss operators: the attributes that make the node also return the gradient of its first operand, as output 1. */
  readonly lossGradient?: Attributes;

  // ---- memory ----

  /** [input, output] pairs that may share memory, when the input is not needed afterwards. */
  readonly inPlace?: readonly (readonly [number, number])[];
  /** [input, output] pairs that are the same memory: output = input + something. */
  readonly accumulates?: readonly (readonly [number, number])[];
  /** Whether an accumulated input is an operand of the instruction too (default: only its output is). */
  readonly passesAccumulator?: boolean;

  // ---- the instruction ----

  /** Scalar parameters, in order. */
  readonly params?: Readonly<Record<string, Parameter>>;
  /** Whether the last operand is scratch memory. */
  readonly workspace?: boolean;

  // ---- how a device keeps images (src/compiler/storage_types.ts, exact_values.ts) ----

  /** Inputs that stay f32 without padding (targets, masks, statistics). */
  readonly plainInputs?: readonly number[];
  /** Outputs that stay f32 without padding although they have pixels (statistics of each pixel). */
  readonly plainOutputs?: readonly number[];
  /** Images of one kind with output 0, so that all are kept alike even where one of them has a single pixel. */
  readonly alike?: readonly number[];
  /**
   * Images that the results are sums of, or are held to: where the results are a prediction they are kept in f32 as well.
   * Empty where the operator does something else, with trained weights above all. Default: empty.
   */
  summands?(attributes: Attributes, isFrozen: (input: number) => boolean): readonly number[];
  /** Only reads a prediction, operand 0, and computes in f32 where that is kept in f32. */
  readonly readsPrediction?: boolean;
  /** A device may round its f32 operands (to tf32), unless the node has the attribute `exact`. */
  readonly roundsOperands?: boolean;

  // ---- fusion (src/compiler/fuse.ts) ----

  /** What this node does to its operand, which the node that makes the operand may do on the way. */
  foldsAs?(attributes: Attributes): Fold | undefined;
  /** The folds that this operator takes, and where. */
  readonly takes?: {
    /** Operand for a sum after everything else, while it is free. */
    readonly addition?: { readonly operand: number; isFree(node: GraphNode): boolean };
    /** It has the attribute `activation`. */
    readonly activation?: true;
    /** Operand for the y of a ReLU's backward, applied last. */
    readonly mask?: number;
    /** Operand for the gradient of each sample's mean; must be put in before `mask`. */
    readonly spread?: number;
  };
}

/**
 * addition    a + b
 * activation  a pointwise function, the attribute `kind`
 * mask        dy where y > 0: operands y, dy
 * spread      a sample's spectrum over all its pixels, divided by their number
 */
export type Fold = 'addition' | 'activation' | 'mask' | 'spread';

/** The scalar parameters of a node's instruction. */
export function parameterNumbers({ op, attributes, label }: GraphNode): number[] {
  return Object.entries(op.params ?? {}).map(([name, parameter]) => {
    const attribute = attributes[name] ?? parameter.fallback;
    if (attribute === undefined) throw new ShapeError(op.name, label, `attribute ${name} is missing`);
    return parameter.encode(attribute);
  });
}

/** What a gradient rule sees; given by src/compiler/autodiff.ts. */
export interface GradientContext {
  readonly builder: GraphBuilder;
  readonly node: GraphNode;
  input(index: number): Value;
  output(index: number): Value;
  /** The gradient of the loss with respect to output `index`. */
  outputGradient(index: number): Value;
  /** Whether anything wants the gradient of this input. */
  needs(index: number): boolean;
  /** Adds a contribution to the gradient of this input. */
  contribute(index: number, gradient: Value): void;
  /** For operators that add to a gradient themselves: the sum so far (zeros at first), then the new sum. */
  accumulator(index: number): Value;
  setAccumulated(index: number, sum: Value): void;
}

export function elements(shape: Shape): number {
  return shape[0] * shape[1] * shape[2] * shape[3];
}

/** Elements between neighbouring pixels. */
export function valuePitch(value: { readonly shape: Shape; readonly pitch?: number }): number {
  return value.pitch ?? value.shape[3];
}

/** Bytes of a value, the padding of its pixels included. */
export function byteLength(type: ValueType & { readonly pitch?: number }): number {
  const [n, h, w] = type.shape;
  const size = type.dtype === 'f64' ? 8 : type.dtype === 'f32' ? 4 : 2;
  return n * h * w * valuePitch(type) * size;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a[0] === b[0] && a[1] === b[1] && a[2] === b[2] && a[3] === b[3];
}

export function formatShape(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}

/** "conv2d 'final_conv': x has 7 bands, weight [..] expects 8". */
export class ShapeError extends BandliftError {
  override name = 'ShapeError';
  constructor(op: string, label: string, message: string) {
    super(`${op}${label === '' ? '' : ` '${label}'`}: ${message}`);
  }
}

/** Collects values and nodes; `build` returns the immutable graph. */
export class GraphBuilder {
  readonly #values: Value[] = [];
  readonly #nodes: GraphNode[] = [];
  readonly #outputs = new Map<string, ValueId>();
  readonly #exact = new Set<ValueId>();

  /** A builder that continues an existing graph: the same values, `nodes` in place of its nodes. */
  static continue(graph: Graph, nodes: readonly GraphNode[] = graph.nodes): GraphBuilder {
    const builder = new GraphBuilder();
    builder.#values.push(...graph.values);
    builder.#nodes.push(...nodes);
    for (const [name, id] of graph.outputs) builder.#outputs.set(name, id);
    for (const id of graph.exact ?? []) builder.#exact.add(id);
    return builder;
  }

  #value(name: string, type: ValueType, role: Role, extra: { trainable?: boolean; data?: Float32Array } = {}): Value {
    for (const size of type.shape) {
      if (!Number.isSafeInteger(size) || size < 1) {
        throw new ShapeError(role, name, `shape ${formatShape(type.shape)} must hold whole numbers of at least 1`);
      }
    }
    if (!Number.isSafeInteger(elements(type.shape) * 8)) {
      throw new ShapeError(role, name, `shape ${formatShape(type.shape)} is too large to address`);
    }
    const value: Value = { id: this.#values.length, name, shape: type.shape, dtype: type.dtype, role, ...extra };
    this.#values.push(value);
    return value;
  }

  input(name: string, shape: Shape, dtype: DType = 'f32'): Value {
    return this.#value(name, { shape, dtype }, 'input');
  }

  parameter(name: string, shape: Shape, trainable = true): Value {
    return this.#value(name, { shape, dtype: 'f32' }, 'parameter', { trainable });
  }

  state(name: string, shape: Shape, dtype: DType = 'f32'): Value {
    return this.#value(name, { shape, dtype }, 'state');
  }

  constant(name: string, shape: Shape, data: Float32Array): Value {
    if (data.length !== elements(shape)) {
      throw new ShapeError('constant', name, `${data.length} numbers for shape ${formatShape(shape)}`);
    }
    return this.#value(name, { shape, dtype: 'f32' }, 'constant', { data });
  }

  /** Adds a node; shapes come from the operator's rule. */
  apply(op: OpDefinition, operands: readonly (Value | null)[], attributes: Attributes, label: string): Value[] {
    const types = op.infer(operands, attributes, label);
    const outputs = types.map((type, i) => this.#value(i === 0 ? label : `${label}:${i}`, type, 'node'));
    this.#nodes.push({
      op,
      inputs: operands.map((v) => v?.id ?? null),
      outputs: outputs.map((v) => v.id),
      attributes,
      label,
    });
    return outputs;
  }

  output(name: string, value: Value): void {
    this.#outputs.set(name, value.id);
  }

  /** Says that a value is a prediction (Graph.exact). */
  keepExact(value: Value): void {
    this.#exact.add(value.id);
  }

  value(id: ValueId): Value {
    return this.#values[id]!;
  }

  build(): Graph {
    const outputs = new Map(this.#outputs);
    return { values: [...this.#values], nodes: [...this.#nodes], outputs, exact: new Set(this.#exact) };
  }
}

/** The graph without the nodes that no output depends on. */
export function prune(graph: Graph): Graph {
  const wanted = new Set(graph.outputs.values());
  const nodes: GraphNode[] = [];
  for (const node of [...graph.nodes].reverse()) {
    if (!node.outputs.some((id) => wanted.has(id))) continue;
    nodes.push(node);
    for (const id of node.inputs) if (id !== null) wanted.add(id);
  }
  return { ...graph, nodes: nodes.reverse() };
}

/** FLOPs and minimal traffic of all nodes. */
export function graphCost(graph: Graph): Cost {
  let flops = 0;
  let bytes = 0;
  for (const node of graph.nodes) {
    const cost = nodeCost(graph, node);
    flops += cost.flops;
    bytes += cost.bytes;
  }
  return { flops, bytes };
}

export function nodeCost(graph: Graph, node: GraphNode): Cost {
  return node.op.cost(
    node.inputs.map((id) => (id === null ? null : graph.values[id]!)),
    node.outputs.map((id) => graph.values[id]!),
    node.attributes,
  );
}
