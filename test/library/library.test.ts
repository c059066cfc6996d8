/** The library: what `import ... from 'bandlift'` gives, held against the command line on the same data. */
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { loadCheckpoint } from '../../src/checkpoint/checkpoint.js';
import {
  AbortError,
  BandliftError,
  evaluate,
  importModel,
  loadModel,
  openScene,
  PreparationAbort,
  planPrediction,
  predict,
  prepareScenes,
  silentReporter,
  train,
} from '../../src/index.js';
import { bandliftHere, temporaryFolder } from '../support/cli.js';
import { braces, utm, wavelengths, writeCube } from '../support/envi_cubes.js';
import { describeLong } from '../support/long.js';
import { landsatCube, predictHere, sameModel } from '../support/predictions.js';
import { smallSample, testRowsOf } from '../support/runs.js';

const work = temporaryFolder();
const folder = (name: string) => {
  const path = join(work, name);
  mkdirSync(path);
  return path;
};

/** Everything that is written to the terminal while a test runs. */
let written: string[] = [];
beforeEach(() => {
  written = [];
  for (const stream of [process.stdout, process.stderr])
    vi.spyOn(stream, 'write').mockImplementation((text) => {
      written.push(String(text));
      return true;
    });
});
afterEach(() => vi.restoreAllMocks());

/** A signal that aborts when the reporter is told progress for the n-th time, and the reporter. */
function abortAt(count: number) {
  const controller = new AbortController();
  let told = 0;
  const update = () => {
    if (++told === count) controller.abort();
  };
  const reporter = { ...silentReporter, progress: () => ({ update, stop() {} }) };
  return { signal: controller.signal, reporter };
}

describe('predict', () => {
  it('writes the bytes that the command line writes, and says nothing', async () => {
    const at = folder('bytes');
    const model = await loadModel(await sameModel(at));
    expect([model.stage, model.spec.inBands]).toEqual([1, 7]);
    const scene = await openScene(landsatCube(join(at, 'scene')));
    const result = await predict(scene, [model], { out: join(at, 'library'), device: 'cpu' });
    await scene.close();
    expect(written).toEqual([]);
    expect(result.output.counts.pixels).toBe(80);
    const { status } = await predictHere(at, 'scene.hdr', '--out', 'command');
    expect(status).toBe(0);
    for (const ending of ['img', 'hdr'])
      expect(readFileSync(join(at, `library.${ending}`)).equals(readFileSync(join(at, `command.${ending}`)))).toBe(
        true,
      );
  });

  it('plans without writing: 15/2 of the region', async () => {
    const at = folder('plan');
    const path = await sameModel(at);
    const scene = await openScene(landsatCube(join(at, 'scene')));
    const before = readdirSync(at);
    const region = { x: 2, y: 0, width: 4, height: 8 };
    const plan = await planPrediction(scene, [path, 'bicubic'], { out: join(at, 'out'), region, device: 'cpu' });
    await scene.close();
    expect(plan.region).toEqual(region);
    expect(plan.stages.map(({ description: d }) => [d.height, d.width, d.bands])).toEqual([
      [8, 4, 7],
      [60, 30, 7],
    ]);
    // float32 of both cubes; scratch comes on top
    expect(plan.diskBytes).toBeGreaterThanOrEqual(4 * 7 * (8 * 4 + 60 * 30));
    expect(readdirSync(at)).toEqual(before);
  });

  it('ends by its signal after a tile, and goes on to the same bytes', async () => {
    const at = folder('abort');
    const model = await loadModel(await sameModel(at));
    const path = landsatCube(join(at, 'scene'));
    const open = () => openScene(path);
    const options = { device: 'cpu', tile: 3 };
    await predict(await open(), [model], { ...options, out: join(at, 'whole') });
    const out = join(at, 'cut');
    const stopped = predict(await open(), [model], { ...options, out, ...abortAt(2) });
    await expect(stopped).rejects.toThrow(AbortError);
    await expect(stopped).rejects.toMatchObject({ exitCode: 130, message: 'the prediction was interrupted' });
    expect([existsSync(`${out}.img`), existsSync(`${out}.work`)]).toEqual([false, true]);
    await predict(await open(), [model], { ...options, out, resume: 'require' });
    expect(readFileSync(`${out}.img`).equals(readFileSync(join(at, 'whole.img')))).toBe(true);
    expect(existsSync(`${out}.work`)).toBe(false);
  });

  it('refuses two models of one stage, and rejects at once when its signal is aborted already', async () => {
    const at = folder('refused');
    const path = await sameModel(at);
    const scene = await openScene(landsatCube(join(at, 'scene')));
    const out = join(at, 'out');
    await expect(predict(scene, [path, path], { out, device: 'cpu' })).rejects.toThrow(/one of each stage/);
    const signal = AbortSignal.abort();
    await expect(predict(scene, [path], { out, device: 'cpu', signal })).rejects.toThrow(AbortError);
    await scene.close();
  });
});

