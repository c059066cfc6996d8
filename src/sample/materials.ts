/**
 * Reflectance spectra of surface materials with their variability. Scattering media follow Kubelka and Munk (1931): with
 * q = absorption / scattering the reflectance of a thick layer is R = 1 + q - sqrt(q^2 + 2 q). Absorption adds, reflectance
 * does not: twice the chlorophyll or the leaf water is not half the reflectance, which is what makes real spectra of one
 * class differ in shape and not only in brightness.
 */
import type { Absorption } from './absorption.js';

/** What varies within a class; each about in [-1, 1], 0 = typical. */
export interface SurfaceState {
  /** Chlorophyll and leaf area. */
  readonly vigour: number;
  /** Water in leaves and soil. */
  readonly moisture: number;
  /** Which soil: -1 sandy, 1 clayey and iron-rich. */
  readonly soil: number;
  /** Roughness, age, dirt: brightness and ageing of built surfaces. */
  readonly age: number;
  /** Suspended matter and algae in water. */
  readonly turbidity: number;
}

type Reflectance = (a: Absorption, s: SurfaceState, out: Float64Array) => void;

const kubelkaMunk = (q: number) => 1 + q - Math.sqrt(q * q + 2 * q);

function leaves(chlorophyll: number, waterPath: number, dry: number, base: number): Reflectance {
  return (a, s, out) => {
    const green = chlorophyll * Math.exp(0.55 * s.vigour);
    const wet = waterPath * Math.exp(0.45 * s.moisture + 0.25 * s.vigour);
    const brown = 1.2 * Math.exp(-0.9 * s.vigour);
    const structure = base * Math.exp(0.18 * s.age - 0.2 * s.vigour);
    for (let b = 0; b < out.length; b++)
      out[b] = kubelkaMunk(
        structure + green * a.chlorophyll[b]! + brown * a.brown[b]! + wet * a.water[b]! + dry * a.dryMatter[b]!,
      );
  };
}

function litter(brown: number, dry: number): Reflectance {
  return (a, s, out) => {
    const left = 0.9 * Math.exp(1.2 * s.vigour);
    const wet = 0.012 * Math.exp(0.9 * s.moisture);
    const structure = 0.3 * Math.exp(0.3 * s.age);
    for (let b = 0; b < out.length; b++)
      out[b] = kubelkaMunk(
        structure + left * a.chlorophyll[b]! + brown * a.brown[b]! + wet * a.water[b]! + dry * a.dryMatter[b]!,
      );
  };
}

function soil(base: number, slope: number, iron: number, clay: number, lime: number): Reflectance {
  return (a, s, out) => {
    const wet = Math.exp(0.8 * s.moisture);
    // a water film darkens the whole spectrum and deepens its own bands
    const film = 0.035 * wet * wet;
    const dark = 0.7 + 0.3 * wet;
    const oxide = iron * Math.exp(0.6 * s.soil);
    const platy = clay * Math.exp(0.5 * s.soil);
    for (let b = 0; b < out.length; b++)
      out[b] = kubelkaMunk(
        dark * (base * Math.exp(0.25 * s.age) + slope * a.soilSlope[b]! + oxide * a.iron[b]!) +
          platy * a.clay[b]! +
          lime * a.carbonate[b]! +
          film * a.water[b]!,
      );
  };
}

/**
 * Deep water: rrs = 0.089 u + 0.125 u^2 with u = bb / (a + bb) (Gordon et al. 1988), carried through the surface, times pi,
 * plus sun glint. tss in g/m3.
 */
function water(tss: number): Reflectance {
  return (a, s, out) => {
    const matter = tss * Math.exp(1.1 * s.turbidity);
    const algae = 4 * Math.exp(0.8 * s.vigour);
    const glint = 0.006 * Math.exp(0.5 * s.age);
    for (let b = 0; b < out.length; b++) {
      const w = a.wavelength[b]!;
      const absorbed =
        100 * a.water[b]! + 0.03 * algae * a.chlorophyll[b]! + (0.25 + 0.02 * matter) * Math.exp(-0.013 * (w - 440));
      const scattered = 0.0018 * (500 / w) ** 4 + 0.011 * matter * (550 / w) ** 0.7;
      const u = scattered / (absorbed + scattered);
      const rrs = u * (0.089 + 0.125 * u);
      out[b] = (Math.PI * 0.52 * rrs) / (1 - 1.7 * rrs) + glint;
    }
  };
}

