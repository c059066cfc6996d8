/**
 * Reflectance spectra of surface materials with their variability. Absorption adds, reflectance does not: twice the
 * chlorophyll or the leaf water is not half the reflectance, which is what makes real spectra of one class differ in shape
 * and not only in brightness, and classes differ in how they bend.
 */
import type { Absorption } from './absorption.js';
import { bareSoil, soilOf } from './soils.js';
import type { Reflectance } from './state.js';
import { canopy } from './vegetation.js';
import { openWater, shallow } from './waters.js';

type Coat = Partial<
  Record<
    'hydrocarbon' | 'calcite' | 'hematite' | 'goethite' | 'cobalt' | 'phthalocyanine' | 'zinc' | 'kaolinite',
    number
  >
>;

/** Opaque built surfaces: brightness rising from `low` at 400 nm to `high` beyond 1000 nm, under a coat. */
function built(low: number, high: number, coat: Coat): Reflectance {
  const layers = Object.entries(coat) as [keyof Coat, number][];
  return (a: Absorption, s, out) => {
    const aged = Math.exp(-0.22 * s.age);
    const dirt = 0.15 * Math.max(0, s.age);
    // paint and oxide fade or thicken
    const strength = Math.exp(0.35 * s.vigour);
    for (let b = 0; b < out.length; b++) {
      const rise = 1 - Math.exp(-(a.wavelength[b]! - 350) / 280);
      let absorbed = dirt * a.brown[b]!;
      for (const [name, amount] of layers) absorbed += strength * amount * a[name][b]!;
      out[b] = (low + (high - low) * rise) * aged * Math.exp(-absorbed);
    }
  };
}

/** White membranes and paint: titanium dioxide absorbs below 410 nm. */
function whiteRoof(bright: number): Reflectance {
  return (a, s, out) => {
    const aged = bright * Math.exp(-0.18 * s.age);
    const dirt = 0.25 * Math.max(0, s.age);
    for (let b = 0; b < out.length; b++) {
      const w = a.wavelength[b]!;
      const absorbed = 0.5 * a.hydrocarbon[b]! + dirt * a.brown[b]!;
      out[b] = (aged * Math.exp(-absorbed) * (1 - (w - 400) / 7000)) / (1 + Math.exp(-(w - 408) / 9));
    }
  };
}

/** Solar cells: silicon absorbs up to its band gap near 1100 nm; glass and polymer in front. */
const solarPanel: Reflectance = (a, s, out) => {
  for (let b = 0; b < out.length; b++) {
    const w = a.wavelength[b]!;
    const beyond = 0.22 / (1 + Math.exp(-(w - 1100) / 35));
    out[b] =
      0.035 + (beyond * Math.exp(-0.2 * s.age) - 0.00005 * Math.max(0, w - 1300)) * Math.exp(-0.5 * a.hydrocarbon[b]!);
  }
};

const leafyCrop = canopy({ chlorophyll: 13, water: 0.16, dry: 0.2, structure: 0.18, depth: 2 });

/** Crop seen through plastic film, which light passes twice. */
const greenhouse: Reflectance = (a, s, out) => {
  leafyCrop(a, s, out);
  for (let b = 0; b < out.length; b++) out[b] = 0.12 + 0.72 * out[b]! * Math.exp(-0.8 * a.hydrocarbon[b]!);
};

const pond = openWater(6, 3, 0.4);

