/** Which bands count: the good ones, all together and by the regions of docs/specification.md, section 8. */
import { REGIONS, regionMask, type SpectralRegion } from '../spectra/bands.js';
import type { Bands } from './types.js';

export interface BandRegion {
  readonly name: Bands;
  /** [bands], 1 = in the region and good. */
  readonly mask: Uint8Array;
  /** Ones of the mask, at least 1. */
  readonly bands: number;
}

/**
 * 'all' first, then the regions that hold a good band; only 'all' without wavelengths.
 * @param wavelength nm
 * @param good 1 = good band; all are without it
 */
export function bandRegions(bands: number, wavelength?: ArrayLike<number>, good?: ArrayLike<number>): BandRegion[] {
  const masks: [Bands, ArrayLike<number>][] = [['all', new Uint8Array(bands).fill(1)]];
  if (wavelength)
    for (const name of Object.keys(REGIONS) as SpectralRegion[]) masks.push([name, regionMask(wavelength, name)]);
  return masks
    .map(([name, inRegion]) => {
      const mask = Uint8Array.from({ length: bands }, (_, b) => (inRegion[b] === 1 && (good?.[b] ?? 1) !== 0 ? 1 : 0));
      return { name, mask, bands: mask.reduce((sum, m) => sum + m, 0) };
    })
    .filter((region) => region.bands > 0);
}
