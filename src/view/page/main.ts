/// <reference lib="dom" />
/** The page: one view over all scenes, the cursor in it, and the curves beside it. */
import { type SceneFacts, session, stretches } from './ask.js';
import { drawMarkers, type Marker, Picture } from './canvas.js';
import { PLACES } from './colours.js';
import { bandAt, bandsOf, byId, showControls, takeControls } from './controls.js';
import { boxOf, curvesAt } from './pins.js';
import { type Affine, apply, between, invert, latLon, linkedByMap, mapUnit, onMap, pixelLength } from './places.js';
import { angle, drawPlot, extentOf, MARGIN, nearest, type Series } from './plot.js';
import { fromHash, type Place, type State, toHash } from './state.js';
import { csv, fillTable } from './table.js';

const opened = await session();
const { scenes } = opened;
const first = scenes[0]!;
const byBand = scenes.some(({ wavelength, role }) => wavelength === undefined && role !== 'uncertainty');
const axis = byBand ? 'band number' : 'wavelength (nm)';
const unit = first.units ?? 'value';

const stage = byId('stage');
const plot = byId<HTMLCanvasElement>('plot');
const table = byId<HTMLTableElement>('table');
const status = byId('status');

const state: State = {
  cx: first.width / 2,
  cy: first.height / 2,
  zoom: 0,
  preset: first.bands < 3 ? 'one' : 'true',
  three: byBand ? [Math.min(3, first.bands), Math.min(2, first.bands), 1] : [640, 550, 460],
  one: byBand ? 1 : Math.round(first.wavelength![bandAt(first, 860, false)]!),
  cut: 0.02,
  shared: false,
  layout: 'side',
  shown: scenes.filter(({ role }) => role !== 'uncertainty').map(({ id }) => id),
  swipe: 0.5,
  pins: [],
};
fromHash(location.hash, state, scenes.length);

/** Half side of the box at the cursor, in pixels of the first scene. */
let boxRadius = 0;
let cursor: Place | undefined;
let curves: Series[] = [];
let cross: number | undefined;
let dragged: { from: [number, number]; to: [number, number] } | undefined;

const pictures = scenes.map((facts) => new Picture(facts, between(first, facts), opened.tile, () => redraw()));

// ---- panes: a canvas for each picture side by side, or one for all

interface Pane {
  readonly canvas: HTMLCanvasElement;
  readonly figure: HTMLElement;
  readonly pictures: readonly Picture[];
}
let panes: Pane[] = [];

const nameOf = (facts: SceneFacts) => (facts.role === 'scene' ? facts.name : `${facts.name} (${facts.role})`);

function makePanes(): void {
  const shown = state.shown.map((id) => pictures[id]!);
  const groups =
    state.layout === 'side' ? shown.map((p) => [p]) : state.layout === 'swipe' ? [shown.slice(0, 2)] : [[shown[0]!]];
  panes = groups.map((group) => {
    const figure = document.createElement('figure');
    const canvas = document.createElement('canvas');
    const caption = document.createElement('figcaption');
    const title = group.map(({ facts }) => nameOf(facts)).join(' | ');
    caption.textContent = title;
    canvas.tabIndex = 0;
    canvas.setAttribute('role', 'application');
    canvas.setAttribute('aria-roledescription', 'picture of a cube');
    canvas.setAttribute('aria-label', `${title}; arrow keys move the cursor, Enter pins it`);
    canvas.setAttribute('aria-describedby', 'status');
    figure.append(canvas, caption);
    listen(canvas);
    return { canvas, figure, pictures: group };
  });
  stage.replaceChildren(...panes.map(({ figure }) => figure));
  // the number of columns that shows the whole scene largest
  const sizeWith = (columns: number) => {
    const rows = Math.ceil(panes.length / columns);
    return Math.min(stage.clientWidth / columns / first.width, stage.clientHeight / rows / first.height);
  };
  const columns = panes.map((_, i) => i + 1).reduce((best, n) => (sizeWith(n) > sizeWith(best) ? n : best), 1);
  stage.style.setProperty('--columns', `${columns}`);
  byId('swipe-row').hidden = state.layout !== 'swipe';
  byId<HTMLInputElement>('swipe').value = `${state.swipe}`;
}

