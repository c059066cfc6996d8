/** Inputs and models of a few bytes for `bandlift predict`, and its command line inside the test's process. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { CheckpointContract } from '../../src/checkpoint/schema.js';
import { openScene } from '../../src/scenes/open.js';
import { checkpointOf } from '../predict/support.js';
import { expectOneError } from './broken.js';
import { IDENTITY } from './checkpoints.js';
import { bandliftHere, type CliResult } from './cli.js';
import { braces, type CubeToWrite, utm, writeCube } from './envi_cubes.js';
import { makeTiff, type TiffToMake } from './tiff_bytes.mjs';

/** Centres of OLI's seven bands, nm. */
export const OLI = [443, 482, 561, 655, 865, 1609, 2201];

/** Reflectance of a small scene: 0.1 to 0.3, every pixel and band its own. */
export const reflectance = (y: number, x: number, b: number): number => 0.1 + ((y * 16 + x) * 7 + b) / 10000;

/** An ENVI cube of seven bands in reflectance, 30 m; `changes` replaces fields and entries of the header. */
export function landsatCube(stem: string, changes: Partial<CubeToWrite> = {}): string {
  const { entries, ...fields } = changes;
  return writeCube(stem, {
    lines: 8,
    samples: 10,
    bands: 7,
    value: reflectance,
    ...fields,
    entries: {
      'map info': utm(30),
      'wavelength units': 'Nanometers',
      wavelength: braces(OLI),
      'data units': 'reflectance',
      ...entries,
    },
  });
}

/** A GeoTIFF with seven float32 bands in reflectance, 30 m, UTM 11 N. */
export function landsatStack(path: string, options: TiffToMake = {}): string {
  writeFileSync(path, makeTiff({ width: 10, height: 8, value: reflectance, ...options }));
  return path;
}

/** A model of stage 1 that hands its seven bands through: band b of the result is band b of the input. */
export async function sameModel(folder: string, changes: Partial<CheckpointContract> = {}): Promise<string> {
  const weight = Float32Array.from({ length: 49 }, (_, i) => (i % 8 === 0 ? 1 : 0));
  const values = new Map([
    ['regression.weight', weight],
    ['regression.bias', new Float32Array(7)],
  ]);
  return checkpointOf(
    folder,
    'same',
    { kind: 'ridge', inBands: 7, outBands: 7 },
    {
      normalization: { method: 'none', input: IDENTITY, target: IDENTITY, units: 'reflectance' },
      bands: { wavelength: OLI, fwhm: [16, 60, 57, 38, 28, 85, 187], units: 'reflectance' },
      sensor: 'Landsat 8 OLI',
      ...changes,
    },
    values,
  );
}

/** `predict --stage1 same.safetensors --device cpu ARGS` in the folder, which holds the model of `sameModel`. */
export const predictHere = (folder: string, ...args: string[]): Promise<CliResult> =>
  bandliftHere(['predict', '--stage1', 'same.safetensors', '--device', 'cpu', ...args], folder);

/** The same, refused: the one line of the error, and its exit code. */
export async function refusedHere(folder: string, exit: number, ...args: string[]): Promise<string> {
  const { status, stderr } = await predictHere(folder, ...args);
  const line = expectOneError(stderr);
  expect([status, line]).toEqual([exit, line]);
  return line;
}

/** The same, done: warnings, and the result read back whole. */
export async function predictedHere(folder: string, out: string, ...args: string[]) {
  const { status, stdout, stderr } = await predictHere(folder, ...args, '--out', out);
  expect([status, stderr.split('\n').filter((line) => line.startsWith('error'))]).toEqual([0, []]);
  const scene = await openScene(join(folder, `${out}.img`));
  const pixels = await scene.read({ y: 0, x: 0, height: scene.height, width: scene.width });
  await scene.close();
  return { ...pixels, scene, stdout, stderr };
}
