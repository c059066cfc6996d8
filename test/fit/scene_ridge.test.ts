/** Fits over scenes: against least squares written out, exposures against spectra that are written out, masks by hand. */
import { describe, expect, it } from 'vitest';
import { Random } from '../../src/base/random.js';
import { applyFit, expose, fitScenes, type SceneSpectra, sumScene } from '../../src/fit/scene_ridge.js';

/** Spectra of 3 bands that are a known quadratic function of 2. */
function sceneOf(seed: number, count: number, scale = 1, good = Uint8Array.of(1, 1, 1)): SceneSpectra {
  const random = new Random(seed);
  const x = Float64Array.from({ length: 2 * count }, () => scale * (0.1 + random.uniform()));
  const y = new Float32Array(3 * count);
  for (let p = 0; p < count; p++) {
    const [a, b] = [x[2 * p]!, x[2 * p + 1]!];
    y.set([2 * a - b + 0.5 * a * a, a + b * b - 0.25 * a * b, 0.3 * b], 3 * p);
  }
  const brightness = Float64Array.from({ length: count }, (_, p) => (x[2 * p]! + x[2 * p + 1]!) / 2);
  return { name: `${seed}`, count, x, y, good, brightness };
}

const TRUE = [
  [2, -1, 0.5, 0, 0],
  [1, 0, 0, -0.25, 1],
  [0, 0.3, 0, 0, 0],
];
const tiny = { linear: 1e-12, products: 1e-12, intercept: false };

describe('a fit over scenes', () => {
  it('finds the coefficients that made the spectra, with every weighting', () => {
    for (const power of [0, 1, 2]) {
      const { weight, bias } = fitScenes([sumScene(sceneOf(1, 40), power), sumScene(sceneOf(2, 60), power)], tiny);
      TRUE.flat().forEach((value, k) => {
        // the targets are float32
        expect(weight[k]).toBeCloseTo(value, 4);
      });
      expect([...bias]).toEqual([0, 0, 0]);
    }
  });

  it('fits a band to the scenes that know it, and says which bands nobody knows', () => {
    const wrong = { ...sceneOf(2, 60), good: Uint8Array.of(1, 0, 0) };
    for (let p = 0; p < 60; p++) wrong.y[3 * p + 1] = 99;
    const last = { ...sceneOf(1, 40), good: Uint8Array.of(1, 1, 0) };
    const { weight, trained } = fitScenes([sumScene(last, 1), sumScene(wrong, 1)], tiny);
    expect([...trained]).toEqual([1, 1, 0]);
    TRUE[1]!.forEach((value, k) => {
      expect(weight[5 + k]).toBeCloseTo(value, 4);
    });
    expect([...weight.subarray(10)]).toEqual([0, 0, 0, 0, 0]);
  });

  it('makes the sums under other lights of the sums: the same as of spectra written out', () => {
    const once = sceneOf(3, 25);
    const lights = [0.5, 1, 1.6];
    const many = lights.map((a) => ({
      ...once,
      x: once.x.map((v) => a * v),
      y: once.y.map((v) => a * v),
      brightness: once.brightness.map((v) => a * v),
    }));
    const count = 3 * once.count;
    const joined: SceneSpectra = {
      ...once,
      count,
      x: Float64Array.from(many.flatMap(({ x }) => [...x])),
      y: Float32Array.from(many.flatMap(({ y }) => [...y])),
      brightness: Float64Array.from(many.flatMap(({ brightness }) => [...brightness])),
    };
    for (const power of [0, 1, 2]) {
      const [found, expected] = [expose(sumScene(once, power), lights), sumScene(joined, power)];
      // y is float32 in both, scaled before it was rounded in one
      found.gram.forEach((value, k) => {
        expect(value).toBeCloseTo(expected.gram[k]!, 10);
      });
      found.cross.forEach((value, k) => {
        expect(value).toBeCloseTo(expected.cross[k]!, 6);
      });
    }
  });

  it('weighs scenes alike whatever their size, or by the shares given', () => {
    // y = x in one scene, y = 3 x in the other, both with the same x
    const x = Float64Array.of(1, 1, 2, 1, 1, 3);
    const flat = (factor: number, times: number): SceneSpectra => ({
      name: `${factor}`,
      count: 3 * times,
      x: Float64Array.from({ length: 6 * times }, (_, k) => x[k % 6]!),
      y: Float32Array.from({ length: 3 * times }, (_, k) => factor * x[(2 * k) % 6]!),
      good: Uint8Array.of(1),
      brightness: new Float64Array(3 * times).fill(1),
    });
    const sums = [sumScene(flat(1, 1), 0), sumScene(flat(3, 7), 0)];
    const linear = { ...tiny, products: Number.POSITIVE_INFINITY };
    expect(fitScenes(sums, linear).weight[0]).toBeCloseTo(2, 6);
    expect(fitScenes(sums, linear, [1, 3]).weight[0]).toBeCloseTo(2.5, 6);
  });

  it('is applied as it was fitted', () => {
    const scene = sceneOf(5, 30);
    const fit = fitScenes([sumScene(scene, 0)], tiny);
    const found = applyFit(fit, scene, [7, 2]);
    expect([...found].map((v) => v.toFixed(4))).toEqual(
      [...scene.y.subarray(21, 24), ...scene.y.subarray(6, 9)].map((v) => v.toFixed(4)),
    );
  });
});
