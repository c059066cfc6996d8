/**
 * Sun and atmosphere of a flight line: from surface reflectance to at-sensor radiance. A band model, not a radiative
 * transfer code: positions and relative depths of the absorption bands are real, the amounts are rounded.
 *
 *   L = Lpath + (E0 mu0 / pi) (Tdirect illumination + Tdiffuse) Tup rho / (1 - S rho)
 *
 * with L in uW cm-2 sr-1 nm-1, computed at 1 nm and averaged over each band's Gaussian width.
 */
import { FWHM_SIGMAS } from '../base/gaussian.js';
import { gaussians } from './absorption.js';

export interface AtmosphereOptions {
  /** Precipitable water, cm. */
  readonly waterVapour: number;
  /** Optical depth at 550 nm. */
  readonly aerosol: number;
  /** Wavelength exponent of the aerosol. */
  readonly angstrom: number;
  /** Degrees. */
  readonly sunZenith: number;
  /** Height of the ground, km; thins the Rayleigh column. */
  readonly altitude: number;
}

/** Per band; see the formula above. */
export interface BandAtmosphere {
  readonly path: Float64Array;
  /** Multiplies illumination * rho / (1 - S rho). */
  readonly direct: Float64Array;
  readonly diffuse: Float64Array;
  readonly sphericalAlbedo: Float64Array;
}

const FIRST = 340;
const LAST = 2560;
const GRID = Float64Array.from({ length: LAST - FIRST + 1 }, (_, i) => FIRST + i);

/** Planck at 5772 K seen under the sun's solid angle, with the strongest Fraunhofer lines: uW cm-2 nm-1 above the atmosphere. */
function solarIrradiance(w: number): number {
  const metres = w * 1e-9;
  const [h, c, k] = [6.62607015e-34, 299792458, 1.380649e-23];
  const radiance = (2 * h * c * c) / metres ** 5 / Math.expm1((h * c) / (metres * k * 5772));
  const solidAngle = Math.PI * (6.957e8 / 1.495978707e11) ** 2;
  const lines = gaussians(w, [
    [372, 14, 0.25],
    [384, 5, 0.25],
    [395, 4, 0.42],
    [431, 3, 0.18],
    [486, 2, 0.1],
    [517, 3, 0.12],
    [527, 2, 0.06],
    [589, 1.5, 0.06],
    [656, 1.5, 0.12],
    [854, 2, 0.05],
  ]);
  // W m-2 m-1 -> uW cm-2 nm-1: 1e-9 m per nm, 100 uW cm-2 per W m-2
  return radiance * solidAngle * 1e-7 * (1 - lines);
}

/** Optical depth of 1 cm of water vapour; grows with the amount to the power 0.62, as saturated lines do. */
const waterVapour = (w: number) =>
  gaussians(w, [
    [592, 4, 0.012],
    [650, 4, 0.012],
    [696, 5, 0.03],
    [718, 4, 0.16],
    [728, 5, 0.12],
    [788, 5, 0.012],
    [815, 5, 0.1],
    [824, 5, 0.09],
    [834, 5, 0.04],
    [898, 7, 0.13],
    [912, 7, 0.28],
    [934, 8, 0.62],
    [945, 7, 0.48],
    [960, 9, 0.3],
    [977, 9, 0.12],
    [1113, 8, 0.5],
    [1123, 7, 0.42],
    [1135, 9, 0.62],
    [1150, 10, 0.36],
    [1168, 9, 0.12],
    [1266, 14, 0.025],
    [1330, 16, 0.35],
    [1362, 18, 3.2],
    [1392, 20, 3.6],
    [1425, 22, 1.2],
    [1465, 22, 0.35],
    [1500, 25, 0.1],
    [1740, 22, 0.06],
    [1785, 18, 0.45],
    [1830, 24, 3.2],
    [1875, 26, 4.2],
    [1920, 24, 1.6],
    [1965, 20, 0.35],
    [2010, 30, 0.08],
    [2200, 60, 0.03],
    [2380, 40, 0.12],
    [2440, 35, 0.28],
    [2560, 60, 1.2],
  ]);

