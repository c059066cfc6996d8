import { describe, expect, it } from 'vitest';
import { Random } from '../../src/base/random.js';
import { makePatchSet } from '../../src/data/patches.js';
import { checkSplit, splitPatches } from '../../src/data/split.js';
import type { PatchFile, PatchSet, Split } from '../../src/data/types.js';
import { LANDSAT_TO_AVIRIS_NG } from '../../src/resample/ratio.js';

type Origin = readonly [row: number, column: number];
const SIDE = 8;

/** A set of patches of 8 x 8 pixels: per scene the origins, or a number of patches where origins are unknown. */
function setOf(scenes: Record<string, readonly Origin[] | number>): PatchSet {
  const files = Object.entries(scenes).map(([scene, origins]): PatchFile => {
    const sides = { input: 'landsat', target: 'aviris' } as const;
    const grid = { height: SIDE, width: SIDE, inputHeight: SIDE, inputWidth: SIDE, sides, ratio: LANDSAT_TO_AVIRIS_NG };
    const common = { path: `${scene}.h5`, ...grid, inBands: 2, outBands: 3, scene, masked: false };
    return typeof origins === 'number'
      ? { ...common, patches: origins }
      : { ...common, patches: origins.length, origins: Int32Array.from(origins.flat()) };
  });
  return makePatchSet(files);
}

describe('a set of files', () => {
  const file = (path: string, sensor?: string): PatchFile => {
    const sides = { input: 'landsat', target: 'aviris' } as const;
    const grid = { height: SIDE, width: SIDE, inputHeight: SIDE, inputWidth: SIDE, sides, ratio: LANDSAT_TO_AVIRIS_NG };
    const wavelength = Float64Array.of(500, 600, 700);
    const known = { path, ...grid, inBands: 7, outBands: 3, scene: path, masked: false, patches: 1, wavelength };
    return sensor === undefined ? known : { ...known, sensor };
  };

  it('tells of bands of different sensors', () => {
    expect(makePatchSet([file('a.h5', 'Landsat 8 OLI'), file('b.h5', 'msi.csv')]).warnings).toEqual([
      'b.h5 holds bands of msi.csv, a.h5 of Landsat 8 OLI: they are taken for the same',
    ]);
    const alike = [file('a.h5', 'Landsat 8 OLI'), file('b.h5', 'Landsat 9 OLI-2'), file('c.h5')];
    expect(makePatchSet(alike).warnings).toEqual([]);
  });
});

const PARTS = ['train', 'validation', 'test'] as const;

/** Pixel by pixel: no pixel of a scene is in two parts, and every patch is in one part or the guard. */
function expectDisjoint(set: PatchSet, split: Split): void {
  const owner = new Map<string, string>();
  const home = set.files.flatMap((file) => Array.from({ length: file.patches }, (_, number) => ({ file, number })));
  for (const part of PARTS) {
    expect(split[part].length).toBeGreaterThan(0);
    for (const patch of split[part]) {
      const { file, number } = home[patch]!;
      if (!file.origins) continue;
      for (let y = 0; y < SIDE; y++)
        for (let x = 0; x < SIDE; x++) {
          const pixel = `${file.scene} ${file.origins[2 * number]! + y} ${file.origins[2 * number + 1]! + x}`;
          expect(owner.get(pixel) ?? part).toBe(part);
          owner.set(pixel, part);
        }
    }
  }
  const all = [...split.train, ...split.validation, ...split.test, ...split.guard].sort((a, b) => a - b);
  expect(all).toEqual(Array.from({ length: set.count }, (_, i) => i));
}

const overlapping = (a: Origin, b: Origin) => Math.abs(a[0] - b[0]) < SIDE && Math.abs(a[1] - b[1]) < SIDE;
const line = (n: number, step: number): Origin[] => Array.from({ length: n }, (_, i) => [i * step, 0]);
const WISH = { validation: 0.2, test: 0.2, seed: 42 };

