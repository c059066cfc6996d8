/** Spectra of single pixels: truth and predictions, and below the error of each prediction. */
import type { EvaluationResult, SpectrumExample } from '../evaluate/result.js';
import { bandAxis } from './axis.js';
import { type Drawing, drawChart, stack } from './chart.js';
import { missing, valueTitle } from './format.js';
import { bandEncoding, gapLayer, LINES_WIDTH, lineLayers, type Series } from './lines.js';
import { type Stroke, strokesOf, TRUTH, TRUTH_LABEL } from './strokes.js';

const HEIGHT = 180;
const DIFFERENCE_HEIGHT = 64;

/** Where the pixel is. */
export const pixelPlace = (example: SpectrumExample): string =>
  `patch ${example.patch}, row ${example.y}, column ${example.x}`;

/** Styles of the lines in the spectra, the truth first. */
export function spectraStrokes(result: EvaluationResult): ReadonlyMap<string, Stroke> {
  const all = strokesOf(result);
  const shown = new Set(result.spectra.flatMap((example) => example.predictions.map((p) => p.label)));
  return new Map([[TRUTH_LABEL, TRUTH], ...[...all].filter(([label]) => shown.has(label))]);
}

/** Of one pixel. @param name of the drawing, see drawChart */
export async function drawSpectrum(result: EvaluationResult, example: SpectrumExample, name: string): Promise<Drawing> {
  const axis = bandAxis(result.wavelength, example.truth.length);
  const strokes = spectraStrokes(result);
  const models = new Set(result.methods.filter((m) => m.role === 'model').map((m) => m.label));
  // the model on top
  const predictions = [...example.predictions]
    .sort((a, b) => Number(models.has(a.label)) - Number(models.has(b.label)))
    .map(({ label, values }): Series => ({ label, values, stroke: strokes.get(label)! }));
  const truth: Series = { label: TRUTH_LABEL, values: example.truth, stroke: TRUTH };
  const errors = predictions.map((p) => ({
    ...p,
    values: p.values.map((value, b) => {
      const t = example.truth[b];
      return missing(value) || missing(t) ? null : value - t;
    }),
  }));
  const spectra = {
    width: LINES_WIDTH,
    height: HEIGHT,
    encoding: { x: bandEncoding(axis, null, false) },
    layer: [
      gapLayer(axis),
      ...lineLayers(axis, [truth, ...predictions], {
        title: valueTitle(result.data.units),
        scale: { zero: true, nice: true },
        axis: { tickCount: 5 },
      }),
    ],
  };
  const differences = {
    width: LINES_WIDTH,
    height: DIFFERENCE_HEIGHT,
    encoding: { x: bandEncoding(axis) },
    layer: [
      gapLayer(axis),
      ...lineLayers(axis, errors, { title: 'error', scale: { nice: true }, axis: { tickCount: 3 } }),
    ],
  };
  return stack([
    await drawChart(spectra, `${name}-above`, { bottom: 7 }),
    await drawChart(differences, `${name}-below`, { top: 7 }),
  ]);
}
