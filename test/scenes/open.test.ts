/** What a path is opened as, and patches as scenes. */
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BandliftError } from '../../src/base/errors.js';
import { PatchWriter } from '../../src/data/patch_writer.js';
import { wktOfEpsg } from '../../src/raster/crs.js';
import { EnviOutput } from '../../src/scenes/envi_output.js';
import { type OpenOptions, openScene } from '../../src/scenes/open.js';
import { openPatchScenes } from '../../src/scenes/patch_scenes.js';
import { landsatValue, patchDatasets, writeHdf5 } from '../support/patch_files.js';
import { temporaryFolder } from '../support/temporary.js';
import { makeTiff } from '../support/tiff_bytes.mjs';

const folder = temporaryFolder();
const failure = (input: string | string[], options?: OpenOptions) =>
  openScene(input, options).then(
    () => 'opened',
    (error: unknown) => {
      expect(error).toBeInstanceOf(BandliftError);
      return (error as Error).message;
    },
  );

const SIDE = 30;
const LOW = 4;
const lowValue = (n: number, i: number) => n + i / 256;

/** Two patches as prepare writes them: 30 px of 4 m, 4 px of 30 m. */
async function writePatches(name: string): Promise<string> {
  const path = join(folder, name);
  const writer = await PatchWriter.create(path, {
    height: SIDE,
    width: SIDE,
    inBands: 7,
    outBands: 3,
    downsamplingFactor: 7.5,
    wavelength: Float64Array.of(0.4, 0.5, 0.6),
    fwhm: Float64Array.of(0.005, 0.005, 0.006),
    goodBands: Uint8Array.of(1, 0, 1),
    units: 'reflectance',
    scale: 10,
    sensor: 'Landsat 8 OLI',
    responseHash: 'hash',
    sourceScene: 'line_1',
    crsWkt: wktOfEpsg(32611)!,
    nodata: -9999,
    seed: 1,
    lowResolution: { height: LOW, width: LOW },
    masked: true,
  });
  for (let n = 0; n < 2; n++) {
    const low = Float32Array.from({ length: LOW * LOW * 7 }, (_, i) => 10 * lowValue(n, i));
    low[5 * 7 + 2] = -9999;
    const mask = new Uint8Array(SIDE * SIDE).fill(1);
    mask[31] = 0;
    writer.append({
      aviris: Float32Array.from({ length: SIDE * SIDE * 3 }, (_, i) => i / 8),
      landsat: Float32Array.from({ length: SIDE * SIDE * 7 }, (_, i) => i / 16),
      landsatLr: low,
      mask,
      origin: [0, n * SIDE],
      geotransform: [500000 + n * SIDE * 4, 4, 0, 4000000, 0, -4],
    });
  }
  writer.close();
  return path;
}

describe('patches as scenes', () => {
  it('landsat_lr on its own grid, in physical units', async () => {
    const scenes = await openPatchScenes(await writePatches('native.h5'));
    expect(scenes.map((s) => s.name)).toEqual(['line_1_patch000', 'line_1_patch001']);
    const scene = scenes[1]!;
    expect(scene).toMatchObject({ height: LOW, width: LOW, bands: 7, units: 'reflectance', sensor: 'Landsat 8 OLI' });
    // 4 m * 7.5, and 30 px of 4 m further east
    expect(scene.georeference!.geotransform).toEqual([500120, 30, 0, 4000000, 0, -30]);
    expect(scene.georeference!.crsWkt).toContain('UTM zone 11N');
    const { values, valid } = await scene.read({ y: 1, x: 1, height: 2, width: 3 });
    expect([...valid]).toEqual([0, 1, 1, 1, 1, 1]);
    expect([...values.subarray(0, 7)]).toEqual(Array(7).fill(0));
    // row 2, column 3: pixel 11
    expect([...values.subarray(35)]).toEqual(Array.from({ length: 7 }, (_, b) => Math.fround(lowValue(1, 77 + b))));
    await expect(scene.read({ y: 3, x: 0, height: 2, width: 1 })).rejects.toThrow(/outside the scene/);
    await Promise.all(scenes.map((s) => s.close()));
  });

  it('the fine grid and the narrow bands, on demand', async () => {
    const path = await writePatches('fine.h5');
    const [scene, other] = await openPatchScenes(path, { dataset: 'aviris' });
    await other!.close();
    expect(scene).toMatchObject({ height: SIDE, width: SIDE, bands: 3 });
    // micrometres in the file
    expect([...scene!.wavelength!]).toEqual([400, 500, 600]);
    scene!.fwhm!.forEach((w, b) => {
      expect(w).toBeCloseTo([5, 5, 6][b]!, 12);
    });
    expect([...scene!.goodBands!]).toEqual([1, 0, 1]);
    expect(scene!.georeference!.geotransform).toEqual([500000, 4, 0, 4000000, 0, -4]);
    const { values, valid } = await scene!.read({ y: 1, x: 0, height: 1, width: 3 });
    // the mask of the file
    expect([...valid]).toEqual([1, 0, 1]);
    expect(values[6]).toBe(Math.fround((32 * 3) / 8 / 10));
    truncateSync(path, 4000);
    await expect(scene!.read({ y: 0, x: 0, height: 1, width: 1 })).rejects.toThrow(/has become shorter/);
    await scene!.close();
    const [upsampled] = await openPatchScenes(await writePatches('up.h5'), { dataset: 'landsat' });
    expect(upsampled).toMatchObject({
      height: SIDE,
      bands: 7,
      georeference: { geotransform: [500000, 4, 0, 4000000, 0, -4] },
    });
  });

  it('plain files without places, and what is missing', async () => {
    const shape = { patches: 2, height: 4, width: 5, inBands: 7, outBands: 3 };
    const path = await writeHdf5(join(folder, 'plain.h5'), { ...patchDatasets(shape) });
    const scenes = await openPatchScenes(path);
    expect(scenes[0]!.warnings).toEqual(['the patches do not say where on the ground they lie']);
    const { values } = await scenes[1]!.read({ y: 3, x: 4, height: 1, width: 1 });
    expect([...values]).toEqual(Array.from({ length: 7 }, (_, b) => landsatValue(1, 3, 4, b)));
    await expect(openPatchScenes(path, { dataset: 'aviris_lr' })).rejects.toThrow(
      /plain\.h5: dataset 'aviris_lr' is missing; found aviris, landsat/,
    );
    expect(await failure(path)).toMatch(
      /plain\.h5: holds several patches; found 2 patches, expected the number of one; give --patch NUMBER, from 0 to 1/,
    );
    expect(await failure(path, { patch: 2 })).toMatch(/has no such patch; found 2, expected 0 to 1/);
    const one = await openScene(path, { patch: 1 });
    expect(one.name).toBe('plain_patch001');
    await one.close();
    const flat = await writeHdf5(join(folder, 'flat.h5'), { landsat: { data: new Float32Array(20), shape: [4, 5] } });
    expect(await failure(flat)).toMatch(
      /flat\.h5: landsat: wrong number of dimensions; found \(4,5\), expected \(N,H,W,bands\)/,
    );
  });
});

