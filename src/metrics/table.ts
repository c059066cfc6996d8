/** Measured methods as a table for people: the short one that ends a training run, and the full one of `evaluate`. */
import { alignRows } from '../base/text_table.js';
import type { Bands, MethodResult, RegionMetrics } from './types.js';

/** Four digits that count; '-' where a number is not defined. */
export const figure = (value: number | undefined): string => {
  if (value === undefined || Number.isNaN(value)) return '-';
  if (!Number.isFinite(value)) return 'inf';
  const size = Math.abs(value);
  return size >= 1e4 || (size !== 0 && size < 1e-3) ? value.toExponential(3) : value.toPrecision(4);
};

type Column = readonly [title: string, metric: keyof RegionMetrics, bands: Bands];

const SHORT: readonly Column[] = [
  ['SAM deg', 'samDeg', 'all'],
  ['RMSE', 'rmse', 'all'],
  ['VNIR', 'rmse', 'vnir'],
  ['SWIR', 'rmse', 'swir'],
  ['clear', 'rmse', 'clear'],
  ['MAE', 'mae', 'all'],
  ['PSNR dB', 'psnr', 'all'],
];
const FULL: readonly Column[] = [
  ['SAM deg', 'samDeg', 'all'],
  ['SAM clear', 'samDeg', 'clear'],
  ['RMSE', 'rmse', 'all'],
  ['RMSE clear', 'rmse', 'clear'],
  ['MAE', 'mae', 'all'],
  ['MRAE', 'mrae', 'all'],
  ['PSNR dB', 'psnr', 'all'],
  ['SSIM', 'ssim', 'all'],
  ['ERGAS', 'ergas', 'all'],
  ['CC', 'cc', 'all'],
  ['below 0 %', 'negativeShare', 'all'],
];

/** What the numbers were measured on. */
export interface TableContext {
  readonly patches: number;
  /** Of the data; empty where they do not say. */
  readonly units: string;
}

/** The short table: SAM, RMSE over all bands and by region, MAE and PSNR of each method. */
export const formatShortTable = (methods: readonly MethodResult[], context: TableContext): string =>
  format('model', methods, (m) => m.label, SHORT, context);

/** All metrics of each method; the model's line is marked. */
export const formatFullTable = (methods: readonly MethodResult[], context: TableContext): string =>
  format('method', methods, (m) => `${m.role === 'model' ? '>' : ' '} ${m.label}`, FULL, context);

/** Columns of regions that no method has are left out. The last line says what was counted. */
function format(
  title: string,
  methods: readonly MethodResult[],
  labelOf: (method: MethodResult) => string,
  columns: readonly Column[],
  context: TableContext,
): string {
  const shown = columns.filter(([, , bands]) => bands === 'all' || methods.some((m) => m.regions[bands]));
  const cell = (method: MethodResult, [, metric, bands]: Column): string => {
    const value = method.regions[bands]?.[metric];
    return figure(metric === 'negativeShare' && value !== undefined ? 100 * value : value);
  };
  const [head, ...body] = alignRows([
    [title, ...shown.map(([name]) => name)],
    ...methods.map((method) => [labelOf(method), ...shown.map((column) => cell(method, column))]),
  ]);
  return [head!, '-'.repeat(head!.length), ...body, counted(methods[0], shown, context)].join('\n');
}

const REGIONS_TEXT = { vnir: 'VNIR 400-1000 nm', swir: 'SWIR 1000-2400 nm', clear: 'clear: away from water vapour' };

function counted(
  first: MethodResult | undefined,
  columns: readonly Column[],
  { patches, units }: TableContext,
): string {
  const count = (number: number, one: string, many: string) =>
    `${number.toLocaleString('en')} ${number === 1 ? one : many}`;
  const withoutAngle =
    first && first.zeroNormPixels > 0
      ? `, ${first.zeroNormPixels.toLocaleString('en')} without length left out of SAM`
      : '';
  const bands = first?.byBand.rmse ?? [];
  const good = bands.filter((value) => !Number.isNaN(value)).length;
  const regions = new Set(columns.map(([, , region]) => region));
  const named = Object.entries(REGIONS_TEXT).flatMap(([name, text]) => (regions.has(name as Bands) ? [text] : []));
  return [
    `${count(first?.validPixels ?? 0, 'valid pixel', 'valid pixels')} in ${count(patches, 'patch', 'patches')}${withoutAngle}`,
    `RMSE and MAE in ${units || "the data's units"}`,
    [good < bands.length ? `the ${good} good of ${bands.length} bands` : 'all bands', ...named].join(', '),
  ].join('; ');
}
