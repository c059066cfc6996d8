/** What every network has in common: named parameters with PyTorch's shapes, and how they start. */

import type { Random } from '../base/random.js';
import { type GraphBuilder, type Shape, ShapeError, type Value } from '../graph/ir.js';

/** How a parameter starts (PyTorch's defaults): uniform in +-1/sqrt(fanIn), uniform in [0, 1), zeros, or ones (scales). */
export type Init =
  | { readonly kind: 'uniform'; readonly bound: number }
  | { readonly kind: 'unit' }
  | { readonly kind: 'inverse_softplus_unit' }
  | { readonly kind: 'zeros' }
  | { readonly kind: 'ones' };

export interface ParameterInfo {
  readonly name: string;
  /** PyTorch's shape: Conv2d [co,ci,kh,kw], Conv1d [co,ci,k], Linear [co,ci], vectors [c]. */
  readonly shape: readonly number[];
  readonly frozen: boolean;
  readonly init: Init;
}

/**
 * How far an output pixel sees, so that tiles can carry a halo. A network with `wrapsRows` (1-D convolutions along the
 * flattened image) depends on the image's width: its tiles must be full rows. With `globalMean` every output depends on
 * the mean over the whole image.
 */
export interface ReceptiveField {
  /** Pixels above and below, left and right. */
  readonly y: number;
  readonly x: number;
  readonly wrapsRows: boolean;
  readonly globalMean: boolean;
}

/** What a graph is for: a loss to be learnt from needs less than a prediction (src/models/bounded_projection.ts). */
export type NetworkUse = 'predict' | 'learn';

/** Declares parameters in a graph under their PyTorch names, in named_parameters() order. */
export class ParameterScope {
  readonly builder: GraphBuilder;
  readonly #infos: ParameterInfo[];
  readonly #prefix: string;

  readonly use: NetworkUse;
  /** Set by what clamps the output: how many bands of each pixel lie on a bound, [n,h,w,1]. */
  clamped: Value | undefined;

  constructor(builder: GraphBuilder, use: NetworkUse = 'predict', prefix = '', infos: ParameterInfo[] = []) {
    this.builder = builder;
    this.use = use;
    this.#prefix = prefix;
    this.#infos = infos;
  }

  /** The same list of parameters, with `prefix` before the names of those declared here. */
  child(prefix: string): ParameterScope {
    return new ParameterScope(this.builder, this.use, this.#prefix + prefix, this.#infos);
  }

  get infos(): readonly ParameterInfo[] {
    return this.#infos;
  }

  parameter(label: string, shape: readonly number[], init: Init, frozen = false): Value {
    const name = this.#prefix + label;
    this.#infos.push({ name, shape, frozen, init });
    return this.builder.parameter(name, storageShape(name, shape), !frozen);
  }

  /** Weight and bias of a convolution or linear layer: Kaiming-uniform with a = sqrt 5 is +-1/sqrt(fanIn) for both. */
  layer(
    name: string,
    shape: readonly number[],
    options: { zeros?: boolean; frozen?: boolean } = {},
  ): { weight: Value; bias: Value } {
    const fanIn = shape.slice(1).reduce((product, size) => product * size, 1);
    const init: Init = options.zeros === true ? { kind: 'zeros' } : { kind: 'uniform', bound: 1 / Math.sqrt(fanIn) };
    return {
      weight: this.parameter(`${name}.weight`, shape, init, options.frozen),
      bias: this.parameter(`${name}.bias`, [shape[0]!], init, options.frozen),
    };
  }
}

/** The graph's 4-D shape of a PyTorch parameter. */
function storageShape(name: string, shape: readonly number[]): Shape {
  const [a, b, c, d] = shape;
  switch (shape.length) {
    case 1:
      return [1, 1, 1, a!];
    case 2:
      return name.endsWith('endmembers') ? [1, 1, a!, b!] : [a!, b!, 1, 1];
    case 3:
      return [a!, b!, 1, c!];
    case 4:
      return [a!, b!, c!, d!];
    default:
      throw new ShapeError('parameter', name, `${shape.length} dimensions`);
  }
}

/** Initial numbers of one parameter; the same for the same state of `random`. */
export function initialValues(info: ParameterInfo, random: Random): Float32Array {
  const values = new Float32Array(info.shape.reduce((product, size) => product * size, 1));
  const { init } = info;
  if (init.kind === 'zeros') return values;
  if (init.kind === 'ones') return values.fill(1);
  for (let i = 0; i < values.length; i++) {
    const u = random.uniform();
    if (init.kind === 'uniform') values[i] = (2 * u - 1) * init.bound;
    else values[i] = init.kind === 'unit' ? u : inverseSoftplus(u);
  }
  return values;
}

/** x with log(1 + e^x) = y; y below 1e-6 is taken as 1e-6 (softplus never reaches 0). */
export function inverseSoftplus(y: number): number {
  const z = Math.max(y, 1e-6);
  return z > 30 ? z : Math.log(Math.expm1(z));
}
