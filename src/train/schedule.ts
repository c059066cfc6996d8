/**
 * Learning rate over time. `step` counts optimizer steps from 0. Every schedule is multiplied by a linear warm-up
 * (step + 1) / warmupSteps over the first steps. What a schedule remembers (only `plateau` does) goes into checkpoints.
 */

import { BandliftError, EXIT } from '../base/errors.js';
import type { ScheduleKind, ScheduleState } from '../checkpoint/state.js';

export interface ScheduleOptions {
  readonly kind: ScheduleKind;
  readonly learningRate: number;
  readonly warmupSteps: number;
  /** plateau, step: what the rate is multiplied with. */
  readonly factor: number;
  /** plateau: bad epochs that are tolerated. */
  readonly patience: number;
  /** step: epochs from one reduction to the next. */
  readonly stepEpochs: number;
  readonly minLearningRate: number;
  /** cosine: where it ends. */
  readonly totalSteps: number;
  readonly stepsPerEpoch: number;
}

export interface Schedule {
  /** Rate of optimizer step `step` (from 0). */
  learningRate(step: number): number;
  onEpochEnd(validationLoss: number): void;
  state(): ScheduleState;
  load(state: ScheduleState): void;
}

export function createSchedule(options: ScheduleOptions): Schedule {
  const { warmupSteps } = options;
  const core = options.kind === 'plateau' ? new Plateau(options) : new Formula(options);
  return {
    learningRate: (step) => core.rate(step) * (step < warmupSteps ? (step + 1) / warmupSteps : 1),
    onEpochEnd: (loss) => core.onEpochEnd(loss),
    state: () => core.state(),
    load: (state) => {
      if (state.kind !== options.kind)
        throw new BandliftError(
          'the checkpoint has another learning rate schedule',
          { field: 'schedule', found: state.kind, expected: options.kind },
          EXIT.usage,
        );
      core.load(state);
    },
  };
}

/** PyTorch's ReduceLROnPlateau (mode min, threshold_mode rel, cooldown 0), its defaults for threshold and eps. */
class Plateau {
  static readonly THRESHOLD = 1e-4;
  /** Reductions smaller than this are not made. */
  static readonly EPS = 1e-8;
  readonly #options: ScheduleOptions;
  #rate: number;
  #best = Number.POSITIVE_INFINITY;
  #badEpochs = 0;

  constructor(options: ScheduleOptions) {
    this.#options = options;
    this.#rate = options.learningRate;
  }

  rate(_step: number): number {
    return this.#rate;
  }

  onEpochEnd(loss: number): void {
    if (loss < this.#best * (1 - Plateau.THRESHOLD)) {
      this.#best = loss;
      this.#badEpochs = 0;
    } else this.#badEpochs += 1;
    if (this.#badEpochs <= this.#options.patience) return;
    const reduced = Math.max(this.#rate * this.#options.factor, this.#options.minLearningRate);
    if (this.#rate - reduced > Plateau.EPS) this.#rate = reduced;
    this.#badEpochs = 0;
  }

  state(): ScheduleState {
    const best = Number.isFinite(this.#best) ? this.#best : null;
    return { kind: 'plateau', learningRate: this.#rate, best, badEpochs: this.#badEpochs };
  }

  load(state: ScheduleState): void {
    this.#rate = state.learningRate;
    this.#best = state.best ?? Number.POSITIVE_INFINITY;
    this.#badEpochs = state.badEpochs;
  }
}

/** Schedules that follow from the step alone. */
class Formula {
  readonly #options: ScheduleOptions;

  constructor(options: ScheduleOptions) {
    this.#options = options;
  }

  rate(step: number): number {
    const { kind, learningRate, minLearningRate, warmupSteps, totalSteps, stepsPerEpoch, stepEpochs, factor } =
      this.#options;
    const floor = Math.min(minLearningRate, learningRate);
    if (kind === 'cosine') {
      // Loshchilov & Hutter 2017: half a cosine from the end of the warm-up to the last step
      const done = Math.max(0, step - warmupSteps) / Math.max(1, totalSteps - warmupSteps);
      return floor + ((learningRate - floor) * (1 + Math.cos(Math.PI * Math.min(1, done)))) / 2;
    }
    if (kind === 'step') {
      const reductions = Math.floor(Math.floor(step / stepsPerEpoch) / stepEpochs);
      return Math.max(floor, learningRate * factor ** reductions);
    }
    return learningRate;
  }

  onEpochEnd(_loss: number): void {}

  state(): ScheduleState {
    return { kind: this.#options.kind, learningRate: this.#options.learningRate, best: null, badEpochs: 0 };
  }

  load(_state: ScheduleState): void {}
}