const scaleOf = () => window.devicePixelRatio || 1;

function toScreen(canvas: HTMLCanvasElement): Affine {
  const z = state.zoom * scaleOf();
  return [z, 0, 0, z, canvas.width / 2 - state.cx * z, canvas.height / 2 - state.cy * z];
}

function wholeScene(): void {
  const { clientWidth, clientHeight } = panes[0]!.canvas;
  state.zoom = Math.max(1e-6, Math.min(clientWidth / first.width, clientHeight / first.height));
  state.cx = first.width / 2;
  state.cy = first.height / 2;
}

// ---- drawing

/** Stretches on their way. */
let stretching = 0;

let asked = false;
function redraw(): void {
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => {
    asked = false;
    for (const pane of panes) drawPane(pane);
    drawCurves();
    drawScale();
    document.body.dataset.waiting = `${pictures.reduce((sum, picture) => sum + picture.waiting, stretching)}`;
  });
}

function cornersOf(place: Place): [number, number][] {
  // a single pixel is outlined as the first scene's
  const box = place.rx === 0 ? boxOf({ facts: first, toScene: between(first, first) }, place) : undefined;
  const [x0, y0, x1, y1] = box
    ? [box[0], box[1], box[0] + box[2], box[1] + box[3]]
    : [place.x - place.rx, place.y - place.ry, place.x + place.rx, place.y + place.ry];
  return [
    [x0, y0],
    [x1, y0],
    [x1, y1],
    [x0, y1],
  ];
}

const cursorColour = () => getComputedStyle(document.body).getPropertyValue('--cursor').trim();

function drawPane({ canvas, pictures: group }: Pane): void {
  const scale = scaleOf();
  const [width, height] = [Math.round(canvas.clientWidth * scale), Math.round(canvas.clientHeight * scale)];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext('2d')!;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, width, height);
  const screen = toScreen(canvas);
  group[0]!.draw(context, screen, width, height);
  if (group[1]) {
    const edge = Math.round(state.swipe * width);
    context.save();
    context.beginPath();
    context.rect(edge, 0, width - edge, height);
    context.clip();
    context.clearRect(edge, 0, width - edge, height);
    group[1].draw(context, screen, width, height);
    context.restore();
    context.fillStyle = '#fff';
    context.fillRect(edge - scale, 0, 2 * scale, height);
  }
  const marker = (place: Place, colour: string, label: string): Marker => ({
    corners: cornersOf(place).map(([x, y]) => apply(screen, x, y)),
    colour,
    label,
  });
  const markers = state.pins.map((place, i) => marker(place, PLACES[i]!, `${i + 1}`));
  if (cursor && !state.pins.includes(cursor)) markers.push(marker(cursor, '#1f2328', ''));
  drawMarkers(context, markers, scale);
  if (dragged) {
    const [[ax, ay], [bx, by]] = [apply(screen, ...dragged.from), apply(screen, ...dragged.to)];
    context.lineWidth = 2 * scale;
    context.strokeStyle = '#fff';
    context.strokeRect(ax, ay, bx - ax, by - ay);
  }
}

function drawCurves(): void {
  const scale = scaleOf();
  const { clientWidth, clientHeight } = plot;
  if (clientWidth === 0) return;
  Object.assign(plot, { width: Math.round(clientWidth * scale), height: Math.round(clientHeight * scale) });
  const context = plot.getContext('2d')!;
  context.setTransform(scale, 0, 0, scale, 0, 0);
  const style = getComputedStyle(document.body);
  drawPlot(context, clientWidth, clientHeight, curves, {
    xTitle: axis,
    yTitle: unit,
    ink: style.getPropertyValue('--ink').trim(),
    faint: style.getPropertyValue('--faint').trim(),
    ...(cross === undefined ? {} : { cross }),
  });
}

