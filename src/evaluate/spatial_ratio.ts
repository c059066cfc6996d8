/** Pixels of 4 m on a side of a Landsat pixel: 15 / 2. */
export const COARSE_PIXEL = 7.5;
