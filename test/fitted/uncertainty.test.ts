/** What predict writes of a model's error: against the formula in double precision, and metamers against the promised share. */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Random } from '../../src/base/random.js';
import { loadModel } from '../../src/checkpoint/checkpoint.js';
import { LEVEL_DEVIATIONS, weightedQuantile } from '../../src/fit/conformal.js';
import { correctionTerms, relativeResiduals } from '../../src/fit/scene_prior.js';
import { applyFit } from '../../src/fit/scene_ridge.js';
import { observability, relativeDeviation } from '../../src/fit/scene_uncertainty.js';
import { CANDIDATES, SumsOf } from '../../src/fitted/candidates.js';
import { fitSceneModel } from '../../src/fitted/scene_model.js';
import { commonGrid, spectraOf } from '../../src/fitted/sources.js';
import { defaultModelPath } from '../../src/predict/default_model.js';
import { Interrupted } from '../../src/predict/segment_run.js';
import { readEnvi } from '../../src/raster/envi.js';
import { openScene } from '../../src/scenes/open.js';
import { bandWeights, LANDSAT8_OLI } from '../../src/spectra/response.js';
import { predicted } from '../predict/support.js';
import { expectOneError } from '../support/broken.js';
import { bandliftHere, temporaryFolder } from '../support/cli.js';
import { landsatCube, OLI, reflectance, sameModel } from '../support/predictions.js';

const folder = temporaryFolder();
const at = (name: string) => join(folder, name);

/** Standard deviations and squared distance of a pixel by the formulas of the specification, from the file's tables. */
async function formula(x: readonly number[]): Promise<{ sd: number[]; distance: number }> {
  const { scenes } = await loadModel(defaultModelPath());
  const { differences, factors, spread } = scenes!.tables;
  const phi = [0.1, ...x];
  const m = x.reduce((sum, v) => sum + v, 0) / 7;
  const off = x.map((v, i) => v - spread.mean[i]!);
  const distance = off.reduce(
    (sum, a, i) => sum + off.reduce((s, b, j) => s + a * b * spread.inverse[7 * i + j]!, 0),
    0,
  );
  const sd = Array.from(factors, (factor, b) => {
    const spreads = phi.reduce(
      (sum, u, i) => sum + phi.reduce((s, v, j) => s + u * v * differences.prior[64 * b + 8 * i + j]!, 0),
      0,
    );
    return factor * Math.sqrt((differences.within[b]! * m * m + spreads) * (1 + distance));
  });
  return { sd, distance };
}

