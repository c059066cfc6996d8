/** One generated flight line: its map, its atmosphere, and the radiance of its pixels. */
import { Random } from '../base/random.js';
import { DROPPED_RANGES } from '../spectra/bands.js';
import { type NoiseModel, OLI_NOISE, sigmaAt } from '../spectra/oli_noise.js';
import { type Absorption, absorptionAt } from './absorption.js';
import { type AtmosphereOptions, type BandAtmosphere, bandAtmosphere } from './atmosphere.js';
import { Landscape, type MapPoint, type SunDirection } from './landscape.js';
import { MATERIAL_NAMES, MATERIALS } from './materials.js';
import { SOIL_KINDS } from './soils.js';

/** An AVIRIS-NG-like spectrometer: about 900:1 on bright ground at 600 nm, 450:1 at 1600 nm, falling towards both ends. */
function spectrometerNoise(wavelength: number): NoiseModel {
  const blueEnd = 1 + 3 * Math.exp(-(wavelength - 380) / 35);
  const redEnd = 1 + 1.5 * Math.exp((wavelength - 2500) / 60);
  return { floor: (wavelength < 1000 ? 0.004 : 0.0016) * blueEnd * redEnd, slope: 4e-6 };
}

export type SampleUnits = 'radiance' | 'reflectance';

export interface SceneOptions {
  readonly seed: number;
  /** Number of the flight line: every line has its own part of the map, sun and atmosphere. */
  readonly line: number;
  readonly wavelength: Float64Array;
  readonly fwhm: Float64Array;
  /** [7][bands] of spectra/response.ts. */
  readonly weights: readonly Float64Array[];
  readonly units: SampleUnits;
  /** Side of a pixel, m. */
  readonly pixelSize: number;
}

export interface SceneBlock {
  /** [lines, samples, bands] */
  readonly cube: Float32Array;
  /** Errors of Landsat's measurement in `landsat`, [lines, samples, 7]. */
  readonly landsatNoise: Float32Array;
  /** [lines, samples, 7] */
  readonly landsat: Float32Array;
}

/** Points of the map lie at most this far apart (m), and at least 2 x 2 of them in a pixel make its abundances. */
const POINT_SPACING = 7.5;
/** Strength of the second reflection between neighbouring materials (bilinear mixing, Fan et al. 2009). */
const SECOND_REFLECTION = 0.35;
/** Water vapour differs by this share over a line. */
const VAPOUR_SPREAD = 0.08;
const VAPOUR_STEPS = 17;
/**
 * Error of reflectance (one sigma) at which a retrieval trusts the measurement and what it expects equally (optimal
 * estimation, Rodgers 2000): where the air is nearly opaque, products are smooth and not pure noise.
 */
const PRIOR_SIGMA = 0.02;
/** What reflectance products hold where the atmosphere lets nothing through. */
export const BLIND_BAND = -0.01;

/**
 * Sun, water vapour and haze of a line. Lines are flown over a few hours of one day, as campaigns do: the sun sinks, and
 * the air changes a little between them.
 */
export function lineAtmosphere(seed: number, line: number): AtmosphereOptions {
  const day = new Random(seed, 999);
  const flight = new Random(seed, 1000 + line);
  const about = (value: number, share: number) => value * (1 + share * (2 * flight.uniform() - 1));
  return {
    waterVapour: about(1.2 + 0.8 * day.uniform(), 0.06),
    aerosol: about(0.07 + 0.08 * day.uniform(), 0.1),
    angstrom: about(1.2 + 0.3 * day.uniform(), 0.04),
    sunZenith: 26 + 14 * flight.uniform(),
    altitude: about(0.25, 0.4),
  };
}

/** Points of one material in a pixel: how many, and the sums of what varies. */
interface Seen {
  n: number;
  vigour: number;
  moisture: number;
  cover: number;
  age: number;
  lit: number;
}

/** What the light of a pixel does, by band. */
interface Light {
  /** Radiance of a white, level, sunlit surface. */
  readonly gain: Float64Array;
  /** Share of the skylight in it. */
  readonly sky: Float64Array;
  readonly path: Float64Array;
  /** Share of what leaves the ground that the air sends back. */
  readonly albedo: Float64Array;
}

