/** Two grids on the same ground. */

/** `up` fine pixels are as long as `down` coarse ones. */
export interface SpatialRatio {
  readonly up: number;
  readonly down: number;
}

/** Landsat's 30 m to 4 m, which AVIRIS-NG flight lines are brought to: 7.5. */
export const LANDSAT_TO_AVIRIS_NG: SpatialRatio = { up: 15, down: 2 };

/** Fine pixels along a coarse one. */
export const factorOf = ({ up, down }: SpatialRatio): number => up / down;

/** 7.5 -> 15 / 2; undefined for a factor below 1 and for one that is not a ratio of whole numbers up to 1000. */
export function ratioOf(factor: number): SpatialRatio | undefined {
  for (let down = 1; down <= 1000; down++) {
    const up = Math.round(factor * down);
    if (up >= down && Math.abs(up / down - factor) < 1e-9) return { up, down };
  }
  return undefined;
}

/** Fine pixels of `size` coarse ones, 34 -> 255 at 15 / 2. A size whose product is not whole loses the fraction at its far edge. */
export const fineSize = (size: number, { up, down }: SpatialRatio): number => Math.floor((size * up) / down);

/** Coarse pixels that lie whole in `size` fine ones: 22 -> 2, 23 -> 3 at 15 / 2. */
export const coarseSize = (size: number, { up, down }: SpatialRatio): number => Math.floor((size * down) / up);

/**
 * Coarse pixels of the largest patch in `size` fine pixels: a multiple of `down`, so that both grids end together, as in every
 * patch file. 23 -> 2 at 15 / 2.
 */
export function coarsePatchSize(size: number, ratio: SpatialRatio): number {
  const whole = coarseSize(size, ratio);
  return whole - (whole % ratio.down);
}