/** Opaque built surfaces: brightness rising from `low` at 400 nm to `high` at 1000 nm, with weak bands. */
function built(
  low: number,
  high: number,
  bands: Partial<Record<'hydrocarbon' | 'carbonate' | 'iron', number>>,
): Reflectance {
  return (a, s, out) => {
    const aged = Math.exp(-0.22 * s.age);
    for (let b = 0; b < out.length; b++) {
      const rise = 1 - Math.exp(-(a.wavelength[b]! - 350) / 280);
      const absorbed =
        (bands.hydrocarbon ?? 0) * a.hydrocarbon[b]! +
        (bands.carbonate ?? 0) * a.carbonate[b]! +
        (bands.iron ?? 0) * a.iron[b]! * (1 + 0.3 * s.soil);
      out[b] = (low + (high - low) * rise) * aged * Math.exp(-absorbed - 0.15 * Math.max(0, s.age) * a.brown[b]!);
    }
  };
}

/** White membranes and paint: titanium dioxide absorbs below 410 nm. */
function whiteRoof(bright: number): Reflectance {
  return (a, s, out) => {
    for (let b = 0; b < out.length; b++) {
      const w = a.wavelength[b]!;
      out[b] =
        (bright *
          Math.exp(-0.18 * s.age - 0.5 * a.hydrocarbon[b]! - 0.25 * Math.max(0, s.age) * a.brown[b]!) *
          (1 - (w - 400) / 7000)) /
        (1 + Math.exp(-(w - 408) / 9));
    }
  };
}

const leafyCrop = leaves(13, 0.15, 0.25, 0.2);

/** Crop seen through plastic film, which light passes twice. */
const greenhouse: Reflectance = (a, s, out) => {
  leafyCrop(a, s, out);
  for (let b = 0; b < out.length; b++) out[b] = 0.12 + 0.72 * out[b]! * Math.exp(-0.8 * a.hydrocarbon[b]!);
};

/** Order is part of the sample's format: the map refers to classes by position. */
export const MATERIALS = {
  conifer: leaves(16, 0.13, 0.5, 0.62),
  broadleaf: leaves(12, 0.14, 0.35, 0.26),
  shrub: leaves(6, 0.07, 0.7, 0.5),
  grass: leaves(8, 0.12, 0.35, 0.3),
  leafyCrop,
  tallCrop: leaves(17, 0.2, 0.3, 0.24),
  orchard: leaves(10, 0.1, 0.45, 0.4),
  dryGrass: litter(3.2, 0.45),
  stubble: litter(2.2, 0.65),
  loam: soil(0.6, 4.2, 0.5, 0.15, 0),
  redSoil: soil(0.45, 1.8, 3.2, 0.3, 0),
  sand: soil(0.22, 1.6, 0.3, 0.06, 0.05),
  limeSoil: soil(0.2, 1.3, 0.2, 0.1, 0.35),
  river: water(12),
  lake: water(2.5),
  tileRoof: built(0.1, 0.36, { iron: 0.75 }),
  whiteRoof: whiteRoof(0.68),
  metalRoof: built(0.26, 0.42, {}),
  bitumenRoof: built(0.05, 0.1, { hydrocarbon: 0.18 }),
  asphalt: built(0.06, 0.17, { hydrocarbon: 0.05 }),
  concrete: built(0.17, 0.33, { carbonate: 0.1, iron: 0.15 }),
  greenhouse,
} as const satisfies Record<string, Reflectance>;

export type Material = keyof typeof MATERIALS;
export const MATERIAL_NAMES = Object.keys(MATERIALS) as Material[];
/** Number of a material in MATERIAL_NAMES. */
export const MATERIAL = Object.fromEntries(MATERIAL_NAMES.map((name, i) => [name, i])) as Record<Material, number>;
