/** Two cubes of the same ground, 30 m and 4 m, whose numbers follow from line, sample and band. */
import { join } from 'node:path';
import { braces, utm, writeCube } from '../support/envi_cubes.js';

export const BANDS = 24;
/** nm; 24 bands from 400 to 2470. */
export const WAVELENGTH = Array.from({ length: BANDS }, (_, b) => 400 + 90 * b);
/** Marked bad in the header. */
export const BAD = [11, 12, 17];
export const COARSE = { lines: 60, samples: 90 };
export const FINE = { lines: 450, samples: 675 };

/** Stored as float32; fields of 1 pixel that differ, and a slope over the bands. */
export const coarseValue = (line: number, sample: number, band: number): number =>
  Math.fround(0.05 + 0.004 * line + 0.002 * sample + 0.01 * band + 0.02 * ((line >> 3) + (sample >> 3)) * (band % 2));

/** The same ground at 4 m: half of it, so that the cubes are told apart. */
export const fineValue = (line: number, sample: number, band: number): number =>
  Math.fround(coarseValue(Math.floor((line * 2) / 15), Math.floor((sample * 2) / 15), band) / 2);

const entries = (gsd: number) => ({
  wavelength: braces(WAVELENGTH),
  'wavelength units': 'Nanometers',
  bbl: braces(WAVELENGTH.map((_, b) => (BAD.includes(b) ? 0 : 1))),
  'map info': utm(gsd),
  'data ignore value': -9999,
});

/** A corner of 5 x 7 pixels has no data. */
export const hasData = (line: number, sample: number): boolean => line >= 5 || sample >= 7;

export function writeScenes(folder: string): { coarse: string; fine: string; sd: string } {
  const coarse = writeCube(join(folder, 'coarse'), {
    ...COARSE,
    bands: BANDS,
    value: (y, x, b) => (hasData(y, x) ? coarseValue(y, x, b) : -9999),
    entries: entries(30),
  });
  const fine = writeCube(join(folder, 'fine'), {
    ...FINE,
    bands: BANDS,
    interleave: 'bsq',
    value: fineValue,
    entries: entries(4),
  });
  const sd = writeCube(join(folder, 'sd'), {
    ...COARSE,
    bands: BANDS,
    interleave: 'bil',
    value: (_, __, b) => 0.01 + 0.001 * b,
    entries: entries(30),
  });
  return { coarse, fine, sd };
}