function drawScale(): void {
  const length = pixelLength(first);
  const bar = byId('scale');
  bar.hidden = length === undefined;
  if (length === undefined) return;
  const perScreen = length / state.zoom;
  const power = 10 ** Math.floor(Math.log10(perScreen * 120));
  const nice = [5, 2, 1].map((m) => m * power).find((v) => v <= perScreen * 120)!;
  const name = mapUnit(first.crs);
  byId('scale-bar').style.width = `${nice / perScreen}px`;
  byId('scale-text').textContent =
    name === 'm' && nice >= 1000
      ? `${nice / 1000} km`
      : `${nice} ${name === 'deg' ? 'degrees' : (name ?? 'map units')}`;
}

// ---- bands and stretch

let colouring = 0;
async function recolour(): Promise<void> {
  const mine = ++colouring;
  stretching++;
  const ends = [opened.shares.indexOf(state.cut), opened.shares.indexOf(1 - state.cut)] as const;
  const asking = state.shown.map(async (id) => {
    const bands = bandsOf(scenes[id]!, state, byBand);
    const found = await stretches(id, bands);
    return { id, bands, ranges: found.flatMap((values) => [values[ends[0]]!, values[ends[1]]!]) };
  });
  try {
    const all = await Promise.all(asking);
    if (mine !== colouring) return;
    for (const { id, bands, ranges } of all)
      pictures[id]!.colouring = { bands, ranges: state.shared ? all[0]!.ranges : ranges };
    byId('legend').textContent = legend(scenes[all[0]!.id]!, all[0]!.bands, all[0]!.ranges);
  } catch (error) {
    say((error as Error).message);
  } finally {
    stretching--;
  }
  keep();
  redraw();
}

function legend(facts: SceneFacts, bands: readonly number[], ranges: readonly number[]): string {
  const name = (b: number) => (facts.wavelength ? `${facts.wavelength[b]!.toFixed(1)} nm` : 'no wavelength');
  const colours = bands.length === 1 ? [''] : ['red ', 'green ', 'blue '];
  return bands
    .map((b, k) => `${colours[k]}band ${b + 1} (${name(b)}): ${short(ranges[2 * k]!)} to ${short(ranges[2 * k + 1]!)}`)
    .join('; ');
}

const short = (value: number) => `${Number(value.toPrecision(4))}`;

function say(text: string): void {
  status.textContent = text;
}

function keep(): void {
  history.replaceState(null, '', `#${toHash(state)}`);
}

// ---- the cursor, the pins and their curves

function where(place: Place): string {
  const parts = [`column ${Math.floor(place.x)}, row ${Math.floor(place.y)}`];
  const map = onMap(first, place.x, place.y);
  if (map) {
    parts.push(`${map.map((v) => v.toFixed(mapUnit(first.crs) === 'deg' ? 6 : 1)).join(', ')} ${first.crs ?? ''}`);
    const ground = latLon(first.crs, ...map);
    if (ground) parts.push(`${ground[0].toFixed(5)}°, ${ground[1].toFixed(5)}°`);
  }
  return parts.join('; ');
}

let reading = false;
let again = false;
/** Curves of cursor and pins; while an answer is on its way only the latest wish is kept. */
async function recurve(): Promise<void> {
  if (reading) {
    again = true;
    return;
  }
  reading = true;
  document.body.dataset.reading = '1';
  do {
    again = false;
    const here = cursor;
    const places: [Place, string, string][] = state.pins.map((p, i) => [p, `pin ${i + 1}`, PLACES[i]!]);
    // a pin that was just set has its own curve already
    if (here && !state.pins.includes(here)) places.push([here, 'cursor', cursorColour()]);
    try {
      const found = await Promise.all(
        places.map(([place, name, colour]) => curvesAt(pictures, place, name, colour, byBand)),
      );
      curves = found.flat();
      say(
        here
          ? `${where(here)}${state.pins.includes(here) || curves.some((c) => c.place === 'cursor') ? '' : '; no data here'}`
          : '',
      );
    } catch (error) {
      say((error as Error).message);
    }
  } while (again);
  reading = false;
  document.body.dataset.reading = '0';
  listPins();
  fillTable(table, curves, axis);
  plot.setAttribute('aria-label', describe());
  redraw();
}

