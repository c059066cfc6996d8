/** Spectral curves of a few pixels: prediction over truth, and their difference below. */
import sharp from 'sharp';
import type { TopLevelSpec } from 'vega-lite';
import type { ImageOptions, Picture } from './rgb.js';

export interface PixelPosition {
  readonly y: number;
  readonly x: number;
}

/** Truth is a broad pale line, so that it is seen on both sides of a prediction that lies on it. */
const TRUTH = '#a9b4c0';
const PREDICTION = '#c8253c';
const TRUTH_WIDTH = 4.5;
const PREDICTION_WIDTH = 1.2;
const WIDTH = 300;
/** Neighbouring bands further apart than this many usual distances have bands left out between them: no line there. */
const BREAK = 2.5;

/** Number of the unbroken stretch each band belongs to. */
function segments(axis: readonly number[]): number[] {
  const steps = axis.slice(1).map((w, i) => w - axis[i]!);
  const usual = [...steps].sort((a, b) => a - b)[Math.floor(steps.length / 2)] ?? 1;
  let segment = 0;
  return axis.map((_, i) => (i > 0 && Math.abs(steps[i - 1]!) > BREAK * Math.abs(usual) ? ++segment : segment));
}

function specification(
  prediction: Float32Array,
  truth: Float32Array,
  pixels: readonly PixelPosition[],
  o: ImageOptions,
): TopLevelSpec {
  const axis = Array.from({ length: o.bands }, (_, b) => o.wavelength?.[b] ?? b + 1);
  const parts = segments(axis);
  const xTitle = o.wavelength ? 'wavelength (nm)' : 'band';
  const span = [Math.min(...axis), Math.max(...axis)];
  const quantity = o.units === undefined ? 'value' : o.units === 'reflectance' ? 'reflectance' : `value (${o.units})`;
  const panels = pixels.map(({ y, x }, i) => {
    const at = (y * o.width + x) * o.bands;
    const rows = axis.flatMap((w, b) => {
      const [p, t] = [prediction[at + b]!, truth[at + b]!];
      const base = { w, part: parts[b]! };
      return [
        { ...base, series: 'truth', value: Number.isFinite(t) ? t : null },
        {
          ...base,
          series: 'prediction',
          value: Number.isFinite(p) ? p : null,
          difference: Number.isFinite(p - t) ? p - t : null,
        },
      ];
    });
    const line = { type: 'line' as const, interpolate: 'linear' as const, strokeJoin: 'round' as const };
    const xAxis = (title: string | null, labels: boolean) => ({
      field: 'w',
      type: 'quantitative' as const,
      title,
      scale: { domain: span, nice: false, zero: false },
      axis: { labels, tickCount: 6, format: 'd' },
    });
    const color = {
      field: 'series',
      type: 'nominal' as const,
      title: null,
      scale: { domain: ['truth', 'prediction'], range: [TRUTH, PREDICTION] },
      // one for the figure, above the panels: inside a panel it would cover curves
      legend: {
        orient: 'top' as const,
        offset: 26,
        symbolType: 'stroke' as const,
        symbolStrokeWidth: 4,
        labelFontSize: 12,
      },
    };
    const data = { values: rows };
    return {
      curves: {
        data,
        width: WIDTH,
        height: 200,
        layer: [
          ...(['truth', 'prediction'] as const).map((series) => ({
            transform: [{ filter: `datum.series === '${series}'` }],
            mark: { ...line, strokeWidth: series === 'truth' ? TRUTH_WIDTH : PREDICTION_WIDTH },
            encoding: {
              x: xAxis(null, false),
              y: { field: 'value', type: 'quantitative' as const, title: i === 0 ? quantity : null },
              color,
              detail: { field: 'part' },
            },
          })),
          {
            // a mark and not a title, whose height depends on what else lies around the frame
            data: { values: [{}] },
            mark: {
              type: 'text' as const,
              text: `row ${y}, column ${x}`,
              x: 0,
              y: -9,
              align: 'left' as const,
              baseline: 'bottom' as const,
              fontSize: 12,
              color: '#222222',
            },
          },
        ],
      },
      difference: {
        data,
        width: WIDTH,
        height: 70,
        transform: [{ filter: "datum.series === 'prediction'" }],
        mark: { ...line, strokeWidth: 1.1, color: PREDICTION },
        encoding: {
          x: xAxis(xTitle, true),
          y: {
            field: 'difference',
            type: 'quantitative' as const,
            title: i === 0 ? 'difference' : null,
            axis: { tickCount: 3 },
          },
          detail: { field: 'part' },
        },
      },
    };
  });
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    background: '#ffffff',
    padding: 10,
    // room for the axis between the panels, whose frames line up
    spacing: { row: 10, column: 56 },
    bounds: 'flush',
    columns: panels.length,
    concat: [...panels.map((panel) => panel.curves), ...panels.map((panel) => panel.difference)],
    resolve: { scale: { color: 'shared' }, legend: { color: 'shared' } },
    config: {
      font: 'sans-serif',
      view: { stroke: '#dddddd' },
      axis: { gridColor: '#eeeeee', labelColor: '#444444', titleColor: '#222222', titleFontWeight: 'normal' },
    },
  } as TopLevelSpec;
}

/**
 * A panel for each pixel, prediction over truth against wavelength (or band number), the difference below.
 * @param prediction [height, width, bands]
 * @param truth the same
 */
export async function spectraPlot(
  prediction: Float32Array,
  truth: Float32Array,
  pixels: readonly PixelPosition[],
  options: ImageOptions,
): Promise<Picture> {
  // half a second to load, and only a run that draws needs them
  const [vega, vegaLite] = await Promise.all([import('vega'), import('vega-lite')]);
  const compiled = vegaLite.compile(specification(prediction, truth, pixels, options));
  const view = new vega.View(vega.parse(compiled.spec), { renderer: 'none' });
  try {
    const svg = await view.toSVG();
    const { data, info } = await sharp(Buffer.from(svg), { density: 120 })
      .flatten({ background: '#ffffff' })
      .png()
      .toBuffer({ resolveWithObject: true });
    return { png: data, width: info.width, height: info.height };
  } finally {
    view.finalize();
  }
}
