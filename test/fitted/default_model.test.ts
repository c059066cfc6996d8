/** The model that comes with bandlift, and one of its kind made of generated scenes: files, prediction, refusals. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { loadModel, saveSceneModel } from '../../src/checkpoint/checkpoint.js';
import { CANDIDATES } from '../../src/fitted/candidates.js';
import { commonGrid } from '../../src/fitted/sources.js';
import { writeSceneModel } from '../../src/fitted/write_model.js';
import { readSafetensors, writeSafetensors } from '../../src/io/safetensors.js';
import { defaultModelPath } from '../../src/predict/default_model.js';
import { readEnvi } from '../../src/raster/envi.js';
import { expectOneError } from '../support/broken.js';
import { bandliftHere, temporaryFolder } from '../support/cli.js';
import { landsatCube, OLI, reflectance } from '../support/predictions.js';
import { generatedScene } from './generated_scenes.js';

const folder = temporaryFolder();
const at = (name: string) => join(folder, name);
const chosen = CANDIDATES.find(({ name }) => name === 'three exposures, weights 1/m, penalty 0.0003')!;

/** The regression of a model at one pixel, written out. */
async function written(path: string, x: readonly number[]): Promise<number[]> {
  const { tensors } = await loadModel(path);
  const weight = tensors.parameters.get('regression.weight')!;
  const bias = tensors.parameters.get('regression.bias')!;
  const features = [...x, ...x.flatMap((a, i) => x.slice(i).map((b) => a * b))];
  return Array.from(bias, (b, c) => features.reduce((sum, a, i) => sum + a * weight[c * 35 + i]!, b));
}

describe('a model of generated scenes', () => {
  const path = at('made.safetensors');
  beforeAll(async () => {
    const sources = [1, 2, 3].map((seed) => ({ scene: generatedScene(seed), sha256: 'generated' }));
    await writeSceneModel(path, chosen, sources, commonGrid());
  });

  it('is near the truth of a scene that it has not seen', async () => {
    const scene = generatedScene(9);
    for (const p of [0, 100, 200]) {
      const found = await written(path, [...scene.x.subarray(7 * p, 7 * p + 7)]);
      // the scenes differ by about 2 % of the spectrum, three waves of it
      found.forEach((value, b) => {
        expect(Math.abs(value - scene.y[340 * p + b]!)).toBeLessThan(0.2 * scene.y[340 * p + b]! + 0.02);
      });
    }
  });

  it('is written to the same bytes again, and read back as it was', async () => {
    const { model, tensors, scenes } = await loadModel(path);
    await saveSceneModel(at('again.safetensors'), model, tensors.parameters, scenes!);
    const [one, two] = [await readSafetensors(path), await readSafetensors(at('again.safetensors'))];
    expect(two.metadata).toEqual(one.metadata);
    for (const [name, { data }] of one.tensors) expect([name, two.tensors.get(name)!.data]).toEqual([name, data]);
  });

  it('is refused with a table that is missing or not a number', async () => {
    const { metadata, tensors } = await readSafetensors(path);
    const [without, broken] = [new Map(tensors), new Map(tensors)];
    without.delete('uncertainty.within');
    const within = Float32Array.from(tensors.get('uncertainty.within')!.data as Float32Array);
    within[3] = Number.NaN;
    broken.set('uncertainty.within', { ...tensors.get('uncertainty.within')!, data: within });
    for (const [name, map] of [
      ['without.safetensors', without],
      ['broken.safetensors', broken],
    ] as const) {
      await writeSafetensors(at(name), map as never, metadata);
      await expect(loadModel(at(name))).rejects.toThrow(/uncertainty\.within/);
    }
  });
});

describe('predict without a model', () => {
  it('uses the one that comes with bandlift', async () => {
    const scene = landsatCube(at('scene'));
    const ran = await bandliftHere(['predict', scene, '--out', at('result'), '--device', 'cpu'], folder);
    expect([ran.status, ran.stderr]).toEqual([0, '']);
    const { header, data: values } = await readEnvi(at('result.img'));
    expect([header.lines, header.samples, header.bands]).toEqual([8, 10, 340]);
    for (const [y, x] of [
      [0, 0],
      [5, 7],
    ] as const) {
      const expected = await written(
        defaultModelPath(),
        OLI.map((_, b) => reflectance(y, x, b)),
      );
      // held at 0, and computed in float32 from weights of up to some tens
      expected.forEach((value, b) => {
        expect(Math.abs(values[(y * 10 + x) * 340 + b]! - Math.max(0, value))).toBeLessThan(1e-5);
      });
    }
    // strong water vapour is flagged, what lies beside it is not
    const flag = (nm: number) => header.bbl![header.wavelength!.findIndex((w) => w >= nm)];
    expect([865, 1340, 1480, 1600, 1985, 2100].map(flag)).toEqual([1, 0, 0, 1, 0, 1]);
  });

  it('refuses radiance and other sensors with the reason', async () => {
    const radiance = landsatCube(at('radiance'), { entries: { 'data units': 'uW cm-2 sr-1 nm-1' } });
    const sentinel = landsatCube(at('sentinel'), { entries: { wavelength: '{443, 490, 560, 665, 842, 1610, 2190}' } });
    for (const [path, word] of [
      [radiance, 'units'],
      [sentinel, 'wavelength'],
    ] as const) {
      const ran = await bandliftHere(['predict', path, '--out', at(`no_${word}`)], folder);
      expect(ran.status).toBe(2);
      expectOneError(ran.stderr);
      expect(ran.stderr).toContain(word);
      expect(ran.stderr).toContain('--stage1');
    }
  });

  it('has a model of under 1 MB that knows what it was made of', async () => {
    expect(statSync(defaultModelPath()).size).toBeLessThan(1_000_000);
    const { scenes } = await loadModel(defaultModelPath());
    expect(scenes!.facts.scenes.length).toBe(scenes!.facts.uncertainty.scenes);
    for (const { sha256 } of scenes!.facts.scenes) expect(sha256).toMatch(/^[0-9a-f]{64}$/);
    const inspected = await bandliftHere(['inspect', defaultModelPath()], folder);
    expect(inspected.stdout).toMatch(/intervals +calibrated on 6 scenes/);
    expect(inspected.stdout).toMatch(/observability .* 878 nm (9\d|100)/);
  });
});