function describe(): string {
  const extent = extentOf(curves);
  if (extent === undefined) return 'Spectra: none yet. Choose a place in the picture.';
  return `Spectra: ${curves.map(({ label }) => label).join('; ')}. Values from ${short(extent.y[0])} to ${short(extent.y[1])}. Left and right read them; the table has all numbers.`;
}

function listPins(): void {
  const list = byId('pins');
  list.replaceChildren(
    ...state.pins.map((place, i) => {
      const item = document.createElement('li');
      const swatch = document.createElement('span');
      swatch.className = 'swatch';
      swatch.style.background = PLACES[i]!;
      const remove = document.createElement('button');
      remove.type = 'button';
      remove.textContent = 'Remove';
      remove.setAttribute('aria-label', `Remove pin ${i + 1}`);
      remove.onclick = () => {
        state.pins.splice(i, 1);
        keep();
        void recurve();
      };
      const text = document.createElement('span');
      text.textContent = `pin ${i + 1}: ${where(place)}`;
      item.append(swatch, text, remove);
      return item;
    }),
  );
  for (const id of ['angle-a', 'angle-b']) {
    const select = byId<HTMLSelectElement>(id);
    const before = select.value;
    select.replaceChildren(...curves.map(({ label }) => new Option(label, label)));
    if (curves.some(({ label }) => label === before)) select.value = before;
    else select.selectedIndex = Math.min(id === 'angle-a' ? 0 : 1, curves.length - 1);
  }
  showAngle();
}

function showAngle(): void {
  const [a, b] = ['angle-a', 'angle-b'].map((id) =>
    curves.find(({ label }) => label === byId<HTMLSelectElement>(id).value),
  );
  const found = a && b && a !== b ? angle(a, b) : undefined;
  byId('angle').textContent =
    found !== undefined ? `${found.toFixed(3)} degrees` : a && b && a !== b ? 'other bands' : 'choose two curves';
}

function moveCursor(x: number, y: number, rx = boxRadius, ry = boxRadius): void {
  const place = {
    x: Math.min(first.width - 1e-3, Math.max(0, x)),
    y: Math.min(first.height - 1e-3, Math.max(0, y)),
    rx,
    ry,
  };
  cursor = place;
  redraw();
  void recurve();
}

function pin(place = cursor): void {
  if (place === undefined) return;
  if (state.pins.length === PLACES.length) {
    say(`at most ${PLACES.length} pins; remove one first`);
    return;
  }
  state.pins.push(place);
  keep();
  void recurve();
}

// ---- mouse, touch and keys

function zoomBy(factor: number, x = state.cx, y = state.cy): void {
  const zoom = Math.min(256, Math.max(1e-4, state.zoom * factor));
  const kept = state.zoom / zoom;
  state.cx = x + (state.cx - x) * kept;
  state.cy = y + (state.cy - y) * kept;
  state.zoom = zoom;
  keep();
  redraw();
}

function listen(canvas: HTMLCanvasElement): void {
  const at = (event: MouseEvent): [number, number] => {
    const box = canvas.getBoundingClientRect();
    return apply(
      invert(toScreen(canvas)),
      (event.clientX - box.left) * scaleOf(),
      (event.clientY - box.top) * scaleOf(),
    );
  };
  let held: { x: number; y: number; cx: number; cy: number; moved: boolean; box: boolean } | undefined;
  canvas.addEventListener('pointerdown', (event) => {
    canvas.setPointerCapture(event.pointerId);
    held = { x: event.clientX, y: event.clientY, cx: state.cx, cy: state.cy, moved: false, box: event.shiftKey };
  });
  canvas.addEventListener('pointermove', (event) => {
    if (held === undefined) return event.pointerType === 'mouse' ? moveCursor(...at(event)) : undefined;
    const [dx, dy] = [event.clientX - held.x, event.clientY - held.y];
    if (Math.hypot(dx, dy) > 4) held.moved = true;
    if (!held.moved) return;
    if (held.box) dragged = { from: dragged?.from ?? at(event), to: at(event) };
    else {
      state.cx = held.cx - dx / state.zoom;
      state.cy = held.cy - dy / state.zoom;
    }
    redraw();
  });
  canvas.addEventListener('pointerup', (event) => {
    const was = held;
    held = undefined;
    if (was === undefined) return;
    if (!was.moved) {
      moveCursor(...at(event));
      return pin();
    }
    keep();
    if (dragged === undefined) return;
    const [[ax, ay], [bx, by]] = [dragged.from, dragged.to];
    dragged = undefined;
    pin({
      x: (ax + bx) / 2,
      y: (ay + by) / 2,
      rx: Math.max(0.5, Math.abs(bx - ax) / 2),
      ry: Math.max(0.5, Math.abs(by - ay) / 2),
    });
  });
  canvas.addEventListener('pointercancel', () => {
    held = undefined;
    dragged = undefined;
  });
  canvas.addEventListener(
    'wheel',
    (event) => {
      event.preventDefault();
      zoomBy(2 ** (-event.deltaY / 300), ...at(event));
    },
    { passive: false },
  );
}

