/** One line style for each method, the same in every chart: told apart by colour and by dashes. */
import type { EvaluationResult } from '../evaluate/result.js';
import type { MethodResult } from '../metrics/types.js';

export interface Stroke {
  readonly color: string;
  /** SVG stroke-dasharray; [] = solid. */
  readonly dash: readonly number[];
  readonly width: number;
}

export const TRUTH: Stroke = { color: '#1a1a1a', dash: [], width: 1.8 };
export const TRUTH_LABEL = 'truth';

// after Okabe and Ito (2008), which colour-blind readers tell apart; style.ts has each colour's twin for dark pages
const MODELS: readonly Stroke[] = [
  { color: '#d1472c', dash: [], width: 2.1 },
  { color: '#a83280', dash: [8, 2], width: 2.1 },
];
const BASELINES: readonly Stroke[] = [
  { color: '#0b6fb4', dash: [], width: 1.3 },
  { color: '#008a68', dash: [6, 3], width: 1.5 },
  { color: '#c98300', dash: [2, 2], width: 1.6 },
  { color: '#4ba3d4', dash: [8, 3, 2, 3], width: 1.5 },
  { color: '#7a5cc0', dash: [4, 2], width: 1.5 },
];
const ORACLES: readonly Stroke[] = [
  { color: '#8b919b', dash: [1, 3], width: 1.7 },
  { color: '#8b919b', dash: [5, 4], width: 1.3 },
];
const STYLES: Readonly<Record<MethodResult['role'], readonly Stroke[]>> = {
  model: MODELS,
  baseline: BASELINES,
  oracle: ORACLES,
};

/** Styles by label; labels that only the spectra have (the input, say) take the baselines' next ones. */
export function strokesOf(result: EvaluationResult): ReadonlyMap<string, Stroke> {
  const strokes = new Map<string, Stroke>();
  const used = { model: 0, baseline: 0, oracle: 0 };
  const add = (label: string, role: MethodResult['role']) => {
    if (strokes.has(label)) return;
    const styles = STYLES[role];
    strokes.set(label, styles[used[role]++ % styles.length]!);
  };
  for (const { label, role } of result.methods) add(label, role);
  for (const example of result.spectra) for (const { label } of example.predictions) add(label, 'baseline');
  return strokes;
}