describe('predict --uncertainty', () => {
  const pixels = [
    [0, 0],
    [3, 9],
    [7, 4],
  ] as const;
  const input = (y: number, x: number) => OLI.map((_, b) => reflectance(y, x, b));

  it('writes standard deviations, distances and the share of pixels beyond the training range', async () => {
    const scene = landsatCube(at('scene'));
    const args = ['predict', scene, '--out', at('sd'), '--uncertainty', 'sd', '--device', 'cpu', '--tile', '3'];
    const ran = await bandliftHere(args, folder);
    expect([ran.status, ran.stderr]).toEqual([0, '']);
    const [sd, distance] = [await readEnvi(at('sd_uncertainty.img')), await readEnvi(at('sd_distance.img'))];
    expect([sd.header.bands, distance.header.bands]).toEqual([340, 1]);
    expect(sd.header.mapInfo).toEqual((await readEnvi(at('sd.img'))).header.mapInfo);
    for (const [y, x] of pixels) {
      const expected = await formula(input(y, x));
      expect(distance.data[y * 10 + x]!).toBeCloseTo(Math.sqrt(expected.distance), 2);
      // sums of float32 whose terms cancel to a hundredth
      expected.sd.forEach((value, b) => {
        expect(Math.abs(sd.data[(y * 10 + x) * 340 + b]! / value - 1)).toBeLessThan(0.005);
      });
    }
    const limit = (await loadModel(defaultModelPath())).scenes!.facts.uncertainty.limit;
    let beyond = 0;
    for (let k = 0; k < 80; k++) if ((await formula(input(Math.floor(k / 10), k % 10))).distance > limit) beyond++;
    expect(ran.stdout).toContain(`${((100 * beyond) / 80).toFixed(1)} % of the valid pixels lie beyond`);
    expect(ran.stdout).toContain('calibrated on 6 scenes');
  });

  it('writes intervals around the prediction that do not go below 0', async () => {
    const scene = landsatCube(at('bounds'), { value: (y, x, b) => 0.05 * reflectance(y, x, b) });
    const args = ['predict', scene, '--out', at('interval'), '--uncertainty', 'interval', '--device', 'cpu', '--json'];
    const ran = await bandliftHere(args, folder);
    expect(ran.status).toBe(0);
    const [middle, bounds] = [await readEnvi(at('interval.img')), await readEnvi(at('interval_uncertainty.img'))];
    expect(bounds.header.bands).toBe(680);
    for (const [y, x] of pixels) {
      const { sd } = await formula(input(y, x).map((v) => 0.05 * v));
      for (let b = 0; b < 340; b++) {
        const value = middle.data[(y * 10 + x) * 340 + b]!;
        const [lower, upper] = [0, 340].map((o) => bounds.data[(y * 10 + x) * 680 + o + b]!);
        const half = 1.6449 * sd[b]!;
        expect(Math.abs(lower! - Math.max(0, value - half))).toBeLessThan(0.01 * half + 1e-6);
        expect(Math.abs(upper! - (value + half))).toBeLessThan(0.01 * half + 1e-6);
      }
    }
    const done = ran.stdout.split('\n').find((line) => line.includes('"done"'))!;
    expect(JSON.parse(done)).toMatchObject({ calibration_scenes: 6, beyond_training_share: expect.any(Number) });
  });

  it('begins again where it was interrupted after a cube beside the result, and says what stays of an older one', async () => {
    const scene = landsatCube(at('again'));
    const started = at('again_out.work');
    const run = (...more: string[]) =>
      bandliftHere(['predict', scene, '--out', at('again_out'), '--device', 'cpu', ...more], folder);
    const kept = ['again_out_uncertainty', 'again_out_distance'].flatMap((name) => [`${name}.img`, `${name}.hdr`]);
    // a run that was stopped in stage 1: the two cubes are there, and the work folder says that they are its own
    const opened = await openScene(scene);
    let tiles = 0;
    // 6 tiles each of deviations, distances and spectra
    const options = { stage1: defaultModelPath(), tile: 4, out: at('again_out'), uncertainty: 'sd' as const };
    await expect(predicted(opened, options, () => ++tiles >= 14)).rejects.toThrow(Interrupted);
    await opened.close();
    expect([existsSync(started), existsSync(at('again_out.img'))]).toEqual([true, false]);
    for (const name of kept) expect(existsSync(at(name))).toBe(true);
    const restarted = await run('--uncertainty', 'interval', '--restart');
    expect([restarted.status, restarted.stderr]).toEqual([0, '']);
    expect((await readEnvi(at('again_out_uncertainty.img'))).header.bands).toBe(680);
    expect(existsSync(started)).toBe(false);
    const plain = await run('--overwrite');
    expect(plain.status).toBe(0);
    expect(plain.stderr).toMatch(/again_out_uncertainty\.img stays, and belongs to the older result: remove it/);
    expect(plain.stderr).toMatch(/again_out_distance\.img stays/);
    // no work folder says whose they are
    rmSync(at('again_out.img'));
    rmSync(at('again_out.hdr'));
    const other = await run('--uncertainty', 'sd', '--restart');
    expect(other.status).toBe(2);
    expect(expectOneError(other.stderr)).toMatch(/again_out_uncertainty\.img: exists already/);
  });

  it('tells of bounds that int16 cannot hold', async () => {
    const scene = landsatCube(at('clamped'));
    const args = ['predict', scene, '--out', at('clamped_out'), '--device', 'cpu', '--uncertainty', 'interval'];
    const ran = await bandliftHere([...args, '--format', 'int16', '--scale', '200000'], folder);
    expect(ran.status).toBe(0);
    const { data } = await readEnvi(at('clamped_out_uncertainty.img'));
    const cut = data.filter((value) => value === 32767).length;
    const told = Number(/warning: uncertainty: (\d+) values .* beyond int16/.exec(ran.stderr)?.[1]);
    expect(told).toBeGreaterThan(0.99 * cut);
    // a few are the largest number without having been cut off
    expect(told).toBeLessThanOrEqual(cut);
  });

  it('is refused with stage 2, and for a model that does not know its error', async () => {
    const scene = landsatCube(at('refused'));
    const stage1 = await sameModel(folder);
    for (const more of [
      ['--stage1', stage1],
      ['--stage1', stage1, '--stage2', 'bicubic'],
    ]) {
      const ran = await bandliftHere(['predict', scene, '--out', at('no'), '--uncertainty', 'sd', ...more], folder);
      expect(ran.status).toBe(2);
      expect(expectOneError(ran.stderr)).toContain('--uncertainty');
    }
  });
});