describeLong('train and evaluate', () => {
  it('agree to the last digit, with the table of training too; aborted and resumed runs end alike', async () => {
    const data = smallSample(folder('sample'));
    const settings = {
      stage: 1,
      data,
      epochs: 2,
      batchSize: 2,
      blocks: 1,
      hidden: 6,
      lr: 1e-3,
      device: 'cpu',
    } as const;
    const quiet = { imageEvery: 0, patience: 0 };
    const out = join(work, 'run');
    const { best, rows } = await train({ ...settings, ...quiet, out });
    expect(written).toEqual([]);
    const file = testRowsOf(out).map(({ label, samDeg, rmse }) => ({ label, samDeg, rmse }));
    const given = rows.map(({ label, regions: { all } }) => ({ label, samDeg: all!.samDeg, rmse: all!.rmse }));
    expect(given).toEqual(file);
    const { methods } = await evaluate({ checkpoint: best, data, device: 'cpu' });
    const model = methods.find(({ role }) => role === 'model')!;
    const tested = rows.at(-1)!.regions.all!;
    expect([model.regions.all!.samDeg, model.regions.all!.rmse]).toEqual([tested.samDeg, tested.rmse]);
    expect(model.validPixels).toBe(rows.at(-1)!.validPixels);
    const stopped = evaluate({ checkpoint: best, data, device: 'cpu', ...abortAt(1) });
    await expect(stopped).rejects.toThrow('the evaluation was interrupted');

    const cut = join(work, 'cut');
    const first = train({ ...settings, ...quiet, out: cut, ...abortAt(3) });
    await expect(first).rejects.toThrow(AbortError);
    await expect(first).rejects.toThrow(/everything up to this step is in .*cut\/checkpoints\/last\.safetensors/);
    const again = await train({ ...settings, ...quiet, out: cut, resume: true });
    const [a, b] = [await loadCheckpoint(best), await loadCheckpoint(again.best)];
    for (const [name, values] of a.tensors.parameters) expect(b.tensors.parameters.get(name)).toEqual(values);
    const resumed = again.rows.at(-1)!.regions.all!;
    expect([resumed.samDeg, resumed.rmse]).toEqual([tested.samDeg, tested.rmse]);
  });
});

describe('train and evaluate', () => {
  it('names a setting that does not exist, or is wrong', async () => {
    const run = (more: object) => train({ stage: 1, data: work, out: join(work, 'never'), device: 'cpu', ...more });
    await expect(run({ learningRate: 1 })).rejects.toThrow(/learning-rate: unknown setting/);
    await expect(run({ epochs: 0 })).rejects.toThrow(/--epochs/);
    await expect(run({ stage: 3 })).rejects.toThrow(/unknown stage; found 3, expected 1 or 2/);
    expect(existsSync(join(work, 'never'))).toBe(false);
  });
});

describe('prepareScenes and importModel', () => {
  it('make what the commands make', async () => {
    const at = folder('prepare');
    // 60 x 45 pixels of 4 m are 8 x 6 of Landsat's: patches of 2 x 2
    const scene = writeCube(join(at, 'line'), {
      lines: 60,
      samples: 45,
      bands: 105,
      type: 2,
      value: (y, x, b) => 1000 + ((y * 31 + x * 17 + b * 7) % 900),
      entries: { 'map info': utm(4), wavelength: braces(wavelengths(105)), 'reflectance scale factor': 10000 },
    });
    const prepared = await prepareScenes([scene], { out: join(at, 'library'), patch: 2, seed: 7 });
    expect(written).toEqual([]);
    expect(prepared.failures).toEqual([]);
    const { status } = await bandliftHere(['prepare', scene, '--out', 'command', '--patch', '2', '--seed', '7'], at);
    expect(status).toBe(0);
    const report = JSON.parse(readFileSync(join(at, 'command/prepare_report.json'), 'utf8'));
    expect(JSON.parse(readFileSync(prepared.reportPath, 'utf8')).scenes).toHaveLength(report.scenes.length);
    expect(prepared.done[0]!.kept).toBe(12);
    expect(report.scenes[0].kept).toBe(12);
    const stopped = prepareScenes([scene], { out: join(at, 'stopped'), patch: 2, signal: AbortSignal.abort() });
    await expect(stopped).rejects.toThrow(PreparationAbort);
    await expect(stopped).rejects.toMatchObject({ result: { done: [], interrupted: true } });
  });

  it('import a model of PyTorch, and write over nothing', async () => {
    const out = join(folder('import'), 'model.safetensors');
    const { spec, parameters } = await importModel('test/golden/spectral_sr.pth', { out });
    const model = await loadModel(out, { stats: 'none' });
    expect(model.spec).toEqual(spec);
    for (const [name, values] of parameters) expect(model.values.get(name)).toEqual(values);
    await expect(importModel('test/golden/spectral_sr.pth', { out })).rejects.toThrow(BandliftError);
  });
});

it('nothing below the command line ends the process or prints', () => {
  const sources = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter(
    (name) => /\.(ts|mjs)$/.test(name) && !name.startsWith('cli/'),
  );
  expect(sources.length).toBeGreaterThan(200);
  const found = [...sources.map((name) => `src/${name}`), 'bindings/load.ts'].flatMap((name) =>
    readFileSync(name, 'utf8')
      .split('\n')
      .filter((line) => /process\.(exit\b|exitCode\s*=|stdout|stderr|on\()|\bconsole\./.test(line))
      .map((line) => `${name}: ${line.trim()}`),
  );
  expect(found).toEqual([]);
});
