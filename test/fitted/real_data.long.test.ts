/** The model that comes with bandlift, made anew from the real data, and its contest held to what is promised of it. */

import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { loadModel } from '../../src/checkpoint/checkpoint.js';
import { calibrationScore } from '../../src/fitted/calibration_protocol.js';
import { BASELINE, CANDIDATES, SumsOf } from '../../src/fitted/candidates.js';
import { leaveEachOut, measureCoverage } from '../../src/fitted/contest.js';
import { commonGrid, DEFAULT_SOURCES, type LoadedSource, loadSource } from '../../src/fitted/sources.js';
import { writeSceneModel } from '../../src/fitted/write_model.js';
import { defaultModelPath } from '../../src/predict/default_model.js';
import { temporaryFolder } from '../support/cli.js';
import { describeShared } from '../support/shared.js';

const folder = temporaryFolder();

describeShared('the default model on real data', 'data', (data) => {
  const grid = commonGrid();
  const sources: LoadedSource[] = [];
  const candidate = async () => {
    const { scenes } = await loadModel(defaultModelPath());
    return CANDIDATES.find(({ name }) => name === scenes!.facts.recipe)!;
  };
  beforeAll(async () => {
    for (const source of DEFAULT_SOURCES) sources.push(await loadSource(data, source));
  });

  it('comes out as it is shipped', async () => {
    const path = join(folder, 'again.safetensors');
    await writeSceneModel(path, await candidate(), sources, grid);
    const [again, shipped] = [await loadModel(path), await loadModel(defaultModelPath())];
    expect(again.scenes!.facts.scenes).toEqual(shipped.scenes!.facts.scenes);
    for (const [name, values] of shipped.tensors.parameters) {
      const found = again.tensors.parameters.get(name)!;
      // another version of Node may round powers otherwise
      const largest = values.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
      values.forEach((value, k) => {
        expect(Math.abs(found[k]! - value)).toBeLessThanOrEqual(1e-5 * largest);
      });
    }
  });

  it('is in no scene worse than quadratic ridge by more than 0.1 degrees, and better in the mean', async () => {
    const scenes = sources.map(({ scene }) => scene);
    const sums = new SumsOf();
    const own = leaveEachOut(await candidate(), scenes, grid.wavelength, sums);
    const base = leaveEachOut(CANDIDATES[BASELINE]!, scenes, grid.wavelength, sums);
    own.forEach(({ clear }, s) => {
      expect(clear).toBeLessThan(base[s]!.clear + 0.1);
    });
    const mean = (list: readonly { clear: number }[]) => list.reduce((sum, { clear }) => sum + clear, 0) / list.length;
    expect(mean(own)).toBeLessThan(mean(base) - 0.5);
  });

  it('is calibrated by 20 pixels over 75 % of the way to training within the scene, and made worse by 5 in no scene', async () => {
    const scenes = sources.map(({ scene }) => scene);
    const sums = new SumsOf();
    const chosen = await candidate();
    const counts = [5, 20, 50];
    const scores = scenes.flatMap(
      (scene) => calibrationScore(chosen, scenes, scene, grid.wavelength, sums, { counts, draws: 5 }) ?? [],
    );
    expect(scores.map(({ scene }) => scene)).toEqual(['NEON', 'Santa Barbara', 'Jasper Ridge', 'EMIT']);
    for (const { none, known } of scores) expect(known.get(5)![0]).toBeLessThan(none[0] + 0.05);
    // 30 pixels of EMIT cannot train a model of their own, so it has no gap
    const gap = scores.filter(({ scene }) => scene !== 'EMIT');
    for (const [k, goal] of [
      [0, 0.75],
      [1, 0.8],
    ] as const) {
      const sum = (of: (score: (typeof gap)[number]) => readonly [number, number]) =>
        gap.reduce((total, score) => total + of(score)[k], 0);
      const none = sum((s) => s.none);
      expect((none - sum((s) => s.known.get(20)!)) / (none - sum((s) => s.within))).toBeGreaterThan(goal);
    }
  });

  it('has intervals that hold 88 to 92 % over the scenes and 75 to 98 % in each', async () => {
    const coverage = measureCoverage(
      await candidate(),
      sources.map(({ scene }) => scene),
      grid.wavelength,
    );
    for (const key of ['clear', 'all'] as const) {
      for (const scene of coverage) expect(Math.abs(scene[key] - 0.865)).toBeLessThan(0.115);
      const pooled = coverage.reduce((sum, scene) => sum + scene[key] / coverage.length, 0);
      expect(Math.abs(pooled - 0.9)).toBeLessThan(0.02);
    }
  });
});
