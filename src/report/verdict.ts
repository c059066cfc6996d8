/** The result in plain words: the model against the best baseline, without flattery. */
import type { EvaluationResult } from '../evaluate/result.js';
import type { MethodResult } from '../metrics/types.js';
import { columnDigits, formatNumber, listed, type Metric, metricInfo, missing, unitText } from './format.js';

export type Standing = 'ahead' | 'behind' | 'level' | 'unknown';

/** How one model stands in one metric over all bands. */
export interface Comparison {
  readonly metric: Metric;
  readonly standing: Standing;
  readonly model: number;
  readonly best?: { readonly label: string; readonly value: number };
}

export interface Verdict {
  readonly model?: string;
  readonly comparisons: readonly Comparison[];
  /** The first says whether the model beats the best baseline. */
  readonly sentences: readonly string[];
}

/**
 * Differences below these are a tie: another seed or another choice of test patches moves the numbers as much.
 * SAM: 0.15 degrees, and 10 % where the angles themselves are small; RMSE: 2 %; PSNR: 0.1 dB.
 */
export const TIE = { samDeg: 0.15, samShare: 0.1, rmseShare: 0.02, psnrDb: 0.1 } as const;

function isTie(metric: Metric, model: number, best: number): boolean {
  const difference = Math.abs(model - best);
  if (metric === 'psnr') return !(difference >= TIE.psnrDb); // both infinite: NaN
  if (metric === 'samDeg') return difference < TIE.samDeg && difference <= TIE.samShare * best;
  return difference <= TIE.rmseShare * best;
}

const overAll = (method: MethodResult, metric: Metric) => method.regions.all?.[metric];

function bestOf(methods: readonly MethodResult[], metric: Metric): { label: string; value: number } | undefined {
  const { better } = metricInfo(metric);
  let best: { label: string; value: number } | undefined;
  for (const method of methods) {
    const value = overAll(method, metric);
    if (missing(value)) continue;
    if (!best || (better === 'lower' ? value < best.value : value > best.value)) best = { label: method.label, value };
  }
  return best;
}

function compare(model: MethodResult, baselines: readonly MethodResult[], metric: Metric): Comparison {
  const value = overAll(model, metric);
  const best = bestOf(baselines, metric);
  if (missing(value) || !best)
    return { metric, standing: 'unknown', model: value ?? Number.NaN, ...(best && { best }) };
  const ahead = metricInfo(metric).better === 'lower' ? value < best.value : value > best.value;
  const standing = isTie(metric, value, best.value) ? 'level' : ahead ? 'ahead' : 'behind';
  return { metric, standing, model: value, best };
}

/** Which patches the numbers are of. */
export const splitText = (split: string): string =>
  split === 'all'
    ? 'on all patches, those of the training split too'
    : /^\w+$/.test(split)
      ? `on the ${split} split`
      : `on this split: ${split}`;

const NAMES: Partial<Record<Metric, string>> = { samDeg: 'spectral angle', rmse: 'RMSE', psnr: 'PSNR' };
const name = (c: Comparison) => NAMES[c.metric]!;

function opening(model: string, comparisons: readonly Comparison[]): string {
  const of = (standing: Standing) => comparisons.filter((c) => c.standing === standing).map(name);
  const [ahead, behind, level] = [of('ahead'), of('behind'), of('level')];
  if (ahead.length + behind.length + level.length === 0)
    return comparisons.some((c) => c.best)
      ? `${model} cannot be compared with the baselines: its errors are not defined on this data.`
      : `${model} stands alone here: there is no baseline to compare it with.`;
  if (behind.length === 0 && level.length === 0) return `${model} beats every baseline in ${listed(ahead)}.`;
  if (ahead.length === 0)
    return behind.length === 0
      ? `${model} does not beat the best baseline: the two are level in ${listed(level)}.`
      : `${model} does not beat the best baseline: it is behind in ${listed(behind)}${level.length > 0 ? ` and level in ${listed(level)}` : ''}.`;
  const rest = [
    ...(level.length > 0 ? [`level in ${listed(level)}`] : []),
    ...(behind.length > 0 ? [`behind in ${listed(behind)}`] : []),
  ];
  return behind.length > 0
    ? `${model} does not beat the best baseline in everything: it is ahead in ${listed(ahead)}, but ${listed(rest)}.`
    : `${model} is ahead of the best baseline in ${listed(ahead)}, and ${listed(rest)}.`;
}

function difference(c: Comparison, unit: string): string {
  const delta = Math.abs(c.model - c.best!.value);
  const word = c.model === c.best!.value ? '' : c.model < c.best!.value ? 'lower' : 'higher';
  if (word === '') return 'the same';
  if (!Number.isFinite(delta)) return word;
  if (c.metric === 'psnr') return `${formatNumber(delta, 2)}${unit} ${word}`;
  const share = (100 * delta) / c.best!.value;
  const percent = Number.isFinite(share) ? `${formatNumber(share, share < 10 ? 1 : 0)} % ${word}` : word;
  return percent;
}

function detail(c: Comparison, units: string): string {
  const info = metricInfo(c.metric);
  const plain = unitText(info.unit, units);
  const unit = plain === '' || plain === '°' ? plain : `\u00a0${plain}`;
  const inBoth = plain === '°' ? plain : ''; // longer units are said once
  const digits = info.digits ?? columnDigits([c.model, c.best?.value]);
  const show = (value: number) => `${formatNumber(value, digits)}${unit}`;
  const subject = c.metric === 'samDeg' ? 'Mean spectral angle (SAM)' : name(c);
  if (c.standing === 'unknown')
    return `${subject}: ${missing(c.model) ? 'not defined' : show(c.model)}${c.best ? ` against ${show(c.best.value)} for ${c.best.label}` : ''}.`;
  const word = difference(c, unit);
  const tie = c.standing === 'level' && c.model !== c.best!.value ? ', which counts as a tie' : '';
  return `${subject}: ${formatNumber(c.model, digits)}${inBoth} against ${show(c.best!.value)} for ${c.best!.label}, the best baseline (${word}${tie}).`;
}

function oracleSentence(result: EvaluationResult): string[] {
  const best = bestOf(
    result.methods.filter((m) => m.role === 'oracle'),
    'samDeg',
  );
  if (!best) return [];
  return [
    `For scale: ${best.label}, an oracle that has seen the truth and does not compete, reaches ${formatNumber(best.value, columnDigits([best.value]))}°.`,
  ];
}

/**
 * Judges the first model over all bands: SAM and RMSE, in stage 2 and end to end SAM and PSNR. Further models get a sentence
 * each.
 */
export function verdict(result: EvaluationResult): Verdict {
  const models = result.methods.filter((m) => m.role === 'model');
  const baselines = result.methods.filter((m) => m.role === 'baseline');
  const metrics: Metric[] = result.stage === 'stage 1' ? ['samDeg', 'rmse'] : ['samDeg', 'psnr'];
  const [first, ...others] = models;
  if (!first) return { comparisons: [], sentences: ['No model was evaluated: these are the baselines alone.'] };
  const judge = (model: MethodResult) => metrics.map((metric) => compare(model, baselines, metric));
  const comparisons = judge(first);
  return {
    model: first.label,
    comparisons,
    sentences: [
      opening(first.label, comparisons),
      ...comparisons.map((c) => detail(c, result.data.units)),
      ...others.map((model) => opening(model.label, judge(model))),
      ...oracleSentence(result),
      ...(result.data.split === 'all'
        ? ['Patches that the methods were fitted on are among those evaluated: the numbers flatter all of them.']
        : []),
    ],
  };
}
