/** The numbers of the specification are those of the program. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { COMBINED_LOSS, SPATIAL_LOSS } from '../../src/engine/types.js';
import { modelParameters, parameterCount } from '../../src/models/index.js';
import type { ModelSpec } from '../../src/models/spec.js';
import { DROPPED_RANGES, REGIONS } from '../../src/spectra/bands.js';
import { rowsOf } from './markdown.js';

const page = readFileSync('docs/specification.md', 'utf8');
const rows = rowsOf(page);
const ends = { inBands: 340, outBands: 340, up: 15, down: 2, backProjections: 0 } as const;
const numbers = (words: string) => (words.match(/\d+/g) ?? []).map(Number);

/** A row of the table of networks as a network. */
function network([kind, , sizes]: readonly string[]): ModelSpec {
  const [a, b, c, d] = numbers(sizes!) as [number, number, number, number];
  const spectral = { inBands: 7, outBands: 340, regression: 'none' } as const;
  if (kind === '`spectral_sr`') return { kind: 'spectral_sr', ...spectral, hidden: a, blocks: b, axis: 'raster' };
  if (kind === '`spectral_unmixing`')
    return { kind: 'spectral_unmixing', ...spectral, endmembers: a, constraint: 'none' };
  if (kind === '`spatial_sr`') return { kind: 'spatial_sr', ...ends, features: a, groups: b, blocks: c, reduction: d };
  return { kind: 'spatial_lightweight', ...ends, features: a, blocks: b };
}

it('parameters of the networks', () => {
  const table = rows.filter((row) => row.length === 4 && /^`sp\w+`$/.test(row[0]!));
  expect(table.map((row) => row[0])).toEqual([
    '`spectral_sr`',
    '`spectral_sr`',
    '`spectral_unmixing`',
    '`spatial_sr`',
    '`spatial_lightweight`',
    '`spatial_lightweight`',
  ]);
  const built = table.map((row) => parameterCount(modelParameters(network(row))));
  expect(built).toEqual(table.map((row) => Number(row[3]!.replaceAll(',', ''))));
});

it('weights of the losses', () => {
  const weights = (stage: string) =>
    rows
      .find((row) => row[0] === stage && row.length === 5)!
      .slice(1)
      .map(Number);
  expect(weights('stage 1')).toEqual([COMBINED_LOSS.l1, COMBINED_LOSS.l2, COMBINED_LOSS.sam, COMBINED_LOSS.gradient]);
  expect(weights('stage 2')).toEqual([SPATIAL_LOSS.l1, SPATIAL_LOSS.l2, SPATIAL_LOSS.sam, SPATIAL_LOSS.gradient]);
});

it('band regions and dropped bands', () => {
  const region = (name: string) => numbers(rows.find((row) => row[0] === name)![1]!);
  expect(region('VNIR')).toEqual(REGIONS.vnir.flat());
  expect(region('SWIR')).toEqual(REGIONS.swir.flat());
  expect(region('clear of water vapour')).toEqual(REGIONS.clear.flat());
  const dropped = rows.find((row) => row[0] === 'bands')![1]!;
  expect(numbers(dropped).slice(0, 5)).toEqual(DROPPED_RANGES.flat().filter(Number.isFinite));
});
