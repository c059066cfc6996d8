/** What of a run's own state a checkpoint holds; src/train keeps it. */

/** Sums over the done batches of an epoch. */
export interface AverageState {
  weight: number;
  total: number;
  l1: number;
  l2: number;
  sam: number;
  gradient: number;
  gradNormSum: number;
  steps: number;
}

export type ScheduleKind = 'plateau' | 'cosine' | 'step' | 'constant';

export interface ScheduleState {
  readonly kind: ScheduleKind;
  /** Before warm-up. */
  readonly learningRate: number;
  /** Best validation loss; null before the first epoch. */
  readonly best: number | null;
  readonly badEpochs: number;
}

export interface EarlyStoppingState {
  /** Best validation loss; null before the first epoch. */
  readonly best: number | null;
  readonly badEpochs: number;
}

/** Dynamic loss scaling of fp16 (src/engine/loss_scale.ts). */
export interface LossScale {
  readonly scale: number;
  readonly goodSteps: number;
  readonly overflows: number;
}
