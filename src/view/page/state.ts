/// <reference lib="dom" />
/** What is shown, as the address keeps it: whoever opens the address again sees the same. */

/** A box of pixels around a place, told in pixels of the first scene. */
export interface Place {
  readonly x: number;
  readonly y: number;
  /** Half sides in pixels of the first scene; 0 = the pixel of each scene at the place. */
  readonly rx: number;
  readonly ry: number;
}

export type Preset = 'true' | 'infrared' | 'shortwave' | 'three' | 'one';
export type Layout = 'side' | 'single' | 'swipe';

export interface State {
  /** Middle of the view in pixels of the first scene, and screen pixels for each of them. */
  cx: number;
  cy: number;
  zoom: number;
  preset: Preset;
  /** nm, or band numbers from 1 where the first scene has no wavelengths. */
  three: [number, number, number];
  one: number;
  /** Share of the values that is cut off at either end. */
  cut: number;
  /** One stretch, that of the first scene shown, for all. */
  shared: boolean;
  layout: Layout;
  /** Numbers of the scenes shown. */
  shown: number[];
  swipe: number;
  pins: Place[];
}

const round = (value: number) => Number(value.toPrecision(7));

export function toHash(s: State): string {
  const pins = s.pins.map((p) => [p.x, p.y, p.rx, p.ry].map(round).join('_'));
  return new URLSearchParams({
    at: [s.cx, s.cy, s.zoom].map(round).join('_'),
    show: s.preset,
    three: s.three.join('_'),
    one: `${s.one}`,
    cut: `${s.cut}`,
    shared: s.shared ? '1' : '0',
    layout: s.layout,
    cubes: s.shown.join('_'),
    swipe: `${round(s.swipe)}`,
    pins: pins.join('~'),
  }).toString();
}

const numbers = (text: string | null) => (text === null || text === '' ? [] : text.split('_').map(Number));

/** Takes over what the hash says, where it makes sense; the rest stays. */
export function fromHash(hash: string, s: State, scenes: number): void {
  const query = new URLSearchParams(hash.replace(/^#/, ''));
  const finite = (list: number[], length: number) => list.length === length && list.every(Number.isFinite);
  const at = numbers(query.get('at'));
  if (finite(at, 3) && at[2]! > 0) [s.cx, s.cy, s.zoom] = at as [number, number, number];
  const preset = query.get('show') as Preset;
  if (['true', 'infrared', 'shortwave', 'three', 'one'].includes(preset)) s.preset = preset;
  const three = numbers(query.get('three'));
  if (finite(three, 3)) s.three = three as [number, number, number];
  const one = numbers(query.get('one'));
  if (finite(one, 1)) s.one = one[0]!;
  const cut = Number(query.get('cut') ?? Number.NaN);
  if ([0, 0.005, 0.02, 0.05].includes(cut)) s.cut = cut;
  if (query.has('shared')) s.shared = query.get('shared') === '1';
  const layout = query.get('layout') as Layout;
  if (['side', 'single', 'swipe'].includes(layout)) s.layout = layout;
  const shown = numbers(query.get('cubes')).filter((id) => Number.isInteger(id) && id >= 0 && id < scenes);
  if (shown.length > 0) s.shown = [...new Set(shown)];
  const swipe = Number(query.get('swipe') ?? Number.NaN);
  if (swipe >= 0 && swipe <= 1) s.swipe = swipe;
  if (query.has('pins'))
    s.pins = (query.get('pins') ?? '')
      .split('~')
      .map(numbers)
      .filter((p) => finite(p, 4))
      .slice(0, 8)
      .map(([x, y, rx, ry]) => ({ x: x!, y: y!, rx: rx!, ry: ry! }));
}
