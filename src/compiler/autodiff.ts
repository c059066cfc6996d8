/**
 * Reverse-mode differentiation of a graph's loss: a graph -> the graph with its backward nodes. Each operator's rule
 * stands in its file of src/graph/ops; here is only the order and the bookkeeping: sums of gradients are explicit nodes,
 * parameters' gradients are added to states `grad.<name>` (so that micro-batches add up), and nothing is computed that
 * no trainable parameter (or requested input) needs.
 */

import { BandliftError } from '../base/errors.js';
import {
  type GradientContext,
  type Graph,
  GraphBuilder,
  type GraphNode,
  prune,
  type Value,
  type ValueId,
} from '../graph/ir.js';
import { add, addInto } from '../graph/ops/add.js';
import { fill } from '../graph/ops/fill.js';

export interface DifferentiateOptions {
  /** Name of the output to differentiate: made by an operator with `lossGradient`. */
  readonly loss: string;
  /** Inputs whose gradients are wanted too; returned as outputs `grad.<name>`. */
  readonly inputs?: readonly string[];
}

/** Adds outputs `grad.<parameter>` for every trainable parameter that the loss depends on. */
export function differentiate(graph: Graph, options: DifferentiateOptions): Graph {
  const lossId = graph.outputs.get(options.loss);
  const lossNode = graph.nodes.find((node) => node.outputs[0] === lossId);
  if (lossId === undefined || lossNode?.op.lossGradient === undefined) {
    throw new BandliftError(`differentiate: output '${options.loss}' is not made by a loss operator`);
  }
  const rest = graph.nodes.filter((node) => node !== lossNode);
  const reverse = new Reverse(graph, rest, new Set(options.inputs ?? []));
  const { builder } = reverse;
  const { op, inputs, attributes, label } = lossNode;
  const operands = inputs.map((id) => (id === null ? null : builder.value(id)));
  const [terms, dpred] = builder.apply(op, operands, { ...attributes, ...op.lossGradient }, label);
  builder.output(options.loss, terms!);
  reverse.seed(inputs[0]!, dpred!);
  return prune(reverse.run());
}

/**
 * Vector-Jacobian product: the gradients of sum(output * seed), where the new input `seed.<output>` holds the seed.
 * This is how a single operator is tested.
 */
export function differentiateFrom(graph: Graph, output: string, inputs: readonly string[]): Graph {
  const id = graph.outputs.get(output);
  if (id === undefined) throw new BandliftError(`differentiateFrom: the graph has no output '${output}'`);
  const reverse = new Reverse(graph, graph.nodes, new Set(inputs));
  const { builder } = reverse;
  reverse.seed(id, builder.input(`seed.${output}`, builder.value(id).shape));
  return prune(reverse.run());
}

class Reverse {
  readonly builder: GraphBuilder;
  readonly #graph: Graph;
  readonly #nodes: readonly GraphNode[];
  readonly #wanted: ReadonlySet<string>;
  /** Values that a trainable parameter or a wanted input flows into. */
  readonly #needed = new Set<ValueId>();
  readonly #gradients = new Map<ValueId, Value>();

  constructor(graph: Graph, nodes: readonly GraphNode[], wanted: ReadonlySet<string>) {
    this.#graph = graph;
    this.#nodes = nodes;
    this.#wanted = wanted;
    this.builder = GraphBuilder.continue(graph, nodes);
    this.#findNeeded();
  }

  seed(id: ValueId, gradient: Value): void {
    this.#gradients.set(id, gradient);
  }

  run(): Graph {
    for (const node of [...this.#nodes].reverse()) {
      const reached = node.outputs.some((id) => this.#gradients.has(id));
      const useful = node.inputs.some((id) => id !== null && this.#needed.has(id));
      if (!reached || !useful) continue;
      if (node.op.gradient === undefined) {
        throw new BandliftError(`${node.op.name} '${node.label}' has no gradient rule`);
      }
      this.#checkReached(node);
      node.op.gradient(this.#context(node));
    }
    for (const value of this.#graph.values) {
      const gradient = this.#gradients.get(value.id);
      if (isLeaf(value, this.#wanted) && gradient !== undefined) this.builder.output(`grad.${value.name}`, gradient);
    }
    return this.builder.build();
  }

  #findNeeded(): void {
    for (const value of this.#graph.values) if (isLeaf(value, this.#wanted)) this.#needed.add(value.id);
    for (const node of this.#nodes) {
      if (node.inputs.some((id) => id !== null && this.#needed.has(id))) {
        for (const id of node.outputs) this.#needed.add(id);
      }
    }
  }

  /** A rule sees only the gradients that it asks for: one that reaches another output would be lost. */
  #checkReached({ op, outputs, label }: GraphNode): void {
    const { name, differentiates = [0] } = op;
    outputs.forEach((id, index) => {
      if (!this.#gradients.has(id) || differentiates.includes(index)) return;
      const asked = differentiates.join(', ');
      throw new BandliftError(
        `${name} '${label}': the loss depends on output ${index}, but the gradient rule covers output ${asked} only`,
      );
    });
  }

  #context(node: GraphNode): GradientContext {
    const builder = this.builder;
    const inputId = (index: number): ValueId => {
      const id = node.inputs[index];
      if (id === null || id === undefined) throw new BandliftError(`${node.label}: operand ${index} is absent`);
      return id;
    };
    return {
      builder,
      node,
      input: (index) => builder.value(inputId(index)),
      output: (index) => builder.value(node.outputs[index]!),
      outputGradient: (index) => {
        const gradient = this.#gradients.get(node.outputs[index]!);
        if (gradient === undefined) throw new BandliftError(`${node.label}: output ${index} does not reach the loss`);
        return gradient;
      },
      needs: (index) => node.inputs[index] != null && this.#needed.has(node.inputs[index]),
      contribute: (index, gradient) => this.#contribute(builder.value(inputId(index)), gradient),
      accumulator: (index) => this.#accumulator(builder.value(inputId(index))),
      setAccumulated: (index, sum) => this.#gradients.set(inputId(index), sum),
    };
  }

  #contribute(target: Value, gradient: Value): void {
    if (!this.#needed.has(target.id)) return;
    const label = `grad.${target.name}`;
    if (target.role === 'parameter') {
      const sum = this.builder.apply(addInto, [this.#accumulator(target), gradient], {}, label)[0]!;
      this.#gradients.set(target.id, sum);
      return;
    }
    const previous = this.#gradients.get(target.id);
    this.#gradients.set(target.id, previous === undefined ? gradient : add(this.builder, previous, gradient, label));
  }

  /** What an accumulating operator adds to. Only one thing may add to a value's gradient in place: it must not be shared. */
  #accumulator(target: Value): Value {
    const previous = this.#gradients.get(target.id);
    if (previous !== undefined) return previous;
    const label = `grad.${target.name}`;
    const isParameter = target.role === 'parameter' && target.trainable === true;
    return isParameter ? this.builder.state(label, target.shape) : fill(this.builder, 0, target.shape, label);
  }
}

const isLeaf = (value: Value, inputs: ReadonlySet<string>): boolean =>
  value.role === 'parameter' ? value.trainable === true : value.role === 'input' && inputs.has(value.name);