describe('quantiles over scenes', () => {
  it('weigh every scene the same', () => {
    // three of four in the first scene are at most 3, all ten of the second are 0
    expect(weightedQuantile([[1, 2, 3, 4], new Array(10).fill(0)], 0.5)).toBe(0);
    expect(weightedQuantile([[1, 2, 3, 4], new Array(10).fill(0)], 0.75)).toBe(2);
    expect(weightedQuantile([[1, 2, 3, 4]], 1)).toBe(4);
  });
});

describe('metamers', () => {
  const { wavelength, fwhm } = commonGrid();
  const response = bandWeights(LANDSAT8_OLI, wavelength, fwhm);
  const MODES = 14;
  const mode = (k: number, nm: number) => (0.012 / Math.sqrt(1 + k)) * Math.cos((Math.PI * k * (nm - 370)) / 2030);
  const middle = Float64Array.from(wavelength, (nm) => 0.2 + 0.1 * Math.sin(nm / 400));
  const draw = (random: Random) => {
    const z = Array.from({ length: MODES }, () => random.normal());
    return Float64Array.from(wavelength, (nm) => z.reduce((sum, zk, k) => sum + zk * mode(k, nm), 0));
  };
  const see = (y: Float64Array) => response.map((r) => r.reduce((sum, w, b) => sum + w * y[b]!, 0));

  /** K = S R^T (R S R^T)^-1 of the covariance that the spectra are drawn with. */
  function gain(): (x: readonly number[]) => Float64Array {
    const seen = Array.from({ length: MODES }, (_, k) => see(Float64Array.from(wavelength, (nm) => mode(k, nm))));
    // R S R^T by its 7 x 7 entries, solved by elimination for each x
    const matrix = response.map((_, i) => response.map((__, j) => seen.reduce((s, v) => s + v[i]! * v[j]!, 0)));
    return (x) => {
      const a = matrix.map((row, i) => [...row, x[i]!]);
      for (let k = 0; k < 7; k++) {
        const pivot = a
          .slice(k)
          .reduce((best, row, i) => (Math.abs(row[k]!) > Math.abs(a[best]![k]!) ? i + k : best), k);
        [a[k], a[pivot]] = [a[pivot]!, a[k]!];
        for (let i = 0; i < 7; i++) {
          if (i === k) continue;
          const f = a[i]![k]! / a[k]![k]!;
          for (let j = k; j <= 7; j++) a[i]![j]! -= f * a[k]![j]!;
        }
      }
      const solved = a.map((row, i) => row[7]! / row[i]!);
      const z = seen.map((v) => v.reduce((s, value, i) => s + value * solved[i]!, 0));
      return Float64Array.from(wavelength, (nm) => z.reduce((sum, zk, k) => sum + zk * mode(k, nm), 0));
    };
  }

  it('are covered at the promised rate: truth replaced inside the null space of the responses, inputs as they were', () => {
    const count = 300;
    const scene = (name: string, spectra: readonly Float64Array[]) =>
      spectraOf(name, Float32Array.from(spectra.flatMap((y) => [...y])), wavelength, new Uint8Array(340).fill(1));
    const truths = (seed: number) => {
      const random = new Random(seed);
      return Array.from({ length: count }, () => draw(random).map((v, b) => middle[b]! + v));
    };
    const training = [1, 2, 3, 4].map((seed) => scene(`${seed}`, truths(seed)));
    const candidate = CANDIDATES.find(({ name }) => name.startsWith('three exposures, weights 1/m, penalty 0.0001'))!;
    const { fit, uncertainty } = fitSceneModel(candidate, training, wavelength, new SumsOf());
    // another spectrum s that agrees with nothing but the statistics: y' = y - N y + N s, N = 1 - K R (Matheron's rule)
    const random = new Random(99);
    const predictable = gain();
    const own = truths(5);
    const metamers = own.map((y) => {
      const [seen, s] = [see(y.map((v, b) => v - middle[b]!)), draw(random)];
      const [known, other] = [predictable(seen), predictable(see(s))];
      return Float64Array.from(wavelength, (_, b) => middle[b]! + known[b]! + s[b]! - other[b]!);
    });
    see(metamers[0]!).forEach((value, i) => {
      expect(Math.abs(value - see(own[0]!)[i]!)).toBeLessThan(1e-6);
    });
    const test = scene('metamers', metamers);
    const which = Uint32Array.from({ length: count }, (_, p) => p);
    const residuals = relativeResiduals(test, which, applyFit(fit, test, which));
    const u = correctionTerms(test, which);
    let inside = 0;
    for (let p = 0; p < count; p++) {
      const off = Array.from({ length: 7 }, (_, i) => test.x[7 * p + i]! - uncertainty.spread.mean[i]!);
      const distance = off.reduce(
        (sum, a, i) => sum + off.reduce((s, b, j) => s + a * b * uncertainty.spread.inverse[7 * i + j]!, 0),
        0,
      );
      for (let b = 0; b < 340; b++) {
        const half = LEVEL_DEVIATIONS * relativeDeviation(uncertainty, b, u, 8 * p, distance);
        if (Math.abs(residuals[340 * p + b]!) <= half) inside++;
      }
    }
    expect(Math.abs(inside / (340 * count) - 0.9)).toBeLessThan(0.02);
  });

  it('are what the observability curve tells of: the share that is not the null space', () => {
    const random = new Random(7);
    const spectra = Array.from({ length: 1500 }, () => draw(random).map((v, b) => middle[b]! + v));
    const scene = spectraOf(
      'x',
      Float32Array.from(spectra.flatMap((y) => [...y])),
      wavelength,
      new Uint8Array(340).fill(1),
    );
    // brightness out of the way: the covariance is then that of the modes
    const curve = observability([{ ...scene, brightness: new Float64Array(scene.count).fill(1) }]);
    const predictable = gain();
    const check = [20, 60, 100, 150, 220, 300];
    const left = new Float64Array(340);
    const whole = new Float64Array(340);
    for (const y of spectra) {
      const centred = y.map((v, b) => v - middle[b]!);
      const known = predictable(see(centred));
      for (const b of check) {
        left[b]! += (centred[b]! - known[b]!) ** 2;
        whole[b]! += centred[b]! ** 2;
      }
    }
    // fitted and true linear functions differ by a few thousandths of the variance at 1500 spectra
    for (const b of check) expect(Math.abs(curve[b]! - (1 - left[b]! / whole[b]!))).toBeLessThan(0.01);
  });
});
