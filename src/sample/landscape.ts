/**
 * The map: what lies where, as a function of position in metres and a seed. Hills with forest, shrub, grass and bare
 * ground; plains with straight-edged fields; towns of blocks and streets; a river, lakes, roads. Trees and houses cast
 * shadows.
 */
import { fractal, hash } from './fractal.js';
import { MATERIAL, type Material } from './materials.js';
import { SOIL_KINDS } from './soils.js';

/** A point of the map: its material, what distinguishes its field or block from the next, in [-1, 1], and its light. */
export interface MapPoint {
  material: number;
  vigour: number;
  moisture: number;
  cover: number;
  age: number;
  /** Share of direct sunlight that arrives: 1, or less in the shadow of something tall. */
  lit: number;
}

/** Where the sun is: tangent of its zenith angle times the direction to it, on the map (y southwards). */
export interface SunDirection {
  readonly x: number;
  readonly y: number;
}

const FIELD = 230;
const BLOCK = 110;
const LOT = 22;
const STREET = 9;
/** Height of trees and houses, m. */
const TREE = 9;
const HOUSE = 7;

const CROPS: readonly Material[] = [
  'leafyCrop',
  'maize',
  'wheat',
  'sugarBeet',
  'rice',
  'grass',
  'orchard',
  'vineyard',
  'redLettuce',
  'stubble',
  'soil',
  'soil',
  'dryGrass',
  'maize',
  'wheat',
  'soil',
  'greenhouse',
  'burnt',
];
const ROOFS: readonly Material[] = [
  'tileRoof',
  'tileRoof',
  'brownRoof',
  'bitumenRoof',
  'whiteRoof',
  'metalRoof',
  'concrete',
  'blueRoof',
  'greenRoof',
  'solarPanel',
];
const GARDENS: readonly Material[] = ['grass', 'grass', 'broadleaf', 'copperLeaf', 'gravel', 'turf', 'pool'];

const signed = (seed: number, i: number, j: number) => 2 * hash(seed, i, j) - 1;
const pick = (list: readonly Material[], dice: number) => MATERIAL[list[Math.floor(dice * list.length)]!];

export class Landscape {
  readonly #seed: number;
  readonly #sun: SunDirection;
  readonly #cos: number;
  readonly #sin: number;

  constructor(seed: number, sun: SunDirection) {
    this.#seed = seed;
    this.#sun = sun;
    const turn = hash(seed, 11, 13) * Math.PI;
    this.#cos = Math.cos(turn);
    this.#sin = Math.sin(turn);
  }

