/** Lines over the band axis, the parts that curves and spectra share. */
import type { BandAxis } from './axis.js';
import { INK } from './chart.js';
import type { Stroke } from './strokes.js';

export const LINES_WIDTH = 370;

export interface Series {
  readonly label: string;
  readonly stroke: Stroke;
  /** By band; what is not a finite number leaves a hole. */
  readonly values: readonly (number | null | undefined)[];
}

/** Points in drawing order; `part` changes where a line must break. */
export function linePoints(axis: BandAxis, values: Series['values']) {
  return axis.order.map((band) => ({
    x: axis.position[band]!,
    y: Number.isFinite(values[band]) ? values[band]! : null,
    part: axis.stretch[band]!,
  }));
}

/** Stretches without bands, shaded. */
export const gapLayer = (axis: BandAxis) => ({
  data: { values: axis.gaps.map(([from, to]) => ({ from, to })) },
  mark: { type: 'rect', color: INK.shade },
  encoding: { x: { field: 'from', type: 'quantitative' }, x2: { field: 'to' } },
});

/**
 * A layer for each series, the last on top.
 * @param y the encoding of the values, less the field
 */
export const lineLayers = (axis: BandAxis, series: readonly Series[], y: object) =>
  series.map(({ stroke, values }) => ({
    data: { values: linePoints(axis, values) },
    mark: {
      type: 'line',
      strokeJoin: 'round',
      clip: true,
      color: stroke.color,
      strokeDash: stroke.dash,
      strokeWidth: stroke.width,
    },
    encoding: { y: { field: 'y', type: 'quantitative', ...y }, detail: { field: 'part' } },
  }));

export const bandEncoding = (axis: BandAxis, title: string | null = axis.title, labels = true) => ({
  field: 'x',
  type: 'quantitative',
  title,
  scale: { domain: [axis.position[axis.order[0]!]!, axis.position[axis.order.at(-1)!]!], nice: false, zero: false },
  axis: { format: 'd', tickCount: 7, labels },
});