const PRESET_KEYS: Record<string, State['preset']> = { 1: 'true', 2: 'infrared', 3: 'shortwave', 4: 'three', 5: 'one' };

function step(dx: number, dy: number, pan: boolean): void {
  if (pan) {
    const far = 60 / state.zoom;
    state.cx += dx * far;
    state.cy += dy * far;
    keep();
    redraw();
    return;
  }
  const { x, y } = cursor ?? { x: Math.floor(state.cx) + 0.5, y: Math.floor(state.cy) + 0.5 };
  // by a pixel of the finest scene that is shown
  const size = Math.min(...state.shown.map((id) => 1 / Math.hypot(pictures[id]!.toScene[0], pictures[id]!.toScene[1])));
  moveCursor(cursor ? x + dx * size : x, cursor ? y + dy * size : y);
}

function nextBand(way: number): void {
  const b = Math.min(first.bands - 1, Math.max(0, bandAt(first, state.one, byBand) + way));
  state.preset = 'one';
  // over bad bands, which no wavelength finds
  let next = b;
  while (first.goodBands?.[next] === 0 && next + way >= 0 && next + way < first.bands) next += way;
  state.one = byBand ? next + 1 : first.wavelength![next]!;
  changed();
}

const KEYS: Record<string, () => void> = {
  '+': () => zoomBy(1.5, cursor?.x, cursor?.y),
  '=': () => zoomBy(1.5, cursor?.x, cursor?.y),
  '-': () => zoomBy(1 / 1.5, cursor?.x, cursor?.y),
  0: () => {
    wholeScene();
    keep();
    redraw();
  },
  '[': () => nextBand(-1),
  ']': () => nextBand(1),
  p: () => pin(),
  Delete: () => {
    state.pins.pop();
    keep();
    void recurve();
  },
  b: () => {
    boxRadius = boxRadius >= 3.5 ? 0 : boxRadius === 0 ? 1.5 : boxRadius + 1;
    say(boxRadius === 0 ? 'single pixels' : `means of ${2 * boxRadius} x ${2 * boxRadius} pixels`);
    if (cursor) moveCursor(Math.floor(cursor.x) + 0.5, Math.floor(cursor.y) + 0.5);
  },
  l: () => {
    state.layout = state.layout === 'side' ? 'single' : state.layout === 'single' ? 'swipe' : 'side';
    changed();
  },
  t: () => showTable(table.parentElement!.hidden !== false),
  '?': () => {
    byId<HTMLDetailsElement>('help').open = !byId<HTMLDetailsElement>('help').open;
  },
};

function showTable(on: boolean): void {
  table.parentElement!.hidden = !on;
  plot.hidden = on;
  byId<HTMLButtonElement>('as-table').setAttribute('aria-pressed', `${on}`);
  redraw();
}

