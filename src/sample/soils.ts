/**
 * Soils as intimate mixtures: absorption over scattering adds up in proportion to the kinds of grains, reflectance does
 * not. Kinds differ in what colours them (iron oxides, organic matter, salts), so a colour hints at the narrow bands of
 * clays, carbonates and gypsum in the shortwave infrared, each kind in its own way.
 */
import type { Absorption } from './absorption.js';
import { kubelkaMunk, type Reflectance, type SurfaceState } from './state.js';

type Amounts = Partial<Record<keyof Omit<Absorption, 'wavelength'>, number>>;

/** Absorption over scattering: a grey base and amounts of the curves of absorption.ts. */
const KINDS: readonly { readonly base: number; readonly of: Amounts }[] = [
  // brown loam
  { base: 0.5, of: { soilSlope: 3.6, goethite: 0.5, illite: 0.16 } },
  // red clay
  { base: 0.3, of: { soilSlope: 1.2, hematite: 3.2, kaolinite: 0.6 } },
  // yellow earth
  { base: 0.24, of: { soilSlope: 0.8, goethite: 2.6, kaolinite: 0.35 } },
  // black clay
  { base: 1.1, of: { soilSlope: 2.2, brown: 1.2, smectite: 0.7 } },
  // chalk and limestone
  { base: 0.15, of: { soilSlope: 0.9, goethite: 0.15, calcite: 0.45 } },
  // dolomite
  { base: 0.28, of: { soilSlope: 0.7, ferrous: 0.12, dolomite: 0.6 } },
  // gypsum crust
  { base: 0.09, of: { soilSlope: 0.35, gypsum: 0.32 } },
  // quartz sand
  { base: 0.2, of: { soilSlope: 1.3, hematite: 0.45, smectite: 0.05 } },
  // basaltic ground
  { base: 0.9, of: { soilSlope: 0.5, ferrous: 0.7, chlorite: 0.4 } },
];

export const SOIL_KINDS = KINDS.length;

const tables = new WeakMap<Absorption, Float64Array[]>();

/** Absorption over scattering of each kind, dry. */
function kindsAt(a: Absorption): Float64Array[] {
  let table = tables.get(a);
  if (!table) {
    table = KINDS.map(({ base, of }) => {
      const q = new Float64Array(a.wavelength.length).fill(base);
      for (const [name, amount] of Object.entries(of))
        for (let b = 0; b < q.length; b++) q[b]! += amount * a[name as keyof Absorption][b]!;
      return q;
    });
    tables.set(a, table);
  }
  return table;
}

/** Bare ground of the state's mixture of kinds, with its moisture and roughness. */
export const bareSoil: Reflectance = (a: Absorption, s: SurfaceState, out: Float64Array) => {
  const wet = Math.exp(0.9 * s.moisture);
  // a water film darkens the whole spectrum and deepens its own bands
  const film = 0.03 * wet * wet;
  const dark = (0.65 + 0.35 * wet) * Math.exp(0.25 * s.age);
  out.fill(0);
  kindsAt(a).forEach((q, k) => {
    const share = s.soil[k]!;
    if (share > 0) for (let b = 0; b < out.length; b++) out[b]! += share * q[b]!;
  });
  for (let b = 0; b < out.length; b++) out[b] = kubelkaMunk(dark * out[b]! + film * a.water[b]!);
};

/** Ground of one kind, whatever the soil around. */
export function soilOf(kind: number): Reflectance {
  const soil = Float64Array.from(KINDS, (_, k) => (k === kind ? 1 : 0));
  return (a, s, out) => bareSoil(a, { ...s, soil }, out);
}
