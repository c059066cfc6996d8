/**
 * `bandlift sample`: generated flight lines as ENVI cubes and patch files; what runs when no data is given.
 *
 * What is in it: 36 materials with parametric spectra (canopies over soils, soils of nine kinds of minerals, waters, roofs,
 * streets) whose pigments, water, leaf area, minerals and age vary smoothly over the map and from field to field, through
 * Kubelka-Munk and therefore not linearly; a map of hills, fields, towns, rivers and roads, points of 7.5 m or less, mixed
 * linearly with a second reflection; slopes in the sun, shadows of trees and houses; a sun and an atmosphere of its own for
 * each line; photon and detector noise of both sensors. What Landsat sees of a spectrum narrows down which material it can
 * be, and each bends in its own way: that is what a network can learn and a regression on squares and products cannot, and
 * it is all that is arranged. How much there is to gain was measured with a small network of another make (see
 * docs/performance.md).
 *
 * In reflectance, the values are those of a level-2 product: slopes and shadows left in, smooth where the air is nearly
 * opaque, BLIND_BAND where it is. In radiance, those of the sensor.
 *
 * Both sensors are on one 30 m grid: the Landsat side is the same scene through the OLI responses with OLI's noise, so it
 * is degraded in wavelength only (downsampling_factor 1, no landsat_lr). At 4 m and these small sizes the x7.5 blur would
 * be most of the problem; stage 1 learns 7 -> 340 bands on the same grid. (The 4 m part, for stage 2, is in fine.ts.)
 * Scores on the sample say that training works; they say nothing about real scenes.
 */
import { join } from 'node:path';
import { BandliftError, EXIT } from '../base/errors.js';
import { makeFolder } from '../base/folders.js';
import { PatchWriter } from '../data/patch_writer.js';
import { EnviWriter } from '../raster/envi.js';
import { LANDSAT8_OLI } from '../spectra/response.js';
import { SAMPLE_DEFAULTS } from './defaults.js';
import {
  lineCorner,
  lineHeader,
  SAMPLE_NODATA,
  SAMPLE_UNITS,
  type SampleBands,
  sampleBands,
  UTM_11N,
  weatherText,
} from './lines.js';
import { type SampleUnits, Scene } from './scene.js';

export interface SampleOptions {
  /** Folder to write to; made if missing. */
  readonly out: string;
  readonly seed: number;
  /** Side of a patch, pixels. */
  readonly patchSize: number;
  /** Patches over all lines. */
  readonly patches: number;
  /** Flight lines, each a scene of its own; fewer when there are fewer patches. */
  readonly lines?: number;
  /** radiance: uW cm-2 sr-1 nm-1 at the sensor; reflectance (default): of the surface, as level-2 products have it. */
  readonly units?: SampleUnits;
  /** Called after each line. */
  readonly progress?: (done: number, total: number) => void;
}

export interface SampleResult {
  /** Paths written. */
  readonly files: string[];
  readonly patches: number;
  /** Of the patches: the spectrometer's without water vapour bands and without the detector's end. */
  readonly bands: number;
}

/** Patches side by side across a line. */
const ACROSS = 2;
const PIXEL = 30;

/**
 * Writes OUT/cubes/line_K.img + .hdr (float32 BIP, 425 bands) and OUT/patches/line_K.h5 (340 bands, layout of
 * docs/specification.md, section 4, and ours). Same options, same numbers, bit for bit. Errors: BandliftError when a size
 * makes no sense or the folder cannot be written.
 */
