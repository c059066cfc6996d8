/** The table that ends a training run, measured as `evaluate` measures: the same methods give the same numbers. */

import { methodMetrics } from '../metrics/region_metrics.js';
import type { MetricRow } from '../metrics/types.js';
import { type MeasuredData, measure } from './measure.js';
import type { Method } from './method.js';
import { EvaluationPool } from './worker_pool.js';

/** A row of each method over the patches of `data`, good bands only; SSIM is left out. */
export async function measureRows(
  data: MeasuredData,
  methods: (pool: EvaluationPool) => readonly Method[],
  threads: number,
): Promise<MetricRow[]> {
  const pool = new EvaluationPool(threads);
  try {
    const rows: MetricRow[] = [];
    for (const method of methods(pool)) {
      const { sums } = await measure(data, method, undefined, pool, () => {});
      rows.push(rowOf(method.label, methodMetrics(sums, data.regions, 1)));
    }
    return rows;
  } finally {
    await pool.close();
  }
}

function rowOf(
  label: string,
  { regions, byBand, validPixels, zeroNormPixels }: ReturnType<typeof methodMetrics>,
): MetricRow {
  const { all, vnir, swir, clear } = regions;
  return {
    label,
    samDeg: all?.samDeg ?? Number.NaN,
    rmse: all?.rmse ?? Number.NaN,
    mae: all?.mae ?? Number.NaN,
    psnr: all?.psnr ?? Number.NaN,
    rmseByBand: byBand.rmse,
    rmseByRegion: {
      ...(vnir ? { vnir: vnir.rmse } : {}),
      ...(swir ? { swir: swir.rmse } : {}),
      ...(clear ? { clear: clear.rmse } : {}),
    },
    validPixels,
    zeroNormPixels,
  };
}