document.addEventListener('keydown', (event) => {
  const { target, key } = event;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (target instanceof HTMLInputElement && target.type !== 'checkbox') return;
  if (target instanceof HTMLSelectElement) return;
  const arrows: Record<string, [number, number]> = {
    ArrowLeft: [-1, 0],
    ArrowRight: [1, 0],
    ArrowUp: [0, -1],
    ArrowDown: [0, 1],
  };
  const way = arrows[key];
  const onPicture = target instanceof HTMLCanvasElement && target !== plot;
  if (way && target === plot) readAlong(way[0]);
  else if (way && onPicture) step(...way, event.shiftKey);
  else if (key === 'Enter' && onPicture) pin();
  else if (PRESET_KEYS[key]) {
    state.preset = PRESET_KEYS[key];
    changed();
  } else if (KEYS[key]) KEYS[key]();
  else return;
  event.preventDefault();
});

// ---- reading the curves

function readAt(x: number): void {
  const curve = curves[curves.length - 1];
  if (curve === undefined) return;
  const b = nearest(curve.x, x);
  cross = curve.x[b]!;
  const values = curves.map((c) => {
    const at = nearest(c.x, cross!);
    const value = c.y[at];
    return `${c.label}: ${value === null || value === undefined ? 'bad band' : short(value)}`;
  });
  byId('reading').textContent = `${byBand ? '' : `${short(cross)} nm, `}band ${b + 1}: ${values.join('; ')}`;
  redraw();
}

function readAlong(way: number): void {
  const curve = curves[curves.length - 1];
  if (curve === undefined) return;
  const b = cross === undefined ? 0 : nearest(curve.x, cross) + way;
  readAt(curve.x[Math.min(curve.x.length - 1, Math.max(0, b))]!);
}

plot.addEventListener('pointermove', (event) => {
  const extent = extentOf(curves);
  if (extent === undefined) return;
  const share = (event.offsetX - MARGIN.left) / (plot.clientWidth - MARGIN.left - MARGIN.right);
  readAt(extent.x[0] + share * (extent.x[1] - extent.x[0]));
});

function save(name: string, blob: Blob): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

byId('save-csv').onclick = () => save('spectra.csv', new Blob([csv(curves, axis, unit)], { type: 'text/csv' }));
byId('save-plot').onclick = () => plot.toBlob((blob) => blob && save('spectra.png', blob));
byId('save-picture').onclick = () => panes[0]!.canvas.toBlob((blob) => blob && save('picture.png', blob));
byId('as-table').onclick = () => showTable(table.parentElement!.hidden !== false);
byId('zoom-in').onclick = () => zoomBy(1.5);
byId('zoom-out').onclick = () => zoomBy(1 / 1.5);
byId('zoom-fit').onclick = () => KEYS[0]!();
for (const id of ['angle-a', 'angle-b']) byId(id).onchange = showAngle;
byId<HTMLInputElement>('swipe').oninput = () => {
  state.swipe = Number(byId<HTMLInputElement>('swipe').value);
  keep();
  redraw();
};

// ---- start

function changed(): void {
  showControls(state);
  makePanes();
  void recolour();
}

byId('cubes').append(
  ...scenes.map((facts) => {
    const label = document.createElement('label');
    const box = document.createElement('input');
    box.type = 'checkbox';
    box.value = `${facts.id}`;
    const how = facts === first || linkedByMap(first, facts) ? '' : ', laid over by relative position';
    label.append(box, ` ${nameOf(facts)}: ${facts.width} x ${facts.height}, ${facts.bands} bands${how}`);
    return label;
  }),
);
byId('cubes').hidden = scenes.length < 2;
byId('layout-row').hidden = scenes.length < 2;
for (const element of document.querySelectorAll('.by')) element.textContent = byBand ? '(band number)' : '(nm)';
byId('controls').addEventListener('change', (event) => {
  if ((event.target as HTMLElement).id === 'swipe') return;
  takeControls(state);
  changed();
});
document.title = `${scenes.map(({ name }) => name).join(', ')} - bandlift view`;
new ResizeObserver(() => redraw()).observe(stage);
new ResizeObserver(() => redraw()).observe(plot);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => void recurve());

showControls(state);
makePanes();
if (state.zoom === 0) wholeScene();
void recolour();
void recurve();
