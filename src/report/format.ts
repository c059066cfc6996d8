/** How numbers and names are written in the report. */
import type { Bands, RegionMetrics } from '../metrics/types.js';

export type Metric = Exclude<keyof RegionMetrics, 'bands'>;

export interface MetricInfo {
  readonly key: Metric;
  readonly name: string;
  /** Column of metrics.csv. */
  readonly column: string;
  /** 'data' stands for the units of the data. */
  readonly unit: 'deg' | 'dB' | 'data' | '';
  readonly better: 'lower' | 'higher';
  /** Fixed digits after the point; without it, as many as the smallest value of a column needs. */
  readonly digits?: number;
}

export const METRICS: readonly MetricInfo[] = [
  { key: 'samDeg', name: 'SAM', column: 'sam_deg', unit: 'deg', better: 'lower' },
  { key: 'rmse', name: 'RMSE', column: 'rmse', unit: 'data', better: 'lower' },
  { key: 'mae', name: 'MAE', column: 'mae', unit: 'data', better: 'lower' },
  { key: 'mrae', name: 'MRAE', column: 'mrae', unit: '', better: 'lower' },
  { key: 'psnr', name: 'PSNR', column: 'psnr_db', unit: 'dB', better: 'higher', digits: 2 },
  { key: 'ssim', name: 'SSIM', column: 'ssim', unit: '', better: 'higher', digits: 4 },
  { key: 'ergas', name: 'ERGAS', column: 'ergas', unit: '', better: 'lower' },
  { key: 'cc', name: 'CC', column: 'cc', unit: '', better: 'higher', digits: 4 },
  { key: 'negativeShare', name: 'Below 0', column: 'negative_share', unit: '', better: 'lower' },
];

export const metricInfo = (key: Metric): MetricInfo => METRICS.find((metric) => metric.key === key)!;

/** In the order of the tables. */
export const REGION_NAMES: Readonly<Record<Bands, string>> = {
  all: 'All bands',
  vnir: 'VNIR',
  swir: 'SWIR',
  clear: 'Clear bands',
};

/** Undefined, or not a number; JSON has null for it. */
export const missing = (value: number | null | undefined): value is null | undefined =>
  value === null || value === undefined || Number.isNaN(value);

const DASH = '–';
const SIGNIFICANT = 3;
const MOST_DIGITS = 6;

/**
 * Digits after the point for numbers that stand in one column: the smallest that is not 0 keeps three that count (or
 * as many as said). Undefined where so many would be needed that powers of ten read better.
 */
export function columnDigits(
  values: readonly (number | null | undefined)[],
  significant = SIGNIFICANT,
): number | undefined {
  const sizes = values.filter((v) => !missing(v) && Number.isFinite(v) && v !== 0).map((v) => Math.abs(v!));
  if (sizes.length === 0) return 0;
  if (Math.max(...sizes) < 10 ** (SIGNIFICANT - MOST_DIGITS)) return undefined;
  const digits = significant - 1 - Math.floor(Math.log10(Math.min(...sizes)));
  return Math.min(MOST_DIGITS, Math.max(0, digits));
}

/** @param digits after the point; undefined = powers of ten */
export function formatNumber(value: number | null | undefined, digits: number | undefined): string {
  if (missing(value)) return DASH;
  if (!Number.isFinite(value)) return value > 0 ? '∞' : '−∞';
  const text = digits === undefined ? value.toExponential(SIGNIFICANT - 1) : value.toFixed(digits);
  return text.replace('-', '−');
}

/** Three digits that count, for running text. */
export const formatAlone = (value: number | null | undefined): string => formatNumber(value, columnDigits([value]));

export const formatCount = (value: number): string => value.toLocaleString('en');

/** '1 patch', '3 patches'. */
export const counted = (count: number, one: string, many = `${one}s`): string =>
  `${formatCount(count)} ${count === 1 ? one : many}`;

export const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** A sentence: begins with a capital and ends with a full stop. */
export const sentence = (text: string): string => (text === '' ? '' : capital(/[.!?]$/.test(text) ? text : `${text}.`));

/** 'a', 'a and b', 'a, b and c'. */
export const listed = (items: readonly string[]): string =>
  items.length < 2 ? (items[0] ?? '') : `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`;

/** Reflectance is a ratio: its numbers stand alone. */
export const isReflectance = (units: string): boolean => /^reflectance$/i.test(units);

const RAISED = '⁰¹²³⁴⁵⁶⁷⁸⁹';

/** Units as they are printed: 'uW cm-2 sr-1' is 'µW cm⁻² sr⁻¹', in one piece. */
export const prettyUnits = (units: string): string =>
  units
    .replace(/\bu(?=W\b|m\b)/g, 'µ')
    .replace(/(?<=[a-z])\^?-(\d)/gi, (_, digit) => `⁻${RAISED[Number(digit)]}`)
    .replaceAll(' ', '\u00a0');

/** Title of an axis for values: 'true reflectance', 'true (DN)'. */
export function valueTitle(units: string, word = ''): string {
  if (isReflectance(units)) return `${word} reflectance`.trim();
  return units ? `${word || 'value'} (${prettyUnits(units)})` : `${word} value`.trim();
}

/** Unit of a metric for people, '' where it has none. */
export function unitText(unit: MetricInfo['unit'], dataUnits: string): string {
  if (unit === 'data') return isReflectance(dataUnits) ? '' : prettyUnits(dataUnits);
  return unit === 'deg' ? '°' : unit;
}

/** Text between the tags of HTML or SVG, or in a quoted attribute. */
export const escapeText = (text: string): string => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
