/** Loss terms averaged over an epoch, weighted by valid pixels; the sums go into checkpoints so that a resumed epoch goes on. */
import type { AverageState } from '../checkpoint/state.js';
import type { LossTerms } from '../engine/types.js';

export class Averages {
  readonly #s: AverageState;

  constructor(state?: AverageState) {
    this.#s = state
      ? { ...state }
      : { weight: 0, total: 0, l1: 0, l2: 0, sam: 0, gradient: 0, gradNormSum: 0, steps: 0 };
  }

  add(terms: LossTerms, weight: number, gradNorm = 0): void {
    const s = this.#s;
    s.weight += weight;
    s.total += weight * terms.total;
    s.l1 += weight * terms.l1;
    s.l2 += weight * terms.l2;
    s.sam += weight * terms.sam;
    s.gradient += weight * terms.gradient;
    s.gradNormSum += gradNorm;
    s.steps += 1;
  }

  terms(): LossTerms {
    const { weight, total, l1, l2, sam, gradient } = this.#s;
    return { total: total / weight, l1: l1 / weight, l2: l2 / weight, sam: sam / weight, gradient: gradient / weight };
  }

  gradNorm(): number {
    return this.#s.gradNormSum / Math.max(1, this.#s.steps);
  }

  state(): AverageState {
    return { ...this.#s };
  }
}
