/** Noise of Landsat's OLI, in radiance and, for cubes in reflectance, what it amounts to there. */

/** sigma(L)^2 = floor^2 + slope L: detector plus photon noise, L and sigma in the same unit. */
export interface NoiseModel {
  readonly floor: number;
  readonly slope: number;
}

export const sigmaAt = (noise: NoiseModel, value: number): number =>
  Math.sqrt(noise.floor * noise.floor + noise.slope * Math.max(0, value));

/**
 * OLI, bands coastal to swir2: signal to noise at the typical radiance (W m-2 sr-1 um-1, a tenth of our unit each),
 * rounded after Morfitt et al. (2015), Landsat-8 OLI Radiometric Performance On-Orbit, Remote Sensing 7(2), 2208-2237.
 */
const OLI_TYPICAL: readonly (readonly [radiance: number, snr: number])[] = [
  [40, 235],
  [40, 365],
  [30, 300],
  [22, 225],
  [14, 200],
  [4, 265],
  [1.7, 330],
];
/** Share of the variance at the typical radiance that is there without light. */
const OLI_FLOOR = 0.25;

/** Noise that has the ratio `snr` at the value `typical`. */
function modelAt(typical: number, snr: number): NoiseModel {
  const variance = (typical / snr) ** 2;
  return { floor: Math.sqrt(OLI_FLOOR * variance), slope: ((1 - OLI_FLOOR) * variance) / typical };
}

/** In uW cm-2 sr-1 nm-1. */
export const OLI_NOISE: readonly NoiseModel[] = OLI_TYPICAL.map(([typical, snr]) => modelAt(0.1 * typical, snr));

/** Sunlight above the atmosphere in OLI's bands, W m-2 um-1, rounded; after Thuillier's (2003) solar spectrum. */
const OLI_SUN = [1895, 2005, 1821, 1549, 952, 248, 85.5] as const;
/** The sun that turns typical radiances to reflectances: 45 degrees from the zenith. */
const COS_SUN = Math.SQRT1_2;

/** In reflectance, rho = pi L / (E cos 45 deg); the atmosphere is left out. */
export const OLI_REFLECTANCE_NOISE: readonly NoiseModel[] = OLI_TYPICAL.map(([typical, snr], band) =>
  modelAt((Math.PI * typical) / (OLI_SUN[band]! * COS_SUN), snr),
);