/** Order is part of the sample's format: the map refers to classes by position. */
export const MATERIALS = {
  conifer: canopy({ chlorophyll: 18, water: 0.12, dry: 0.55, structure: 0.6, depth: 1.6, spread: 0.5 }),
  broadleaf: canopy({ chlorophyll: 12, water: 0.14, dry: 0.35, structure: 0.24, depth: 2, spread: 0.5 }),
  copperLeaf: canopy({
    chlorophyll: 7,
    anthocyanin: 9,
    water: 0.12,
    dry: 0.4,
    structure: 0.3,
    depth: 1.8,
    spread: 0.6,
  }),
  shrub: canopy({ chlorophyll: 6, water: 0.05, dry: 0.8, structure: 0.45, depth: 0.6 }),
  heath: canopy({ chlorophyll: 5, anthocyanin: 2.5, brown: 3, water: 0.04, dry: 1.1, structure: 0.55, depth: 0.9 }),
  grass: canopy({ chlorophyll: 8, water: 0.12, dry: 0.35, structure: 0.28, depth: 1.3 }),
  leafyCrop,
  maize: canopy({ chlorophyll: 17, carotenoid: 0.18, water: 0.22, dry: 0.25, structure: 0.22, depth: 1.3 }),
  wheat: canopy({ chlorophyll: 9, carotenoid: 0.5, brown: 1.6, water: 0.08, dry: 0.55, structure: 0.25, depth: 1.2 }),
  redLettuce: canopy({ chlorophyll: 6, anthocyanin: 12, water: 0.3, dry: 0.1, structure: 0.22, depth: 1.1 }),
  sugarBeet: canopy({ chlorophyll: 11, water: 0.4, dry: 0.12, structure: 0.16, depth: 1.5 }),
  rice: canopy({ chlorophyll: 10, water: 0.15, dry: 0.25, structure: 0.25, depth: 0.9 }, pond),
  orchard: canopy({ chlorophyll: 11, water: 0.1, dry: 0.45, structure: 0.4, depth: 0.9, spread: 0.5 }),
  vineyard: canopy({
    chlorophyll: 9,
    carotenoid: 0.35,
    water: 0.11,
    dry: 0.3,
    structure: 0.3,
    depth: 0.5,
    spread: 0.7,
  }),
  dryGrass: canopy({ chlorophyll: 0.8, brown: 2.2, water: 0.012, dry: 0.5, structure: 0.25, depth: 0.9 }),
  stubble: canopy({ chlorophyll: 0.5, brown: 1.5, water: 0.01, dry: 0.75, structure: 0.2, depth: 0.5 }),
  burnt: (a, s, out) => {
    bareSoil(a, s, out);
    const thickness = 1.1 * Math.exp(0.7 * s.cover);
    for (let b = 0; b < out.length; b++) out[b] = out[b]! * Math.exp(-thickness * a.char[b]!) + 0.012;
  },
  soil: bareSoil,
  sand: soilOf(7),
  limestone: soilOf(4),
  river: openWater(14, 4, 0.3),
  lake: openWater(2.5, 4, 0.25),
  algaePond: openWater(4, 60, 0.5),
  shore: shallow(0.25, soilOf(7)),
  pool: shallow(1.4, built(0.45, 0.6, { cobalt: 0.2 })),
  tileRoof: built(0.14, 0.42, { hematite: 0.9, kaolinite: 0.15 }),
  brownRoof: built(0.12, 0.3, { goethite: 0.8 }),
  blueRoof: built(0.26, 0.5, { cobalt: 1.5, hydrocarbon: 0.25 }),
  greenRoof: built(0.16, 0.46, { phthalocyanine: 1.8, hydrocarbon: 0.3 }),
  whiteRoof: whiteRoof(0.66),
  metalRoof: built(0.28, 0.45, { zinc: 0.35 }),
  bitumenRoof: built(0.05, 0.1, { hydrocarbon: 0.18 }),
  solarPanel,
  asphalt: built(0.06, 0.17, { hydrocarbon: 0.06 }),
  concrete: built(0.17, 0.34, { calcite: 0.14, goethite: 0.15 }),
  gravel: soilOf(8),
  turf: built(0.03, 0.34, { phthalocyanine: 0.9, hydrocarbon: 0.6 }),
  greenhouse,
} as const satisfies Record<string, Reflectance>;

export type Material = keyof typeof MATERIALS;
export const MATERIAL_NAMES = Object.keys(MATERIALS) as Material[];
/** Number of a material in MATERIAL_NAMES. */
export const MATERIAL = Object.fromEntries(MATERIAL_NAMES.map((name, i) => [name, i])) as Record<Material, number>;
