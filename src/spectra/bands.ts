/** Which bands of an airborne spectrometer stage 1 predicts. */

/** Atmospheric water vapour leaves no signal here (nm, both ends included); 2400 nm and longer is detector noise. */
export const DROPPED_RANGES: readonly (readonly [number, number])[] = [
  [1350, 1470],
  [1780, 1980],
  [2400, Number.POSITIVE_INFINITY],
];

/**
 * Numbers of the bands to keep: 425 -> 340 on AVIRIS-NG of 2017, 426 -> 339 on NEON (docs/specification.md, section 5).
 * @param wavelength band centres in nm
 */
export function keepBands(wavelength: ArrayLike<number>): Int32Array {
  const kept: number[] = [];
  for (let b = 0; b < wavelength.length; b++)
    if (!DROPPED_RANGES.some(([from, to]) => wavelength[b]! >= from && wavelength[b]! <= to)) kept.push(b);
  return Int32Array.from(kept);
}

/** Band regions that metrics are reported for (nm, both ends included); docs/specification.md, section 8. */
export const REGIONS = {
  vnir: [[400, 1000]],
  swir: [[1000, 2400]],
  clear: [
    [420, 890],
    [990, 1095],
    [1185, 1320],
    [1500, 1770],
    [2050, 2350],
  ],
} as const satisfies Record<string, readonly (readonly [number, number])[]>;

export type SpectralRegion = keyof typeof REGIONS;

/** 1 for the bands whose centre (nm) lies in the region, else 0. */
export function regionMask(wavelength: ArrayLike<number>, region: SpectralRegion): Uint8Array {
  return Uint8Array.from(wavelength, (w) => (REGIONS[region].some(([from, to]) => w >= from && w <= to) ? 1 : 0));
}
