/**
 * Dynamic loss scaling for f16 images, whose smallest number is 6e-8: the loss's gradient is multiplied by `scale`, the
 * optimizer divides it out again. A step whose gradient overflowed is skipped and halves the scale; after 2,000 good steps
 * it doubles (Micikevicius et al. 2018, Mixed Precision Training; the constants are those of torch.amp.GradScaler).
 */
export interface LossScaleState {
  readonly scale: number;
  /** Good steps since the scale last changed. */
  readonly goodSteps: number;
  /** Steps skipped so far. */
  readonly overflows: number;
}

export const INITIAL_LOSS_SCALE: LossScaleState = { scale: 65536, goodSteps: 0, overflows: 0 };

const GROWTH_INTERVAL = 2000;
/** Doubling stops here: gradients that survive 2^24 need no more. */
const LARGEST = 2 ** 24;

/** The state after a step. */
export function nextLossScale({ scale, goodSteps, overflows }: LossScaleState, overflowed: boolean): LossScaleState {
  if (overflowed) return { scale: Math.max(1, scale / 2), goodSteps: 0, overflows: overflows + 1 };
  if (goodSteps + 1 < GROWTH_INTERVAL) return { scale, goodSteps: goodSteps + 1, overflows };
  return { scale: Math.min(LARGEST, scale * 2), goodSteps: 0, overflows };
}
