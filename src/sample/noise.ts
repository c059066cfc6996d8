/** Sensor noise: sigma(L)^2 = floor^2 + slope L, detector plus photon noise; L and sigma in uW cm-2 sr-1 nm-1. */

export interface NoiseModel {
  readonly floor: number;
  readonly slope: number;
}

export const sigmaAt = (noise: NoiseModel, radiance: number): number =>
  Math.sqrt(noise.floor * noise.floor + noise.slope * Math.max(0, radiance));

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

export const OLI_NOISE: readonly NoiseModel[] = OLI_TYPICAL.map(([typical, snr]) => {
  const radiance = 0.1 * typical;
  const variance = (radiance / snr) ** 2;
  return { floor: Math.sqrt(OLI_FLOOR * variance), slope: ((1 - OLI_FLOOR) * variance) / radiance };
});

/** An AVIRIS-NG-like spectrometer: about 900:1 on bright ground at 600 nm, 450:1 at 1600 nm, falling towards both ends. */
export function spectrometerNoise(wavelength: number): NoiseModel {
  const blueEnd = 1 + 3 * Math.exp(-(wavelength - 380) / 35);
  const redEnd = 1 + 1.5 * Math.exp((wavelength - 2500) / 60);
  return { floor: (wavelength < 1000 ? 0.004 : 0.0016) * blueEnd * redEnd, slope: 4e-6 };
}