export class Scene {
  readonly atmosphere: AtmosphereOptions;
  readonly #options: SceneOptions;
  readonly #landscape: Landscape;
  readonly #absorption: Absorption;
  readonly #air: BandAtmosphere[];
  readonly #random: Random;
  readonly #west: number;
  /** On the map: x eastwards, y southwards. */
  readonly #sun: SunDirection;
  readonly #subpixels: number;
  readonly #blind: boolean[];

  constructor(options: SceneOptions) {
    const { seed, line, wavelength, fwhm, pixelSize } = options;
    this.#options = options;
    this.#absorption = absorptionAt(wavelength);
    this.atmosphere = lineAtmosphere(seed, line);
    this.#air = Array.from({ length: VAPOUR_STEPS }, (_, i) => {
      const factor = 1 + VAPOUR_SPREAD * ((2 * i) / (VAPOUR_STEPS - 1) - 1);
      return bandAtmosphere(
        { ...this.atmosphere, waterVapour: this.atmosphere.waterVapour * factor },
        wavelength,
        fwhm,
      );
    });
    this.#random = new Random(seed, 2000 + line);
    // lines lie 12 km apart
    this.#west = 12000 * line;
    const azimuth = ((100 + 90 * new Random(seed, 3000 + line).uniform()) * Math.PI) / 180;
    const tangent = Math.tan((this.atmosphere.sunZenith * Math.PI) / 180);
    this.#sun = { x: tangent * Math.sin(azimuth), y: -tangent * Math.cos(azimuth) };
    this.#landscape = new Landscape(seed, this.#sun);
    this.#subpixels = Math.max(2, Math.ceil(pixelSize / POINT_SPACING));
    this.#blind = Array.from(wavelength, (w) => DROPPED_RANGES.some(([from, to]) => w >= from && w <= to));
  }

  /**
   * Lines `first` .. `first + lines - 1`. Blocks must be asked for in order: the noise is one sequence.
   * @returns cube and simulated Landsat in uW cm-2 sr-1 nm-1, or both as reflectance
   */
  block(first: number, lines: number, samples: number): SceneBlock {
    const { wavelength, weights, units } = this.#options;
    const bands = wavelength.length;
    const cube = new Float32Array(lines * samples * bands);
    const landsat = new Float32Array(lines * samples * weights.length);
    const landsatNoise = new Float32Array(landsat.length);
    const noise = Array.from(wavelength, spectrometerNoise);
    const surface = new Float64Array(bands);
    const radiance = new Float64Array(bands);
    const light: Light = {
      gain: new Float64Array(bands),
      sky: new Float64Array(bands),
      path: new Float64Array(bands),
      albedo: new Float64Array(bands),
    };
    const bright = units === 'radiance' ? radiance : surface;
    for (let p = 0; p < lines * samples; p++) {
      const x = p % samples;
      const y = first + Math.floor(p / samples);
      const facing = this.#light(x, y, light);
      this.#surface(x, y, facing, light.sky, surface);
      for (let b = 0; b < bands; b++)
        radiance[b] = light.path[b]! + (light.gain[b]! * surface[b]!) / (1 - light.albedo[b]! * surface[b]!);
      for (let b = 0; b < bands; b++) {
        const sigma = sigmaAt(noise[b]!, radiance[b]!);
        const error = this.#random.normal() * sigma;
        cube[p * bands + b] =
          units === 'radiance'
            ? radiance[b]! + error
            : this.#blind[b]
              ? BLIND_BAND
              : surface[b]! + error / light.gain[b]! / (1 + (sigma / light.gain[b]! / PRIOR_SIGMA) ** 2);
      }
      for (let k = 0; k < weights.length; k++) {
        const w = weights[k]!;
        let value = 0;
        let seen = 0;
        let gain = 0;
        for (let b = 0; b < bands; b++) {
          if (w[b] === 0) continue;
          value += w[b]! * bright[b]!;
          seen += w[b]! * radiance[b]!;
          gain += w[b]! * light.gain[b]!;
        }
        const error = this.#random.normal() * sigmaAt(OLI_NOISE[k]!, seen);
        const inUnits = units === 'radiance' ? error : error / gain;
        landsat[p * weights.length + k] = value + inUnits;
        landsatNoise[p * weights.length + k] = inUnits;
      }
    }
    return { cube, landsat, landsatNoise };
  }

  /**
   * Reflectance of a pixel as a level scene in full sun would have it: abundances from the map, each material in its state
   * and light here, mixed with a second reflection. Slopes and shadows are left in, as products of surface reflectance do.
   */
  #surface(x: number, y: number, facing: number, sky: Float64Array, out: Float64Array): void {
    const size = this.#options.pixelSize;
    const [mapX, mapY] = [this.#west + (x + 0.5) * size, (y + 0.5) * size];
    const vigour = this.#landscape.vigour(mapX, mapY);
    const moisture = this.#landscape.moisture(mapX, mapY);
    const soil = new Float64Array(SOIL_KINDS);
    this.#landscape.soil(mapX, mapY, soil);
    const bands = out.length;
    const one = new Float64Array(bands);
    const squares = new Float64Array(bands);
    out.fill(0);
    for (const [material, { n, ...sums }] of this.#points(x, y)) {
      MATERIALS[MATERIAL_NAMES[material]!](
        this.#absorption,
        {
          vigour: 0.5 * vigour + sums.vigour / n,
          moisture: 0.6 * moisture + sums.moisture / n,
          cover: sums.cover / n + 0.2 * vigour,
          age: sums.age / n + 0.2 * vigour * moisture,
          turbidity: vigour + 0.5 * moisture,
          soil,
        },
        one,
      );
      const share = n / this.#subpixels ** 2;
      const direct = (facing * sums.lit) / n;
      for (let b = 0; b < bands; b++) {
        const part = share * one[b]! * (direct + (1 - direct) * sky[b]!);
        out[b]! += part;
        squares[b]! += part * part;
      }
    }
    // sum over pairs of a_i a_j rho_i rho_j
    for (let b = 0; b < bands; b++) out[b]! += (SECOND_REFLECTION * (out[b]! * out[b]! - squares[b]!)) / 2;
  }

  /** The points of a pixel by material. */
  #points(x: number, y: number): Map<number, Seen> {
    const size = this.#options.pixelSize;
    const n = this.#subpixels;
    const found = new Map<number, Seen>();
    const point: MapPoint = { material: 0, vigour: 0, moisture: 0, cover: 0, age: 0, lit: 1 };
    for (let i = 0; i < n * n; i++) {
      const inX = ((i % n) + 0.5) / n;
      const inY = (Math.floor(i / n) + 0.5) / n;
      this.#landscape.at(this.#west + (x + inX) * size, (y + inY) * size, point);
      const seen = found.get(point.material) ?? { n: 0, vigour: 0, moisture: 0, cover: 0, age: 0, lit: 0 };
      seen.n++;
      seen.vigour += point.vigour;
      seen.moisture += point.moisture;
      seen.cover += point.cover;
      seen.age += point.age;
      seen.lit += point.lit;
      found.set(point.material, seen);
    }
    return found;
  }

  /** The light of a pixel; returns how its slope faces the sun, level = 1. */
  #light(x: number, y: number, out: Light): number {
    const size = this.#options.pixelSize;
    const [mapX, mapY] = [this.#west + (x + 0.5) * size, (y + 0.5) * size];
    const height = (dx: number, dy: number) => this.#landscape.elevation(mapX + dx * size, mapY + dy * size);
    const slopeX = (height(0.5, 0) - height(-0.5, 0)) / size;
    const slopeY = (height(0, 0.5) - height(0, -0.5)) / size;
    const wet = this.#landscape.moisture(mapX / 3, mapY / 3);
    const step = Math.min(VAPOUR_STEPS - 1.001, Math.max(0, ((wet + 1) / 2) * (VAPOUR_STEPS - 1)));
    const low = this.#air[Math.floor(step)]!;
    const high = this.#air[Math.floor(step) + 1]!;
    const t = step - Math.floor(step);
    for (let b = 0; b < out.gain.length; b++) {
      const between = (curve: keyof BandAtmosphere) => low[curve][b]! * (1 - t) + high[curve][b]! * t;
      const skylight = between('diffuse');
      out.gain[b] = between('direct') + skylight;
      out.sky[b] = skylight / out.gain[b]!;
      out.path[b] = between('path');
      out.albedo[b] = low.sphericalAlbedo[b]!;
    }
    // cos of incidence over cos of the zenith angle
    const facing = (1 - slopeX * this.#sun.x - slopeY * this.#sun.y) / Math.sqrt(1 + slopeX * slopeX + slopeY * slopeY);
    return Math.min(1.6, Math.max(0.15, facing));
  }
}