describe('splits', () => {
  it('of the documented 16 + 10 + 10 patches keep scenes whole but for one at most', () => {
    const set = setOf({ a: line(16, SIDE), b: line(10, SIDE), c: line(10, SIDE) });
    for (let seed = 0; seed < 20; seed++) {
      const split = splitPatches(set, { ...WISH, seed });
      expect(split.method).toBe('scene');
      expectDisjoint(set, split);
      const scene = (p: number) => (p < 16 ? 'a' : p < 26 ? 'b' : 'c');
      const training = new Set(split.train.map(scene));
      expect([...split.validation, ...split.test].some((p) => training.has(scene(p)))).toBe(false);
    }
  });

  it('of two scenes never train and test on the same one where that can be avoided', () => {
    const set = setOf({ a: line(20, SIDE), b: line(6, SIDE) });
    const split = splitPatches(set, WISH);
    expect(split.method).toBe('scene');
    expect(split.train.every((p) => p < 20)).toBe(true);
    expect(split.test.every((p) => p >= 20)).toBe(true);
    expectDisjoint(set, split);
  });

  it('of one flight line are blocks along it, whatever the order in the file', () => {
    const shuffled = new Random(3).shuffle(Array.from({ length: 20 }, (_, i) => i));
    // one patch of free ground between patches: no guard is needed
    const set = setOf({ a: shuffled.map((i): Origin => [2 * i * SIDE, 0]) });
    const split = splitPatches(set, WISH);
    expect(split.method).toBe('block');
    expect(split.guard).toEqual([]);
    for (const [part, size] of [
      ['train', 12],
      ['validation', 4],
      ['test', 4],
    ] as const) {
      const places = split[part].map((p) => shuffled[p]!).sort((a, b) => a - b);
      expect(places).toEqual(Array.from({ length: size }, (_, i) => places[0]! + i));
    }
  });

  it('of patches that overlap by half leave out a guard at each border', () => {
    const set = setOf({ a: line(40, SIDE / 2) });
    const split = splitPatches(set, WISH);
    expectDisjoint(set, split);
    // two borders; beside each the overlapping patch, and those nearer than half a patch: rows 4 and 8, 4 + 4 = 8 apart
    expect(split.guard.length).toBe(4);
  });

  it('find three parts even where most patches overlap', () => {
    // the last overlaps the second and third: with it for testing only one more would be left
    const set = setOf({
      s: [
        [-20, 0],
        [5, 0],
        [5, 12],
        [10, 6],
      ],
    });
    const split = splitPatches(set, WISH);
    expect(split.guard).toEqual([3]);
    expectDisjoint(set, split);
  });

  it('without origins are runs of patch numbers and say so', () => {
    const split = splitPatches(setOf({ a: 10 }), WISH);
    expect(split.method).toBe('patch');
    expect(split.description).toContain('overlap cannot be ruled out');
    for (const part of PARTS) expect(split[part]).toEqual(split[part].map((_, i) => split[part][0]! + i));
    expect(PARTS.map((part) => split[part].length)).toEqual([6, 2, 2]);
  });

  it('refuse fewer than three patches and patches that all overlap', () => {
    expect(() => splitPatches(setOf({ a: 2 }), WISH)).toThrow(/a\.h5: too few patches.*found 2, expected at least 3/);
    expect(() => splitPatches(setOf({ a: line(7, 1) }), WISH)).toThrow(/a\.h5: the patches overlap so much/);
    // many of them, too, without taking long
    expect(() =>
      splitPatches(setOf({ a: Array.from({ length: 2000 }, (_, i): Origin => [i % 7, i % 5]) }), WISH),
    ).toThrow(/overlap so much/);
  });

  it('have their properties on random sets', () => {
    const random = new Random(11);
    for (let round = 0; round < 400; round++) {
      const scenes: Record<string, Origin[]> = {};
      const extent = 1 + random.integer(80);
      const width = 1 + random.integer(24);
      for (let s = 0; s <= random.integer(4); s++)
        scenes[`s${s}`] = Array.from(
          { length: 1 + random.integer(12) },
          (): Origin => [random.integer(extent) - 10, random.integer(width)],
        );
      const set = setOf(scenes);
      const options = { validation: 0.05 + 0.3 * random.uniform(), test: 0.05 + 0.3 * random.uniform(), seed: round };
      const all = Object.entries(scenes).flatMap(([scene, origins]) => origins.map((origin) => ({ scene, origin })));
      const apart = (i: number, j: number) =>
        all[i]!.scene !== all[j]!.scene || !overlapping(all[i]!.origin, all[j]!.origin);
      const three = all.some((_, i) =>
        all.some((_, j) => j > i && apart(i, j) && all.some((_, k) => k > j && apart(i, k) && apart(j, k))),
      );
      if (!three) {
        expect(() => splitPatches(set, options)).toThrow(/too few patches|overlap so much/);
        continue;
      }
      const split = splitPatches(set, options);
      expectDisjoint(set, split);
      checkSplit(set, split);
      expect(splitPatches(set, options)).toEqual(split);
      // a guard patch is nearer than half a patch to one that is used
      const used = [...split.train, ...split.validation, ...split.test].map((p) => all[p]!);
      const near = (i: number, o: (typeof all)[number]) =>
        all[i]!.scene === o.scene &&
        [0, 1].every((axis) => Math.abs(all[i]!.origin[axis]! - o.origin[axis]!) < 1.5 * SIDE);
      for (const guard of split.guard) expect(used.some((o) => near(guard, o))).toBe(true);
    }
  });

  it('are near the wanted fractions where nothing overlaps', () => {
    for (const n of [3, 5, 10, 36, 200])
      for (const [validation, test] of [
        [0.2, 0.2],
        [0.1, 0.15],
      ] as const) {
        const options = { validation, test, seed: n };
        const split = splitPatches(setOf({ a: line(n, 2 * SIDE) }), options);
        // one patch at least; whole patches, and what one part rounds up another rounds down
        expect(Math.abs(split.validation.length - Math.max(1, validation * n))).toBeLessThan(1);
        expect(Math.abs(split.test.length - Math.max(1, test * n))).toBeLessThan(1);
        // many scenes of 4 patches: within a scene
        const scenes = Object.fromEntries(Array.from({ length: n }, (_, s) => [`s${s}`, line(4, SIDE)]));
        const whole = splitPatches(setOf(scenes), options);
        expect(whole.method).toBe('scene');
        expect(Math.abs(whole.test.length - 4 * n * test)).toBeLessThanOrEqual(4);
        expect(Math.abs(whole.validation.length - 4 * n * validation)).toBeLessThanOrEqual(4);
      }
  });

  it('refuse fractions that leave nothing', () => {
    const set = setOf({ a: line(9, SIDE) });
    for (const [validation, test, wanted] of [
      [0, 0.2, /validation fraction.*found 0/],
      [0.2, Number.NaN, /test fraction.*found NaN/],
      [0.5, 0.5, /nothing to train on/],
    ] as const)
      expect(() => splitPatches(set, { validation, test, seed: 0 })).toThrow(wanted);
  });
});

