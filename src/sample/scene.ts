/** One generated flight line: its map, its atmosphere, and the radiance of its pixels. */
import { Random } from '../random.js';
import { DROPPED_RANGES } from '../spectra/bands.js';
import { type Absorption, absorptionAt } from './absorption.js';
import { type AtmosphereOptions, type BandAtmosphere, bandAtmosphere } from './atmosphere.js';
import { Landscape, type MapPoint } from './landscape.js';
import { MATERIAL_NAMES, MATERIALS, type SurfaceState } from './materials.js';
import { OLI_NOISE, sigmaAt, spectrometerNoise } from './noise.js';

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
  /** [lines, samples, 7] */
  readonly landsat: Float32Array;
}

/** Points of the map in a pixel, along one side: 4 x 4 of them make its abundances. */
const SUBPIXELS = 4;
/** Strength of the second reflection between neighbouring materials (bilinear mixing, Fan et al. 2009). */
const SECOND_REFLECTION = 0.35;
/** Water vapour differs by this share over a line. */
const VAPOUR_SPREAD = 0.08;
const VAPOUR_STEPS = 17;
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

export class Scene {
  readonly atmosphere: AtmosphereOptions;
  readonly #options: SceneOptions;
  readonly #landscape: Landscape;
  readonly #absorption: Absorption;
  readonly #air: BandAtmosphere[];
  readonly #random: Random;
  readonly #west: number;
  readonly #sun: { readonly x: number; readonly y: number };

  constructor(options: SceneOptions) {
    const { seed, line, wavelength, fwhm } = options;
    this.#options = options;
    this.#landscape = new Landscape(seed);
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
    this.#sun = { x: tangent * Math.sin(azimuth), y: tangent * Math.cos(azimuth) };
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
    const noise = Array.from(wavelength, spectrometerNoise);
    const surface = new Float64Array(bands);
    const gain = new Float64Array(bands);
    const radiance = new Float64Array(bands);
    const blind = Array.from(wavelength, (w) => DROPPED_RANGES.some(([from, to]) => w >= from && w <= to));
    for (let p = 0; p < lines * samples; p++) {
      const x = p % samples;
      const y = first + Math.floor(p / samples);
      this.#surface(x, y, surface);
      const illumination = this.#light(x, y, surface, gain, radiance);
      const bright = units === 'radiance' ? radiance : surface;
      for (let b = 0; b < bands; b++) {
        const error = this.#random.normal() * sigmaAt(noise[b]!, radiance[b]!);
        cube[p * bands + b] =
          units === 'radiance'
            ? radiance[b]! + error
            : blind[b]
              ? BLIND_BAND
              : surface[b]! * illumination + error / gain[b]!;
      }
      for (let k = 0; k < weights.length; k++) {
        const w = weights[k]!;
        let value = 0;
        let light = 0;
        let perUnit = 0;
        for (let b = 0; b < bands; b++) {
          if (w[b] === 0) continue;
          value += w[b]! * bright[b]!;
          light += w[b]! * radiance[b]!;
          perUnit += w[b]! * gain[b]!;
        }
        const error = this.#random.normal() * sigmaAt(OLI_NOISE[k]!, light);
        landsat[p * weights.length + k] = units === 'radiance' ? value + error : value * illumination + error / perUnit;
      }
    }
    return { cube, landsat };
  }

  /** Reflectance of a pixel: abundances from the map, each material in its state here, mixed with a second reflection. */
  #surface(x: number, y: number, out: Float64Array): void {
    const size = this.#options.pixelSize;
    const counts = new Map<number, { n: number; vigour: number; moisture: number; age: number }>();
    const point: MapPoint = { material: 0, vigour: 0, moisture: 0, age: 0 };
    for (let i = 0; i < SUBPIXELS * SUBPIXELS; i++) {
      const inX = ((i % SUBPIXELS) + 0.5) / SUBPIXELS;
      const inY = (Math.floor(i / SUBPIXELS) + 0.5) / SUBPIXELS;
      this.#landscape.at(this.#west + (x + inX) * size, (y + inY) * size, point);
      const seen = counts.get(point.material) ?? { n: 0, vigour: 0, moisture: 0, age: 0 };
      seen.n++;
      seen.vigour += point.vigour;
      seen.moisture += point.moisture;
      seen.age += point.age;
      counts.set(point.material, seen);
    }
    const [mapX, mapY] = [this.#west + (x + 0.5) * size, (y + 0.5) * size];
    const around = {
      vigour: this.#landscape.vigour(mapX, mapY),
      moisture: this.#landscape.moisture(mapX, mapY),
      soil: this.#landscape.soil(mapX, mapY),
    };
    const bands = out.length;
    const one = new Float64Array(bands);
    const squares = new Float64Array(bands);
    out.fill(0);
    for (const [material, seen] of counts) {
      const share = seen.n / (SUBPIXELS * SUBPIXELS);
      const state: SurfaceState = {
        vigour: 0.6 * around.vigour + seen.vigour / seen.n,
        moisture: 0.7 * around.moisture + seen.moisture / seen.n,
        soil: around.soil,
        age: seen.age / seen.n + 0.3 * around.vigour * around.soil,
        turbidity: around.soil + 0.5 * around.moisture,
      };
      MATERIALS[MATERIAL_NAMES[material]!](this.#absorption, state, one);
      for (let b = 0; b < bands; b++) {
        const part = share * one[b]!;
        out[b]! += part;
        squares[b]! += part * part;
      }
    }
    // sum over pairs of a_i a_j rho_i rho_j
    for (let b = 0; b < bands; b++) out[b]! += (SECOND_REFLECTION * (out[b]! * out[b]! - squares[b]!)) / 2;
  }

  /** Radiance of a pixel and its slope against illuminated reflectance; returns the illumination of the slope, flat = 1. */
  #light(x: number, y: number, surface: Float64Array, gain: Float64Array, radiance: Float64Array): number {
    const size = this.#options.pixelSize;
    const [mapX, mapY] = [this.#west + (x + 0.5) * size, (y + 0.5) * size];
    const height = (dx: number, dy: number) => this.#landscape.elevation(mapX + dx * size, mapY + dy * size);
    const slopeX = (height(0.5, 0) - height(-0.5, 0)) / size;
    const slopeY = (height(0, 0.5) - height(0, -0.5)) / size;
    // map y grows southwards; cos of incidence over cos of the zenith angle
    const facing = (1 - slopeX * this.#sun.x + slopeY * this.#sun.y) / Math.sqrt(1 + slopeX * slopeX + slopeY * slopeY);
    const illumination = Math.min(1.6, Math.max(0.15, facing));
    const wet = this.#landscape.moisture(mapX / 3, mapY / 3);
    const step = Math.min(VAPOUR_STEPS - 1.001, Math.max(0, ((wet + 1) / 2) * (VAPOUR_STEPS - 1)));
    const low = this.#air[Math.floor(step)]!;
    const high = this.#air[Math.floor(step) + 1]!;
    const t = step - Math.floor(step);
    for (let b = 0; b < surface.length; b++) {
      const between = (curve: 'path' | 'direct' | 'diffuse') => low[curve][b]! * (1 - t) + high[curve][b]! * t;
      const lit = between('direct') * illumination + between('diffuse');
      radiance[b] = between('path') + (lit * surface[b]!) / (1 - low.sphericalAlbedo[b]! * surface[b]!);
      gain[b] = lit / illumination;
    }
    return illumination;
  }
}
