/** Sensor noise: sigma(L)^2 = floor^2 + slope L, detector plus photon noise; L and sigma in uW cm-2 sr-1 nm-1. */
import type { NoiseModel } from '../spectra/oli_noise.js';

export { type NoiseModel, OLI_NOISE, sigmaAt } from '../spectra/oli_noise.js';

/** An AVIRIS-NG-like spectrometer: about 900:1 on bright ground at 600 nm, 450:1 at 1600 nm, falling towards both ends. */
export function spectrometerNoise(wavelength: number): NoiseModel {
  const blueEnd = 1 + 3 * Math.exp(-(wavelength - 380) / 35);
  const redEnd = 1 + 1.5 * Math.exp((wavelength - 2500) / 60);
  return { floor: (wavelength < 1000 ? 0.004 : 0.0016) * blueEnd * redEnd, slope: 4e-6 };
}