/** Well mixed gases and ozone, optical depth at one air mass. */
const otherGases = (w: number) =>
  gaussians(w, [
    [600, 55, 0.032],
    [340, 14, 0.2],
    [628.5, 2.5, 0.035],
    [687.5, 2.2, 0.22],
    [761, 1.8, 0.75],
    [765.5, 3.2, 0.4],
    [1064, 6, 0.012],
    [1268, 6, 0.11],
    [1574, 7, 0.02],
    [1606, 7, 0.025],
    [1648, 12, 0.015],
    [1960, 10, 0.2],
    [2004, 10, 0.36],
    [2015, 8, 0.24],
    [2060, 10, 0.26],
    [2195, 20, 0.02],
    [2318, 22, 0.07],
    [2365, 25, 0.09],
  ]);

const SOLAR = GRID.map(solarIrradiance);
const VAPOUR = GRID.map(waterVapour);
const GASES = GRID.map(otherGases);

/** Averages a curve on the 1 nm grid over Gaussian bands. */
export function bandAverage(curve: Float64Array, wavelength: ArrayLike<number>, fwhm: ArrayLike<number>): Float64Array {
  return Float64Array.from(wavelength, (centre, b) => {
    const sigma = fwhm[b]! / FWHM_SIGMAS;
    const from = Math.max(0, Math.floor(centre - 3 * sigma) - FIRST);
    const to = Math.min(GRID.length - 1, Math.ceil(centre + 3 * sigma) - FIRST);
    let sum = 0;
    let total = 0;
    for (let i = from; i <= to; i++) {
      const weight = Math.exp(-0.5 * ((GRID[i]! - centre) / sigma) ** 2);
      sum += weight * curve[i]!;
      total += weight;
    }
    return sum / total;
  });
}

/** The four curves of the formula at the spectrometer's bands (nm). */
export function bandAtmosphere(
  o: AtmosphereOptions,
  wavelength: ArrayLike<number>,
  fwhm: ArrayLike<number>,
): BandAtmosphere {
  const mu0 = Math.cos((o.sunZenith * Math.PI) / 180);
  const airMass = 1 / mu0 + 1;
  const path = new Float64Array(GRID.length);
  const direct = new Float64Array(GRID.length);
  const diffuse = new Float64Array(GRID.length);
  const albedo = new Float64Array(GRID.length);
  for (let i = 0; i < GRID.length; i++) {
    const um = GRID[i]! / 1000;
    const rayleigh = 0.008569 * um ** -4 * (1 + 0.0113 * um ** -2) * Math.exp(-o.altitude / 8);
    const aerosol = o.aerosol * (um / 0.55) ** -o.angstrom;
    const gas = Math.exp(-VAPOUR[i]! * (o.waterVapour * airMass) ** 0.62 - GASES[i]! * airMass);
    const scattering = rayleigh + 0.92 * aerosol;
    const down = Math.exp(-(rayleigh + aerosol) / mu0);
    // of what is scattered, half of Rayleigh and most of the aerosol's goes forward and still arrives
    const skylight = Math.max(0, Math.exp(-(0.5 * rayleigh + 0.25 * aerosol) / mu0) - down);
    const up = Math.exp(-(0.5 * rayleigh + 0.25 * aerosol));
    const irradiance = (SOLAR[i]! * mu0) / Math.PI;
    direct[i] = irradiance * down * up * gas;
    diffuse[i] = irradiance * skylight * up * gas;
    albedo[i] = 0.9 * (1 - Math.exp(-(0.5 * rayleigh + 0.2 * aerosol)));
    // single scattering into nadir; the phase functions at 180 - zenith degrees
    const phase = (0.75 * (1 + mu0 * mu0) * rayleigh + 0.35 * aerosol) / Math.max(1e-9, scattering);
    const scattered = (phase * (1 - Math.exp(-scattering * airMass))) / (4 * (1 + mu0));
    path[i] = irradiance * scattered * Math.sqrt(gas);
  }
  const average = (curve: Float64Array) => bandAverage(curve, wavelength, fwhm);
  return { path: average(path), direct: average(direct), diffuse: average(diffuse), sphericalAlbedo: average(albedo) };
}
