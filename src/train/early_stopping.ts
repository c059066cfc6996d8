/** Stops training when the validation loss has not improved for `patience` epochs. */

import type { EarlyStoppingState } from '../checkpoint/state.js';

export class EarlyStopping {
  readonly #patience: number;
  readonly #minDelta: number;
  #best = Number.POSITIVE_INFINITY;
  #badEpochs = 0;

  /** `patience` in epochs, 0 = never stop. A loss must fall by more than `minDelta` to count as better. */
  constructor(options: { patience: number; minDelta?: number }) {
    this.#patience = options.patience;
    this.#minDelta = options.minDelta ?? 0;
  }

  get stopped(): boolean {
    return this.#patience > 0 && this.#badEpochs >= this.#patience;
  }

  onEpochEnd(validationLoss: number): void {
    if (validationLoss < this.#best - this.#minDelta) {
      this.#best = validationLoss;
      this.#badEpochs = 0;
    } else this.#badEpochs += 1;
  }

  state(): EarlyStoppingState {
    return { best: Number.isFinite(this.#best) ? this.#best : null, badEpochs: this.#badEpochs };
  }

  load(state: EarlyStoppingState): void {
    this.#best = state.best ?? Number.POSITIVE_INFINITY;
    this.#badEpochs = state.badEpochs;
  }
}
