/** The numbers as CSV (RFC 4180, one header line), at full precision; an empty cell where a value is not defined. */
import type { EvaluationResult } from '../evaluate/result.js';
import type { Bands } from '../metrics/types.js';
import { METRICS, missing, REGION_NAMES } from './format.js';

type Cell = string | number | null | undefined;

function cell(value: Cell): string {
  if (typeof value !== 'string') return missing(value) ? '' : String(value);
  return /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}

const lines = (rows: readonly (readonly Cell[])[]): string =>
  rows.map((row) => `${row.map(cell).join(',')}\n`).join('');

/** A line for each method and set of bands. RMSE and MAE in the units of the data. */
export function metricsCsv(result: EvaluationResult): string {
  const header = ['method', 'role', 'region', 'bands', ...METRICS.map((m) => m.column)];
  const rows = result.methods.flatMap((method) =>
    (Object.keys(REGION_NAMES) as Bands[]).flatMap((region) => {
      const metrics = method.regions[region];
      if (!metrics) return [];
      return [
        [
          method.label,
          method.role,
          region,
          metrics.bands,
          ...METRICS.map((m) => metrics[m.key]),
          method.validPixels,
          method.zeroNormPixels,
        ],
      ];
    }),
  );
  return lines([[...header, 'valid_pixels', 'zero_norm_pixels'], ...rows]);
}

/** A line for each method and band; bands count from 1; `counted` is 1 for bands that the metrics are over. */
export function bandMetricsCsv(result: EvaluationResult): string {
  const header = ['method', 'role', 'band', 'wavelength_nm', 'counted', 'rmse', 'mae', 'psnr_db', 'ssim', 'cc'];
  const rows = result.methods.flatMap(({ label, role, byBand }) =>
    byBand.rmse.map((rmse, b) => [
      label,
      role,
      b + 1,
      result.wavelength?.[b],
      result.goodBands[b],
      rmse,
      byBand.mae[b],
      byBand.psnr[b],
      byBand.ssim[b],
      byBand.cc[b],
    ]),
  );
  return lines([header, ...rows]);
}
