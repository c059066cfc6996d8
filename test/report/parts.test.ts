import { describe, expect, it } from 'vitest';
import { bandAxis } from '../../src/report/axis.js';
import { drawChart, stack } from '../../src/report/chart.js';
import { curveCharts } from '../../src/report/curves.js';
import { columnDigits, formatNumber, listed, prettyUnits, valueTitle } from '../../src/report/format.js';
import { gainByBand, strongestBaseline } from '../../src/report/gain.js';
import { colorScales } from '../../src/report/pixels.js';
import { density } from '../../src/report/scatter.js';
import { stage1, stage2 } from './made_up.js';

describe('numbers', () => {
  it('keep three digits of the smallest in a column', () => {
    expect(columnDigits([0.0149, 0.056, 0.0057])).toBe(5);
    expect(columnDigits([4.1, 13.7])).toBe(2);
    expect(columnDigits([312, 4051])).toBe(0);
    expect(columnDigits([0, Number.NaN, null, Number.POSITIVE_INFINITY])).toBe(0);
    expect(columnDigits([1e-9, 2e-5])).toBeUndefined();
    expect(columnDigits([1e-9, 0.5])).toBe(6);
  });
  it('have a true minus, and a dash where there are none', () => {
    expect(formatNumber(-0.25, 2)).toBe('−0.25');
    expect(formatNumber(3.12e-8, undefined)).toBe('3.12e−8');
    expect(formatNumber(null, 2)).toBe('–');
    expect(formatNumber(Number.NEGATIVE_INFINITY, 2)).toBe('−∞');
  });
  it('have units as they are printed', () => {
    expect(prettyUnits('uW cm-2 sr-1 nm-1')).toBe('µW\u00a0cm⁻²\u00a0sr⁻¹\u00a0nm⁻¹');
    expect(prettyUnits('W m^-2 sr^-1 um^-1')).toBe('W\u00a0m⁻²\u00a0sr⁻¹\u00a0µm⁻¹');
    expect(prettyUnits('DN')).toBe('DN');
    expect([valueTitle('Reflectance', 'true'), valueTitle('DN'), valueTitle('')]).toEqual([
      'true reflectance',
      'value (DN)',
      'value',
    ]);
  });
  it('stand in lists', () => {
    expect([[], ['a'], ['a', 'b'], ['a', 'b', 'c']].map(listed)).toEqual(['', 'a', 'a and b', 'a, b and c']);
  });
});

describe('the band axis', () => {
  it('sorts bands of overlapping detectors and breaks where bands were left out', () => {
    // 5 nm apart, one detector falling: order by wavelength is 0 1 3 2 | 4 5
    const axis = bandAxis([400, 405, 415, 410, 450, 455], 6);
    expect(axis.order).toEqual([0, 1, 3, 2, 4, 5]);
    expect(axis.stretch).toEqual([0, 0, 0, 0, 1, 1]);
    expect(axis.gaps).toEqual([[415, 450]]);
    expect(axis.title).toBe('wavelength (nm)');
  });
  it('counts bands from 1 without wavelengths, in one stretch', () => {
    const axis = bandAxis(null, 3);
    expect([axis.position, axis.stretch, axis.gaps, axis.title]).toEqual([[1, 2, 3], [0, 0, 0], [], 'band']);
  });
  it('of a single band', () => {
    expect(bandAxis([550], 1).gaps).toEqual([]);
  });
});

describe('density', () => {
  it('counts points in cells; row is the prediction, column the truth', () => {
    const d = density({ region: 'all', truth: [0, 0.1, 1, 1, Number.NaN], predicted: [0, 0.1, 0.3, 0.3, 1] }, 4)!;
    expect([d.from, d.to, d.points, d.outside]).toEqual([0, 1, 4, 0]);
    expect(d.cells).toEqual([
      { column: 0, row: 0, count: 2 },
      { column: 3, row: 1, count: 2 },
    ]);
  });
  it('leaves outliers outside instead of shrinking the rest; negative values widen it', () => {
    const truth = Array.from({ length: 5000 }, (_, i) => i / 5000 - 0.1);
    const predicted = truth.map((t, i) => (i === 3000 ? 1000 : t));
    const d = density({ region: 'all', truth, predicted }, 10)!;
    expect(d.to).toBeCloseTo(0.9, 2);
    expect(d.from).toBeCloseTo(-0.1, 2);
    expect(d.outside).toBeGreaterThan(0);
    expect(d.outside).toBeLessThan(25);
    expect(d.cells.reduce((sum, cell) => sum + cell.count, 0) + d.outside).toBe(5000);
  });
  it('is nothing without points, and has an extent when all are equal', () => {
    expect(density({ region: 'all', truth: [Number.NaN], predicted: [1] })).toBeUndefined();
    expect(density({ region: 'all', truth: [0], predicted: [0] })).toMatchObject({ from: 0, to: 1 });
  });
});

