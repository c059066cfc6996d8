// Damaged patch files; the options are those of harness.mjs.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PatchWriter } from '../../dist/src/data/patch_writer.js';
import { openPatchScenes } from '../../dist/src/scenes/patch_scenes.js';
import { fuzz } from './harness.mjs';

const [SIDE, LOW, BANDS] = [15, 2, 3];

async function healthyFile() {
  const folder = mkdtempSync(join(tmpdir(), 'bandlift-fuzz-'));
  const path = join(folder, 'healthy.h5');
  const writer = await PatchWriter.create(path, {
    height: SIDE,
    width: SIDE,
    inBands: 7,
    outBands: BANDS,
    downsamplingFactor: 7.5,
    wavelength: Float64Array.of(400, 500, 600),
    fwhm: Float64Array.of(5, 5, 5),
    units: 'reflectance',
    scale: 1,
    sensor: 'Landsat 8 OLI',
    responseHash: 'hash',
    sourceScene: 'line',
    crsWkt: 'LOCAL_CS["x"]',
    nodata: -9999,
    seed: 1,
    lowResolution: { height: LOW, width: LOW },
    masked: true,
  });
  const ramp = (n) => Float32Array.from({ length: n }, (_, i) => i / 64);
  for (let n = 0; n < 2; n++)
    writer.append({
      aviris: ramp(SIDE * SIDE * BANDS),
      landsat: ramp(SIDE * SIDE * 7),
      landsatLr: ramp(LOW * LOW * 7),
      mask: new Uint8Array(SIDE * SIDE).fill(1),
      origin: [0, n * SIDE],
      geotransform: [5e5, 4, 0, 4e6, 0, -4],
    });
  writer.close();
  const bytes = readFileSync(path);
  rmSync(folder, { recursive: true });
  return bytes;
}

async function read(path, random) {
  const dataset = [undefined, 'landsat', 'aviris'][Math.floor(random() * 3)];
  const scenes = await openPatchScenes(path, dataset === undefined ? {} : { dataset });
  try {
    for (const scene of scenes.slice(0, 4)) {
      const [height, width] = [Math.min(scene.height, 64), Math.min(scene.width, 64)];
      await scene.read({ y: scene.height - height, x: 0, height, width });
    }
  } finally {
    await Promise.all(scenes.map((scene) => scene.close()));
  }
}

await fuzz({ extension: '.h5', healthy: [await healthyFile()], read });
