/**
 * The map: what lies where, as a function of position in metres and a seed. Hills with forest, shrub, grass and bare
 * ground; plains with straight-edged fields; towns of blocks and streets; a river, lakes, roads.
 */
import { fractal, hash } from './fractal.js';
import { MATERIAL, type Material } from './materials.js';

/** A point of the map: its material, and what distinguishes its field or block from the next, in [-1, 1]. */
export interface MapPoint {
  material: number;
  vigour: number;
  moisture: number;
  age: number;
}

/** Side of the smallest thing on the map (m): pixels are sampled more finely than this. */
const FIELD = 260;
const BLOCK = 110;
const LOT = 22;
const STREET = 9;

const CROPS: readonly Material[] = [
  'leafyCrop',
  'tallCrop',
  'grass',
  'orchard',
  'stubble',
  'loam',
  'redSoil',
  'tallCrop',
  'loam',
  'dryGrass',
  'leafyCrop',
  'greenhouse',
];
const ROOFS: readonly Material[] = ['tileRoof', 'tileRoof', 'bitumenRoof', 'whiteRoof', 'metalRoof', 'concrete'];

const signed = (seed: number, i: number, j: number) => 2 * hash(seed, i, j) - 1;

export class Landscape {
  readonly #seed: number;
  readonly #cos: number;
  readonly #sin: number;

  constructor(seed: number) {
    this.#seed = seed;
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

  soil(x: number, y: number): number {
    return fractal(this.#seed + 4, x, y, 1300, 3);
  }

  /** What lies at a point, written into `out`. */
  at(x: number, y: number, out: MapPoint): void {
    out.vigour = 0;
    out.moisture = 0;
    out.age = 0;
    const s = this.#seed;
    const fromRiver = Math.abs(
      x - 900 - 320 * fractal(s + 5, 0, y, 1500, 4) - 0.15 * y + 1400 * Math.round((x - 0.15 * y - 900) / -1400),
    );
    if (fromRiver < 38 + 22 * fractal(s + 6, x, y, 500, 2)) {
      out.material = MATERIAL.river;
      return;
    }
    const relief = fractal(s + 1, x, y, 1700, 5);
    if (relief < -0.62) {
      out.material = MATERIAL.lake;
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
      return;
    }
    if (relief > 0.12) this.#hill(x, y, relief, out);
    else if (fractal(s + 8, x, y, 1000, 2) > 0.22) this.#town(u, v, out);
    else this.#field(u, v, x, y, out);
  }

  #hill(x: number, y: number, relief: number, out: MapPoint): void {
    const s = this.#seed;
    const wet = 0.7 * this.moisture(x, y) + 0.6 * fractal(s + 9, x, y, 180, 4);
    const cover = fractal(s + 10, x, y, 70, 3);
    if (wet > 0.3) out.material = relief + 0.3 * cover > 0.55 ? MATERIAL.conifer : MATERIAL.broadleaf;
    else if (wet > 0.05) out.material = cover > -0.15 ? MATERIAL.conifer : MATERIAL.grass;
    else if (wet > -0.2) out.material = cover > 0.05 ? MATERIAL.shrub : MATERIAL.dryGrass;
    else if (cover > 0.35) out.material = MATERIAL.shrub;
    else out.material = this.soil(x, y) > 0.1 ? MATERIAL.redSoil : cover > -0.1 ? MATERIAL.dryGrass : MATERIAL.limeSoil;
  }

  #field(u: number, v: number, x: number, y: number, out: MapPoint): void {
    const s = this.#seed;
    const i = Math.floor(u / FIELD);
    // strips of different widths, so that corners do not meet
    const width = FIELD * (0.5 + hash(s + 21, i, 0));
    const j = Math.floor((v + 1000 * hash(s + 22, i, 0)) / width);
    const edge = Math.min(u - i * FIELD, (i + 1) * FIELD - u);
    if (edge < 3) {
      out.material = MATERIAL.dryGrass;
      return;
    }
    out.material = MATERIAL[CROPS[Math.floor(hash(s + 23, i, j) * CROPS.length)]!];
    out.vigour = 0.9 * signed(s + 24, i, j);
    out.moisture = 0.8 * signed(s + 25, i, j);
    // rows stand apart: bare ground shows where the crop is thin
    if (out.material !== MATERIAL.greenhouse && fractal(s + 26, x, y, 40, 2) > 0.45 + 0.5 * out.vigour)
      out.material = MATERIAL.loam;
  }

  #town(u: number, v: number, out: MapPoint): void {
    const s = this.#seed;
    const i = Math.floor(u / BLOCK);
    const j = Math.floor(v / BLOCK);
    const inU = u - i * BLOCK;
    const inV = v - j * BLOCK;
    if (inU < STREET || inV < STREET) {
      out.material = MATERIAL.asphalt;
      out.age = signed(s + 30, i, j);
      return;
    }
    const a = Math.floor(u / LOT);
    const b = Math.floor(v / LOT);
    const dice = hash(s + 31, a, b);
    // some blocks are dense, some are gardens
    const dense = 0.25 + 0.5 * hash(s + 32, i, j);
    out.age = signed(s + 33, a, b);
    out.vigour = signed(s + 34, i, j);
    if (dice < dense) {
      const usual = Math.floor(hash(s + 35, i, j) * ROOFS.length);
      const roof = hash(s + 36, a, b) < 0.6 ? usual : Math.floor(hash(s + 37, a, b) * ROOFS.length);
      out.material = MATERIAL[ROOFS[roof]!];
    } else if (dice < dense + 0.12) out.material = MATERIAL.concrete;
    else out.material = dice < dense + 0.3 ? MATERIAL.broadleaf : MATERIAL.grass;
  }
}
