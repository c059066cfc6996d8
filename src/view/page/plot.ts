/// <reference lib="dom" />
/** Curves over wavelength: gaps where there is nothing, a point where a band stands alone, spread and intervals as areas. */

export interface Series {
  readonly label: string;
  readonly place: string;
  readonly scene: string;
  readonly colour: string;
  readonly dash: readonly number[];
  /** nm, or band numbers from 1. */
  readonly x: readonly number[];
  readonly y: readonly (number | null)[];
  readonly lower?: readonly (number | null)[];
  readonly upper?: readonly (number | null)[];
}

export interface PlotFrame {
  readonly xTitle: string;
  readonly yTitle: string;
  readonly ink: string;
  readonly faint: string;
  /** Where the reader points, in x's units. */
  readonly cross?: number;
}

/** Steps of 1, 2 or 5 that give about `count` of them. */
function ticks(low: number, high: number, count: number): number[] {
  const raw = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw)!;
  const found: number[] = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++)
    found.push(Number((i * step).toPrecision(10)));
  return found;
}

export interface Extent {
  readonly x: [number, number];
  readonly y: [number, number];
}

/** Of all that is drawn; areas count, so that nothing sticks out. */
export function extentOf(series: readonly Series[]): Extent | undefined {
  let [x0, x1, y0, y1] = [Infinity, -Infinity, Infinity, -Infinity];
  for (const { x, y, lower, upper } of series)
    y.forEach((value, b) => {
      x0 = Math.min(x0, x[b]!);
      x1 = Math.max(x1, x[b]!);
      for (const v of [value, lower?.[b], upper?.[b]])
        if (v !== null && v !== undefined) {
          y0 = Math.min(y0, v);
          y1 = Math.max(y1, v);
        }
    });
  if (!(y0 <= y1)) return undefined;
  const room = (y1 - y0 || Math.abs(y1) || 1) * 0.05;
  return { x: x1 > x0 ? [x0, x1] : [x0 - 1, x1 + 1], y: [y0 >= 0 ? Math.max(0, y0 - room) : y0 - room, y1 + room] };
}

export const MARGIN = { left: 58, right: 24, top: 12, bottom: 40 };

export function drawPlot(
  context: CanvasRenderingContext2D,
  width: number,
  height: number,
  series: readonly Series[],
  frame: PlotFrame,
): void {
  context.clearRect(0, 0, width, height);
  context.font = '12px system-ui, sans-serif';
  const extent = extentOf(series);
  if (extent === undefined) return;
  const {
    x: [x0, x1],
    y: [y0, y1],
  } = extent;
  const [w, h] = [width - MARGIN.left - MARGIN.right, height - MARGIN.top - MARGIN.bottom];
  const px = (x: number) => MARGIN.left + ((x - x0) / (x1 - x0)) * w;
  const py = (y: number) => MARGIN.top + ((y1 - y) / (y1 - y0)) * h;
  context.fillStyle = frame.ink;
  context.strokeStyle = frame.faint;
  context.lineWidth = 1;
  context.setLineDash([]);
  const line = (...points: [number, number][]) => {
    context.beginPath();
    for (const point of points) context.lineTo(...point);
    context.stroke();
  };
  context.textAlign = 'right';
  context.textBaseline = 'middle';
  for (const y of ticks(y0, y1, Math.max(2, h / 45))) {
    line([MARGIN.left, py(y)], [MARGIN.left + w, py(y)]);
    context.fillText(`${y}`, MARGIN.left - 6, py(y));
  }
  context.textAlign = 'center';
  context.textBaseline = 'top';
  for (const x of ticks(x0, x1, Math.max(2, w / 90))) {
    line([px(x), MARGIN.top + h], [px(x), MARGIN.top + h + 4]);
    context.fillText(`${x}`, px(x), MARGIN.top + h + 7);
  }
  context.fillText(frame.xTitle, MARGIN.left + w / 2, height - 15);
  context.save();
  context.translate(12, MARGIN.top + h / 2);
  context.rotate(-Math.PI / 2);
  context.textBaseline = 'middle';
  context.fillText(frame.yTitle, 0, 0);
  context.restore();
  for (const s of series) drawArea(context, s, px, py);
  for (const s of series) drawCurve(context, s, px, py);
  if (frame.cross !== undefined) {
    context.setLineDash([]);
    context.strokeStyle = frame.ink;
    context.lineWidth = 1;
    line([px(frame.cross), MARGIN.top], [px(frame.cross), MARGIN.top + h]);
  }
}

/** Runs of bands that follow each other without a gap, as [first, past the last]. */
export function runs(y: readonly (number | null | undefined)[]): [number, number][] {
  const found: [number, number][] = [];
  let start = -1;
  for (let b = 0; b <= y.length; b++) {
    const there = b < y.length && y[b] !== null && y[b] !== undefined;
    if (there && start < 0) start = b;
    if (!there && start >= 0) {
      found.push([start, b]);
      start = -1;
    }
  }
  return found;
}

type Scale = (value: number) => number;

function drawArea(context: CanvasRenderingContext2D, s: Series, px: Scale, py: Scale): void {
  if (s.lower === undefined || s.upper === undefined) return;
  context.fillStyle = s.colour;
  context.globalAlpha = 0.22;
  for (const [from, to] of runs(s.lower)) {
    context.beginPath();
    for (let b = from; b < to; b++) context.lineTo(px(s.x[b]!), py(s.upper[b]!));
    for (let b = to - 1; b >= from; b--) context.lineTo(px(s.x[b]!), py(s.lower[b]!));
    context.fill();
  }
  context.globalAlpha = 1;
}

function drawCurve(context: CanvasRenderingContext2D, s: Series, px: Scale, py: Scale): void {
  context.strokeStyle = s.colour;
  context.fillStyle = s.colour;
  context.lineWidth = 1.8;
  context.setLineDash([...s.dash]);
  for (const [from, to] of runs(s.y)) {
    context.beginPath();
    if (to === from + 1) context.arc(px(s.x[from]!), py(s.y[from]!), 2.2, 0, 2 * Math.PI);
    for (let b = from; b < to; b++) context.lineTo(px(s.x[b]!), py(s.y[b]!));
    if (to === from + 1) context.fill();
    else context.stroke();
  }
}

/** The band of a curve nearest to x. */
export function nearest(x: readonly number[], wanted: number): number {
  let best = 0;
  for (let b = 1; b < x.length; b++) if (Math.abs(x[b]! - wanted) < Math.abs(x[best]! - wanted)) best = b;
  return best;
}

/**
 * Spectral angle in degrees over the bands that both have, atan2(|a/|a| - b/|b||, |a/|a| + b/|b||) * 2 (Kahan): small angles
 * keep their digits. Undefined where the curves have other bands or nothing in common.
 */
export function angle(a: Series, b: Series): number | undefined {
  if (a.x.length !== b.x.length || a.x.some((x, i) => Math.abs(x - b.x[i]!) > 0.5)) return undefined;
  const pairs = a.y.flatMap((v, i) => (v === null || b.y[i] === null ? [] : [[v, b.y[i]!] as const]));
  const norm = (k: 0 | 1) => Math.hypot(...pairs.map((p) => p[k]));
  const [na, nb] = [norm(0), norm(1)];
  if (!(na > 0 && nb > 0)) return undefined;
  const minus = Math.hypot(...pairs.map(([p, q]) => p / na - q / nb));
  const plus = Math.hypot(...pairs.map(([p, q]) => p / na + q / nb));
  return (2 * Math.atan2(minus, plus) * 180) / Math.PI;
}
