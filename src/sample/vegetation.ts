/**
 * Canopies: a layer of leaves over the ground. Leaves absorb by their pigments, water and dry matter; absorption adds up,
 * reflectance does not, and a thin layer lets the soil's own bands through. So one greenness stands for different shapes of
 * the red edge and of the water bands, depending on the crop, its leaf area and the ground below.
 */
import type { Absorption } from './absorption.js';
import { bareSoil } from './soils.js';
import { kubelkaMunk, layerOver, type Reflectance } from './state.js';

export interface Leaves {
  readonly chlorophyll: number;
  /** Share of chlorophyll's amount. */
  readonly carotenoid?: number;
  readonly anthocyanin?: number;
  readonly brown?: number;
  /** Leaf water along the path of light, cm. */
  readonly water: number;
  readonly dry: number;
  /** Grey loss: woody parts and gaps that swallow light. */
  readonly structure: number;
  /** Scattering times thickness of the typical canopy. */
  readonly depth: number;
  /** Spread of the leaf area between fields. */
  readonly spread?: number;
}

/** Grounds below canopies, by band; one for each length of spectrum. */
const grounds = new Map<number, Float64Array>();

function scratch(length: number): Float64Array {
  const ground = grounds.get(length) ?? new Float64Array(length);
  grounds.set(length, ground);
  return ground;
}

/** @param under what lies below the leaves */
export function canopy(kind: Leaves, under: Reflectance = bareSoil): Reflectance {
  const { chlorophyll, carotenoid = 0.25, anthocyanin = 0, brown = 1, water, dry, structure, depth } = kind;
  const { spread = 1.1 } = kind;
  return (a: Absorption, s, out) => {
    const ground = scratch(out.length);
    under(a, s, ground);
    const green = chlorophyll * Math.exp(0.9 * s.vigour);
    const yellow = carotenoid * chlorophyll * Math.exp(0.3 * s.vigour);
    // leaves that lose their chlorophyll turn brown and dry
    const withered = Math.exp(-1.3 * s.vigour);
    const wet = water * Math.exp(0.7 * s.moisture + 0.4 * s.vigour);
    const solid = dry * (0.7 + 0.3 * withered);
    const grey = structure * Math.exp(0.15 * s.age);
    const leafArea = depth * Math.exp(spread * s.cover + 0.3 * s.vigour);
    for (let b = 0; b < out.length; b++) {
      const q =
        grey +
        green * a.chlorophyll[b]! +
        yellow * a.carotenoid[b]! +
        anthocyanin * a.anthocyanin[b]! +
        brown * withered * a.brown[b]! +
        wet * a.water[b]! +
        solid * a.dryMatter[b]!;
      out[b] = layerOver(ground[b]!, kubelkaMunk(q), leafArea);
    }
  };
}