describe('opening by what the path is', () => {
  it('a stacked GeoTIFF, an ENVI cube', async () => {
    const tiff = join(folder, 'stack.TIF');
    writeFileSync(tiff, makeTiff({ compression: 8 }));
    const stack = await openScene([tiff]);
    expect(stack).toMatchObject({ name: 'stack', height: 15, width: 20, bands: 7, warnings: [] });
    await stack.close();

    const cube = join(folder, 'cube.img');
    const output = await EnviOutput.create(cube, {
      height: 2,
      width: 3,
      bands: 7,
      dataType: 'int16',
      interleave: 'bil',
    });
    const values = Float32Array.from({ length: 42 }, (_, i) => i / 100);
    await output.write({ y: 0, x: 0, height: 2, width: 3 }, values, Uint8Array.of(1, 1, 1, 1, 0, 1));
    await output.finish();
    for (const path of [cube, join(folder, 'cube.hdr')]) {
      const scene = await openScene(path);
      expect(scene).toMatchObject({ height: 2, width: 3, bands: 7 });
      const read = await scene.read({ y: 0, x: 0, height: 2, width: 3 });
      expect([...read.valid]).toEqual([1, 1, 1, 1, 0, 1]);
      // hundredths are whole ten-thousandths
      for (let i = 0; i < 42; i++) expect(read.values[i]).toBeCloseTo(Math.floor(i / 7) === 4 ? 0 : values[i]!, 6);
      await scene.close();
    }
    expect(await failure(cube, { scale: 2 })).toMatch(
      /cube\.img: --input-scale: is for a stacked GeoTIFF; found an ENVI cube; the header tells it/,
    );
  });

  it('says what is none', async () => {
    expect(await failure(join(folder, 'nothing'))).toMatch(/nothing: no such file or folder/);
    expect(await failure([])).toMatch(/\(nothing\): is not a scene; found 0 files/);
    expect(await failure([join(folder, 'a.tif'), join(folder, 'b.tif')])).toMatch(
      /is not a scene; found 2 files, expected one path/,
    );
    const empty = join(folder, 'empty');
    mkdirSync(empty);
    expect(await failure(empty)).toMatch(/empty: is a folder without a Landsat product/);
    const text = join(folder, 'readme.txt');
    writeFileSync(text, 'hello');
    expect(await failure(text)).toMatch(/readme\.txt: the header of this data file is missing/);
    const page = join(folder, 'page.tif');
    writeFileSync(page, '<html>');
    expect(await failure(page)).toMatch(/page\.tif: not a TIFF file/);
    const part = join(folder, 'LC08_X_SR_B1.TIF');
    writeFileSync(part, makeTiff({ bands: 1 }));
    expect(await failure(part)).toMatch(/LC08_X_SR_B2\.TIF: bands are missing; found SR_B1\.TIF/);
    const patches = join(folder, 'broken.h5');
    writeFileSync(patches, 'not hdf');
    expect(await failure(patches)).toMatch(/broken\.h5: not an HDF5 file/);
  });
});