export async function generateSample(options: SampleOptions): Promise<SampleResult> {
  const { out, seed, patchSize, patches, units = 'reflectance' } = options;
  for (const [field, value, least] of [
    ['seed', seed, 0],
    ['patchSize', patchSize, 1],
    ['patches', patches, 1],
    ['lines', options.lines ?? 1, 1],
  ] as const)
    if (!Number.isInteger(value) || value < least)
      throw new BandliftError(
        'cannot make such a sample',
        { field, found: value, expected: `a whole number from ${least}` },
        EXIT.usage,
      );
  const lines = Math.min(options.lines ?? SAMPLE_DEFAULTS.lines, patches);
  const files: string[] = [];
  for (const name of ['cubes', 'patches']) makeFolder(join(out, name), 'give another --out');
  const bands = sampleBands();
  for (let line = 0; line < lines; line++) {
    // the first lines take what does not divide evenly
    const share = Math.floor(patches / lines) + (line < patches % lines ? 1 : 0);
    files.push(...(await writeLine({ out, seed, patchSize, units, line, patches: share, bands })));
    options.progress?.(line + 1, lines);
  }
  return { files, patches, bands: bands.kept.length };
}

interface LineJob {
  readonly out: string;
  readonly seed: number;
  readonly patchSize: number;
  readonly units: SampleUnits;
  readonly line: number;
  readonly patches: number;
  readonly bands: SampleBands;
}

async function writeLine(job: LineJob): Promise<string[]> {
  const { out, seed, patchSize: side, units, line, patches } = job;
  const { wavelength, fwhm, kept, weights } = job.bands;
  const name = `line_${line + 1}`;
  const across = Math.min(ACROSS, patches);
  const rows = Math.ceil(patches / across);
  const samples = across * side;
  const corner = lineCorner(line);
  const { west, north } = corner;
  const scene = new Scene({ seed, line, wavelength, fwhm, weights, units, pixelSize: PIXEL });
  const cubePath = join(out, 'cubes', `${name}.img`);
  const patchPath = join(out, 'patches', `${name}.h5`);
  const cube = await EnviWriter.create(cubePath, {
    ...lineHeader(job.bands, scene.atmosphere, { seed, name, units, corner, pixel: PIXEL }),
    lines: rows * side,
    samples,
  });
  let file: PatchWriter | undefined;
  try {
    file = await PatchWriter.create(patchPath, {
      height: side,
      width: side,
      inBands: weights.length,
      outBands: kept.length,
      downsamplingFactor: 1,
      wavelength: Float64Array.from(kept, (b) => wavelength[b]!),
      fwhm: Float64Array.from(kept, (b) => fwhm[b]!),
      units: SAMPLE_UNITS[units],
      scale: 1,
      sensor: LANDSAT8_OLI.sensor,
      responseHash: LANDSAT8_OLI.hash,
      sourceScene: name,
      crsWkt: UTM_11N,
      nodata: SAMPLE_NODATA,
      seed,
      note: `generated by bandlift sample, not measured; both sensors on one ${PIXEL} m grid, Landsat degraded in wavelength only, with OLI noise; ${weatherText(scene.atmosphere)}`,
    });
    for (let row = 0; row < rows; row++) {
      const block = scene.block(row * side, side, samples);
      await cube.append(block.cube);
      for (let column = 0; column < across && row * across + column < patches; column++)
        file.append({
          aviris: cut(block.cube, samples, wavelength.length, column * side, side, kept),
          landsat: cut(block.landsat, samples, weights.length, column * side, side),
          origin: [row * side, column * side],
          geotransform: [west + column * side * PIXEL, PIXEL, 0, north - row * side * PIXEL, 0, -PIXEL],
        });
    }
  } catch (error) {
    await cube.discard();
    file?.discard();
    throw error;
  }
  await cube.close();
  file.close();
  return [cubePath, cubePath.replace(/\.img$/, '.hdr'), patchPath];
}

/** Columns x .. x + side of a block [side, samples, bands] as [side, side, kept]. */
function cut(
  block: Float32Array,
  samples: number,
  bands: number,
  x: number,
  side: number,
  kept?: Int32Array,
): Float32Array {
  const list = kept ?? Int32Array.from({ length: bands }, (_, b) => b);
  const out = new Float32Array(side * side * list.length);
  let to = 0;
  for (let row = 0; row < side; row++)
    for (let column = x; column < x + side; column++) {
      const from = (row * samples + column) * bands;
      for (const b of list) out[to++] = block[from + b]!;
    }
  return out;
}
