/** The tables of the report: text of every cell, and which value is the best. */
import type { EvaluationResult } from '../evaluate/result.js';
import type { Bands, MethodResult } from '../metrics/types.js';
import {
  columnDigits,
  formatNumber,
  METRICS,
  type Metric,
  type MetricInfo,
  metricInfo,
  missing,
  REGION_NAMES,
  unitText,
} from './format.js';

export interface Cell {
  readonly text: string;
  /** Best of the models and baselines; all of them where the shown digits are equal. */
  readonly best: boolean;
}

export interface Row {
  readonly label: string;
  readonly role: MethodResult['role'];
  readonly cells: readonly Cell[];
}

export interface Table {
  readonly region: Bands;
  readonly title: string;
  /** 'VNIR, 400–1000 nm: 120 bands'. */
  readonly detail: string;
  readonly columns: readonly { readonly name: string; readonly unit: string; readonly better: MetricInfo['better'] }[];
  readonly groups: readonly { readonly title: string; readonly rows: readonly Row[] }[];
}

const GROUPS: readonly (readonly [MethodResult['role'], string, string])[] = [
  ['baseline', 'Baseline', 'Baselines'],
  ['model', 'Model', 'Models'],
  ['oracle', 'Oracle (has seen the truth)', 'Oracles (have seen the truth)'],
];

const RANGES: Readonly<Record<Bands, string>> = {
  all: '',
  vnir: '400–1000 nm',
  swir: '1000–2400 nm',
  clear: 'away from water vapour',
};

/** Three digits that count for those who compete; the oracles, far smaller at times, may show one. */
function digitsFor(values: readonly (number | null | undefined)[], competes: readonly boolean[]): number | undefined {
  const of = (wanted: boolean) => values.filter((_, i) => competes[i] === wanted);
  const [own, oracles] = [columnDigits(of(true)), columnDigits(of(false), 1)];
  return own === undefined ? undefined : Math.max(own, oracles ?? 0);
}

/** Texts of one column, the best marked where at least two compete. */
function column(
  values: readonly (number | null | undefined)[],
  competes: readonly boolean[],
  info: MetricInfo,
): Cell[] {
  const digits = info.digits ?? digitsFor(values, competes);
  const texts = values.map((value) => formatNumber(value, digits));
  const rivals = values.filter((value, i) => competes[i] && !missing(value)) as number[];
  const best = info.better === 'lower' ? Math.min(...rivals) : Math.max(...rivals);
  const bestText = rivals.length > 1 ? formatNumber(best, digits) : undefined;
  return texts.map((text, i) => ({ text, best: competes[i]! && text === bestText }));
}

/** A table for each set of bands that has metrics. */
export function metricTables(result: EvaluationResult): Table[] {
  return (Object.keys(REGION_NAMES) as Bands[]).flatMap((region) => {
    const methods = result.methods.filter((m) => m.regions[region]);
    if (methods.length === 0) return [];
    const competes = methods.map((m) => m.role !== 'oracle');
    const columns = METRICS.map((info) =>
      column(
        methods.map((m) => m.regions[region]![info.key]),
        competes,
        info,
      ),
    );
    const rows = methods.map(({ label, role }, i) => ({ label, role, cells: columns.map((cells) => cells[i]!) }));
    const unit = unitText('data', result.data.units);
    const bands = methods[0]!.regions[region]!.bands;
    return [
      {
        region,
        title: REGION_NAMES[region],
        detail: [RANGES[region], `${bands} band${bands === 1 ? '' : 's'}`, unit && `RMSE and MAE in ${unit}`]
          .filter(Boolean)
          .join(' · '),
        columns: METRICS.map((info) => ({
          name: info.name,
          unit: info.unit === 'data' ? '' : info.unit,
          better: info.better,
        })),
        groups: GROUPS.flatMap(([role, one, many]) => {
          const members = rows.filter((row) => row.role === role);
          return members.length === 0 ? [] : [{ title: members.length === 1 ? one : many, rows: members }];
        }),
      },
    ];
  });
}

export interface Ranking {
  readonly title: string;
  readonly hint: string;
  readonly rows: readonly {
    readonly label: string;
    readonly role: MethodResult['role'];
    readonly text: string;
    /** Length of its bar, percent of the longest. */
    readonly length: number;
  }[];
}

/** The methods over all bands as bars: SAM, RMSE and PSNR; best first, the oracles apart at the end. */
export function rankings(result: EvaluationResult): Ranking[] {
  const metrics: readonly (readonly [Metric, string])[] = [
    ['samDeg', 'Spectral angle'],
    ['rmse', 'RMSE'],
    ['psnr', 'PSNR'],
  ];
  return metrics.flatMap(([key, name]) => {
    const info = metricInfo(key);
    const methods = result.methods
      .map(({ label, role, regions }) => ({ label, role, value: regions.all?.[key] }))
      .filter((m): m is typeof m & { value: number } => !missing(m.value))
      .sort(
        (a, b) =>
          Number(a.role === 'oracle') - Number(b.role === 'oracle') ||
          (info.better === 'lower' ? a.value - b.value : b.value - a.value),
      );
    if (methods.length === 0) return [];
    const digits =
      info.digits ??
      digitsFor(
        methods.map((m) => m.value),
        methods.map((m) => m.role !== 'oracle'),
      );
    const longest = Math.max(...methods.map((m) => m.value).filter(Number.isFinite), Number.MIN_VALUE);
    const unit = info.unit === 'deg' ? 'degrees' : unitText(info.unit, result.data.units);
    return [
      {
        title: name,
        hint: [unit, `${info.better} is better`].filter(Boolean).join(', '),
        rows: methods.map(({ label, role, value }) => ({
          label,
          role,
          text: formatNumber(value, digits),
          length: Math.min(100, Math.max(0, (100 * value) / longest)),
        })),
      },
    ];
  });
}