  /** Height in metres. */
  elevation(x: number, y: number): number {
    const relief = fractal(this.#seed + 1, x, y, 1700, 5);
    // plains are flat: only what rises above them has relief
    return 260 * Math.max(0, relief) ** 1.3 + 6 * relief;
  }

  /** Smooth variation of the growing conditions, in about [-1, 1]. */
  moisture(x: number, y: number): number {
    return fractal(this.#seed + 2, x, y, 900, 4);
  }

  vigour(x: number, y: number): number {
    return fractal(this.#seed + 3, x, y, 420, 4);
  }

  /** Shares of the kinds of soil: provinces of some hundred metres that grade into each other. */
  soil(x: number, y: number, shares: Float64Array): void {
    let sum = 0;
    for (let k = 0; k < SOIL_KINDS; k++) {
      shares[k] = Math.exp(7 * fractal(this.#seed + 40 + k, x, y, 520, 2));
      sum += shares[k]!;
    }
    let kept = 0;
    for (let k = 0; k < SOIL_KINDS; k++) {
      shares[k] = shares[k]! < 0.03 * sum ? 0 : shares[k]!;
      kept += shares[k]!;
    }
    for (let k = 0; k < SOIL_KINDS; k++) shares[k]! /= kept;
  }

  /** What lies at a point, written into `out`. */
  at(x: number, y: number, out: MapPoint): void {
    out.vigour = 0;
    out.moisture = 0;
    out.cover = 0;
    out.age = 0;
    out.lit = 1;
    const s = this.#seed;
    const fromRiver = Math.abs(
      x - 900 - 320 * fractal(s + 5, 0, y, 1500, 4) - 0.15 * y + 1400 * Math.round((x - 0.15 * y - 900) / -1400),
    );
    const half = 38 + 22 * fractal(s + 6, x, y, 500, 2);
    if (fromRiver < half) {
      out.material = fromRiver > half - 9 ? MATERIAL.shore : MATERIAL.river;
      return;
    }
    const relief = fractal(s + 1, x, y, 1700, 5);
    if (relief < -0.62) {
      out.material = fractal(s + 11, x, y, 800, 1) > 0.1 ? MATERIAL.algaePond : MATERIAL.lake;
      return;
    }
    const u = x * this.#cos + y * this.#sin;
    const v = -x * this.#sin + y * this.#cos;
    if (Math.abs(u - 700 * Math.round(u / 700)) < 7 || Math.abs(v - 1100 * Math.round(v / 1100)) < 10) {
      out.material = MATERIAL.asphalt;
      out.age = 0.5 * signed(s + 20, Math.round(u / 700), 0);
      return;
    }
    if (fromRiver < 85 && relief < 0.2) {
      out.material = fractal(s + 7, x, y, 90, 2) > -0.2 ? MATERIAL.broadleaf : MATERIAL.sand;
      if (out.material === MATERIAL.broadleaf) out.lit = this.#crown(x, y);
      return;
    }
    if (relief > 0.12) this.#hill(x, y, relief, out);
    else if (fractal(s + 8, x, y, 1000, 2) > 0.18) this.#town(u, v, out);
    else this.#field(u, v, x, y, out);
  }

  /** Light on a crown: dark where the next crown towards the sun is higher. */
  #crown(x: number, y: number): number {
    const here = fractal(this.#seed + 12, x, y, 9, 1);
    const there = fractal(this.#seed + 12, x + TREE * this.#sun.x, y + TREE * this.#sun.y, 9, 1);
    return there > here + 0.4 ? 0.15 : 1;
  }

  #hill(x: number, y: number, relief: number, out: MapPoint): void {
    const s = this.#seed;
    const wet = 0.7 * this.moisture(x, y) + 0.6 * fractal(s + 9, x, y, 180, 4);
    const stand = fractal(s + 10, x, y, 70, 3);
    const rich = fractal(s + 13, x, y, 350, 2);
    out.cover = stand;
    if (wet > 0.3) out.material = relief + 0.3 * stand > 0.55 ? MATERIAL.conifer : MATERIAL.broadleaf;
    else if (wet > 0.05) out.material = stand > -0.15 ? MATERIAL.conifer : MATERIAL.grass;
    else if (wet > -0.2) out.material = stand > 0.05 ? (rich > 0 ? MATERIAL.shrub : MATERIAL.heath) : MATERIAL.dryGrass;
    else if (stand > 0.35) out.material = MATERIAL.shrub;
    else out.material = rich > 0.5 ? MATERIAL.burnt : stand > 0 ? MATERIAL.dryGrass : MATERIAL.soil;
    if (out.material === MATERIAL.conifer || out.material === MATERIAL.broadleaf) out.lit = this.#crown(x, y);
  }

  #field(u: number, v: number, x: number, y: number, out: MapPoint): void {
    const s = this.#seed;
    const i = Math.floor(u / FIELD);
    // strips of different widths, so that corners do not meet
    const width = FIELD * (0.5 + hash(s + 21, i, 0));
    const along = v + 1000 * hash(s + 22, i, 0);
    const j = Math.floor(along / width);
    const edge = Math.min(u - i * FIELD, (i + 1) * FIELD - u);
    if (edge < 4) {
      const border = hash(s + 27, i, j);
      out.material = border < 0.3 ? MATERIAL.broadleaf : border < 0.6 ? MATERIAL.gravel : MATERIAL.dryGrass;
      return;
    }
    out.material = pick(CROPS, hash(s + 23, i, j));
    out.vigour = 0.9 * signed(s + 24, i, j);
    out.moisture = 0.9 * signed(s + 25, i, j);
    out.cover = signed(s + 28, i, j);
    out.age = 0.6 * signed(s + 29, i, j);
    if (out.material === MATERIAL.orchard) out.lit = this.#crown(x, y);
    // bare ground shows where the crop is thin
    else if (out.material !== MATERIAL.greenhouse && fractal(s + 26, x, y, 40, 2) > 0.5 + 0.45 * out.cover)
      out.material = MATERIAL.soil;
  }

  #town(u: number, v: number, out: MapPoint): void {
    const s = this.#seed;
    const i = Math.floor(u / BLOCK);
    const j = Math.floor(v / BLOCK);
    if (u - i * BLOCK < STREET || v - j * BLOCK < STREET) {
      out.material = MATERIAL.asphalt;
      out.age = signed(s + 30, i, j);
      return;
    }
    const a = Math.floor(u / LOT);
    const b = Math.floor(v / LOT);
    // some blocks are dense, some are gardens
    const dense = 0.25 + 0.5 * hash(s + 32, i, j);
    out.age = signed(s + 33, a, b);
    out.vigour = 0.8 * signed(s + 34, i, j);
    out.cover = 0.5 * signed(s + 38, a, b);
    if (this.#isHouse(a, b, dense)) {
      const usual = hash(s + 35, i, j);
      out.material = pick(ROOFS, hash(s + 36, a, b) < 0.6 ? usual : hash(s + 37, a, b));
      return;
    }
    const dice = hash(s + 31, a, b);
    out.material = dice < dense + 0.12 ? MATERIAL.concrete : pick(GARDENS, hash(s + 39, a, b));
    // the lot that the sun stands behind
    const sunU = HOUSE * (this.#sun.x * this.#cos + this.#sun.y * this.#sin);
    const sunV = HOUSE * (-this.#sun.x * this.#sin + this.#sun.y * this.#cos);
    const [overA, overB] = [Math.floor((u + sunU) / LOT), Math.floor((v + sunV) / LOT)];
    if ((overA !== a || overB !== b) && this.#isHouse(overA, overB, dense)) out.lit = 0.05;
  }

  #isHouse(a: number, b: number, dense: number): boolean {
    return hash(this.#seed + 31, a, b) < dense;
  }
}