describe('color scales', () => {
  it('are one for each unit over all patches, rounded up, clipped at the 98th percentile', () => {
    const base = stage1();
    const maps = (values: number[]) => [{ label: 'a', unit: 'degrees', values: Float32Array.from(values) }];
    const sets = [
      { ...base.pictures[0]!, maps: maps(Array.from({ length: 99 }, (_, i) => i / 10)) },
      { ...base.pictures[1]!, maps: maps([Number.NaN, 500]) },
    ];
    // 100 numbers, the 98th of which is 9.7
    expect(colorScales({ ...base, pictures: sets }).get('degrees')).toEqual({
      unit: 'degrees',
      top: 10,
      clipped: true,
      ticks: ['0', '5', '≥ 10'],
    });
    const zeros = colorScales({ ...base, pictures: [{ ...base.pictures[0]!, maps: maps([0, 0]) }] });
    expect(zeros.get('degrees')).toMatchObject({ top: 1, clipped: false, ticks: ['0', '0.5', '1'] });
  });
});

describe('charts', () => {
  it('label a logarithmic axis with 1, 2 and 5, unrounded', async () => {
    const chart = curveCharts(stage1())[0]!;
    expect(chart.note).toBe(', logarithmic');
    const { body, width, height } = await drawChart(chart.spec, 'a');
    expect([...body.matchAll(/>(0\.\d+)<\/text>/g)].map((m) => m[1])).toEqual(['0.005', '0.01', '0.02', '0.05']);
    // 370 x 195 and the room for the axes
    expect([width, height]).toEqual([454, 247]);
  });
  it('draw SSIM by its distance to 1 where the competitors differ much, the oracle not asked', async () => {
    const base = stage1();
    const ssim = (of: (m: (typeof base.methods)[number]) => number) => ({
      ...base,
      methods: base.methods.map((m) => ({ ...m, byBand: { ...m.byBand, ssim: m.byBand.ssim.map(() => of(m)) } })),
    });
    const nines = curveCharts(ssim((m) => (m.label === 'scaled mean spectrum' ? 0.4 : 0.9995)))[2]!;
    expect(nines.note).toBe(', closer to 1 drawn larger');
    const { body } = await drawChart(nines.spec, 'b');
    expect([...body.matchAll(/>(0\.\d+)<\/text>/g)].map((m) => m[1])).toEqual(['0.5', '0.9', '0.99', '0.999']);
    expect(curveCharts(ssim((m) => (m.role === 'oracle' ? 0.9999 : 0.6)))[2]!.note).toBe('');
  });
  it('set each method beside the strongest baseline, in per cent', async () => {
    const result = stage2();
    const baseline = strongestBaseline(result.methods)!;
    const others = result.methods.filter((m) => m.role === 'baseline' && m !== baseline);
    for (const other of others) expect(other.regions.all!.rmse).toBeGreaterThan(baseline.regions.all!.rmse);
    const [first, second] = [0.02, 0.05];
    const of = (rmse: (number | null)[]) => ({ ...baseline, byBand: { ...baseline.byBand, rmse } }) as typeof baseline;
    // 0.021 / 0.02 - 1 = 5 %; 0.04 / 0.05 - 1 = -20 %; a bad band and a missing one are left out
    const gains = gainByBand(of([0.021, 0.04, 1, null]), of([first, second, 1, 1]), [1, 1, 0, 1]);
    expect(gains.map((v) => (v === null ? v : Number(v.toFixed(9))))).toEqual([5, -20, null, null]);
    const chart = curveCharts(result).at(-1)!;
    expect(chart.title).toBe(`RMSE against ${baseline.label}`);
    expect((await drawChart(chart.spec, 'g')).body).toContain('RMSE difference (%)');
  });
  it('are stacked with ids of their own', async () => {
    const spec = curveCharts(stage1())[1]!.spec;
    const both = stack([await drawChart(spec, 'upper'), await drawChart(spec, 'lower')]);
    expect(both.height).toBe(2 * 247);
    const ids = [...both.body.matchAll(/ id="([^"]*)"/g)].map((m) => m[1]);
    expect(ids.length).toBeGreaterThan(1);
    expect(new Set(ids).size).toBe(ids.length);
    for (const [, id] of both.body.matchAll(/url\(#([^)]*)\)/g)) expect(ids).toContain(id);
  });
});