describe('checkSplit', () => {
  const set = setOf({ a: line(6, SIDE), b: line(3, 3) });
  const split = (train: number[], validation: number[], test: number[]): Split => ({
    method: 'block',
    seed: 0,
    train,
    validation,
    test,
    guard: [],
    description: '',
  });

  it('takes disjoint parts', () => {
    checkSplit(set, split([0, 1, 2], [3], [4, 5]));
    checkSplit(set, split([6, 7, 8], [3], [4, 5]));
  });

  it('catches planted overlaps, doubles and patches that are not there', () => {
    expect(() => checkSplit(set, split([0, 6], [1], [2, 8]))).toThrow(
      'patches 6 (train) and 8 (test) share pixels of b',
    );
    expect(() => checkSplit(set, split([0, 1], [1], [2]))).toThrow(/patch 1 is in two parts.*train and validation/);
    expect(() => checkSplit(set, split([0], [1], [9]))).toThrow(/split\.test.*found 9, expected 0 to 8/);
  });

  it('catches every planted overlap of random sets', () => {
    const random = new Random(5);
    for (let round = 0; round < 200; round++) {
      const origins = Array.from({ length: 12 }, (): Origin => [random.integer(60), random.integer(30)]);
      const parts = origins.map(() => random.integer(3));
      const some = setOf({ a: origins });
      const of = (part: number) => parts.flatMap((p, i) => (p === part ? [i] : []));
      const wrong = origins.some((a, i) => origins.some((b, j) => parts[i] !== parts[j] && overlapping(a, b)));
      const check = () => checkSplit(some, split(of(0), of(1), of(2)));
      if ([0, 1, 2].some((part) => of(part).length === 0)) expect(check).toThrow('holds no patches');
      else if (wrong) expect(check).toThrow('share pixels of a');
      else check();
    }
  });
});
