/** The table that ends a training run, measured as `evaluate` measures: the same methods give the same numbers. */

import { methodMetrics } from '../metrics/region_metrics.js';
import type { MethodResult } from '../metrics/types.js';
import { type MeasuredData, measure } from './measure.js';
import type { Method } from './method.js';
import { EvaluationPool } from './worker_pool.js';

/**
 * Each method over the patches of `data`, good bands only; SSIM is left out (NaN).
 * @param ratio fine pixels per coarse pixel, for ERGAS
 */
export async function measureRows(
  data: MeasuredData,
  methods: (pool: EvaluationPool) => readonly Method[],
  ratio: number,
  threads: number,
): Promise<MethodResult[]> {
  const pool = new EvaluationPool(threads);
  try {
    const rows: MethodResult[] = [];
    for (const method of methods(pool)) {
      const { sums } = await measure(data, method, undefined, pool, () => {});
      const { label, role, about } = method;
      rows.push({ label, role, about, ...methodMetrics(sums, data.regions, ratio) });
    }
    return rows;
  } finally {
    await pool.close();
  }
}
