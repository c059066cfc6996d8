/** The table that ends every run. */
import type { MetricRow } from './types.js';

/** Four digits that count; '-' where a number is not defined. */
export const figure = (value: number | undefined): string => {
  if (value === undefined || Number.isNaN(value)) return '-';
  if (!Number.isFinite(value)) return 'inf';
  const size = Math.abs(value);
  return size >= 1e4 || (size !== 0 && size < 1e-3) ? value.toExponential(3) : value.toPrecision(4);
};

/**
 * Rows as aligned text: model, SAM, RMSE overall, in VNIR, SWIR and the clear bands (where wavelengths are known), MAE, PSNR.
 * @param units of the data, put beside RMSE
 */
export function formatMetricsTable(rows: readonly MetricRow[], units?: string): string {
  const regions = rows.some((row) => Object.keys(row.rmseByRegion).length > 0);
  const clearAngle = rows.some((row) => row.samClearDeg !== undefined);
  const columns: [string, (row: MetricRow) => string][] = [
    ['model', (row) => row.label],
    ['SAM deg', (row) => figure(row.samDeg)],
    ...(clearAngle
      ? ([['SAM clear', (row) => figure(row.samClearDeg)]] as [string, (row: MetricRow) => string][])
      : []),
    ['RMSE', (row) => figure(row.rmse)],
    ...(regions
      ? ([
          ['VNIR', (row) => figure(row.rmseByRegion.vnir)],
          ['SWIR', (row) => figure(row.rmseByRegion.swir)],
          ['clear', (row) => figure(row.rmseByRegion.clear)],
        ] as [string, (row: MetricRow) => string][])
      : []),
    ['MAE', (row) => figure(row.mae)],
    ['PSNR dB', (row) => (Number.isFinite(row.psnr) ? row.psnr.toFixed(2) : '-')],
  ];
  const cells = [columns.map(([title]) => title), ...rows.map((row) => columns.map(([, value]) => value(row)))];
  const widths = columns.map((_, i) => Math.max(...cells.map((line) => line[i]!.length)));
  const format = (line: string[]) =>
    line.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ');
  const [title, ...body] = cells.map(format);
  const first = rows[0];
  const pixels = first
    ? `${first.validPixels.toLocaleString('en')} pixel${first.validPixels === 1 ? '' : 's'}`
    : 'no pixels';
  const excluded =
    first && first.zeroNormPixels > 0
      ? `, ${first.zeroNormPixels.toLocaleString('en')} without length left out of SAM`
      : '';
  const bands = first?.rmseByBand ?? [];
  const good = bands.filter((value) => !Number.isNaN(value)).length;
  const counted = good < bands.length ? `the ${good} good of ${bands.length} bands` : 'all bands';
  const where = `${pixels}${excluded}${units ? `; RMSE and MAE in ${units}` : ''}${regions ? `; RMSE over ${counted}, VNIR 400-1000 nm, SWIR 1000-2400 nm, clear of water vapour` : ''}`;
  return [title!, '-'.repeat(title!.length), ...body, where].join('\n');
}
