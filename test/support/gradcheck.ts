/**
 * Finite differences in float64: the derivative of a scalar along random directions, beside the gradients that the
 * differentiated graph gives. Central differences of step h are off by O(h^2) and by rounding, 1e-16 |f| / h: about 1e-9
 * at h = 1e-6, while few ReLUs change sides within it.
 */
import { Random } from '../../src/base/random.js';
import type { Feeds } from './reference.js';

export interface DirectionalDerivative {
  readonly name: string;
  /** From finite differences. */
  readonly numeric: number;
  /** Inner product of the direction with the gradient of the differentiated graph. */
  readonly analytic: number;
}

/**
 * @param f the scalar as a function of all numbers
 * @param gradients `grad.<name>` for each of `names`
 * @param names parameters or inputs to move
 */
export function directionalDerivatives(
  f: (feeds: Feeds) => number,
  gradients: ReadonlyMap<string, Float64Array>,
  feeds: Feeds,
  names: readonly string[],
  step = 1e-6,
): DirectionalDerivative[] {
  const random = new Random(5);
  return names.map((name) => {
    const base = Float64Array.from(feeds.get(name)!);
    const direction = base.map(() => random.normal());
    const at = (scale: number) => f(new Map([...feeds, [name, base.map((v, i) => v + scale * direction[i]!)]]));
    const gradient = gradients.get(`grad.${name}`);
    if (gradient === undefined) throw new Error(`the differentiated graph has no output grad.${name}`);
    return {
      name,
      numeric: (at(step) - at(-step)) / (2 * step),
      analytic: gradient.reduce((sum, g, i) => sum + g * direction[i]!, 0),
    };
  });
}
