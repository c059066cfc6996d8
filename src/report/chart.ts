/** Vega-Lite charts as SVG text: one look for all of them, and one file that goes into the page and into a PNG. */
import sharp from 'sharp';
import type { TopLevelSpec } from 'vega-lite';
import { escapeText } from './format.js';
import type { Stroke } from './strokes.js';

/** Colours of a chart; style.ts turns them into those of a dark page. */
export const INK = { text: '#1f2328', soft: '#57606a', rule: '#d0d7de', grid: '#eaeef2', shade: '#f3f5f7' } as const;
const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif";

export const config = {
  font: FONT,
  aria: false,
  background: 'transparent',
  view: { stroke: null },
  axis: {
    gridColor: INK.grid,
    domainColor: INK.rule,
    tickColor: INK.rule,
    tickSize: 4,
    labelColor: INK.soft,
    titleColor: INK.soft,
    labelFontSize: 11.5,
    titleFontSize: 12,
    titleFontWeight: 'normal',
    titlePadding: 8,
    labelPadding: 4,
    labelFlush: false,
  },
  axisX: { grid: false, labelOverlap: true },
  axisY: { domain: false, ticks: false, minExtent: 42, maxExtent: 42 },
} as const;

/** Room for the axes, the same in every chart, so that charts side by side line up. */
const PADDING = { left: 72, right: 12, top: 10, bottom: 42 };

/** What stands between <svg> and </svg>, in a coordinate system that begins at (0, 0). */
export interface Drawing {
  readonly width: number;
  readonly height: number;
  readonly body: string;
}

/**
 * Draws a chart of fixed width and height.
 * @param name in its ids: no other drawing of the page may have it (all SVGs in a page share one name space)
 * @param padding where it differs from the usual
 */
export async function drawChart(spec: object, name: string, padding: Partial<typeof PADDING> = {}): Promise<Drawing> {
  // half a second to load, and only a report needs them
  const [vega, vegaLite] = await Promise.all([import('vega'), import('vega-lite')]);
  const whole = { config, autosize: 'none', padding: { ...PADDING, ...padding }, ...spec } as TopLevelSpec;
  const view = new vega.View(vega.parse(vegaLite.compile(whole).spec), { renderer: 'none' });
  try {
    const svg = await view.toSVG();
    const [, width, height, body] = /viewBox="0 0 ([\d.]+) ([\d.]+)"[^>]*>(.*)<\/svg>$/s.exec(svg)!;
    return { width: Number(width), height: Number(height), body: tidy(body!, name) };
  } finally {
    view.finalize();
  }
}

/** Own ids, coordinates to a hundredth of a pixel, and no attributes that say nothing (`font` is set outside, once). */
const tidy = (body: string, name: string): string =>
  body
    .replace(/ (role|aria-roledescription|aria-hidden|class|font-family)="[^"]*"/g, '')
    .replace(/(id="|url\(#)(clip|gradient)/g, `$1${name}-$2`)
    .replace(/ (d|transform|x|y|x1|y1|x2|y2|width|height)="[^"]*"/g, (attribute) =>
      attribute.replace(/-?\d*\.\d{3,}(e-?\d+)?/g, (number) => String(Math.round(Number(number) * 100) / 100)),
    );

/** Drawings one below the other. */
export function stack(drawings: readonly Drawing[]): Drawing {
  let height = 0;
  const parts = drawings.map((drawing) => {
    const part = `<g transform="translate(0,${height})">${drawing.body}</g>`;
    height += drawing.height;
    return part;
  });
  return { width: Math.max(...drawings.map((d) => d.width)), height, body: parts.join('') };
}

/** For the page: as wide as its column. */
export const inlineSvg = ({ width, height, body }: Drawing): string =>
  `<svg class="chart" viewBox="0 0 ${width} ${height}">${body}</svg>`;

const DENSITY = 192; // 8/3 pixels for each unit of the SVG (72 dpi)
const TITLE_ROW = 30;
const LEGEND_ROW = 20;
const LINE = 30;

export interface LegendEntry {
  readonly label: string;
  readonly stroke: Stroke;
}

/** Width of a text of size 12, about: a legend entry must not run into the next. */
const textWidth = (text: string): number =>
  [...text].reduce(
    (sum, letter) => sum + (/[ijltfr.,:'()|1I ]/.test(letter) ? 4.6 : /[mwMW]/.test(letter) ? 11 : 7.6),
    0,
  );

/** Entries from left to right, in as many rows as they need. */
function legendRows(entries: readonly LegendEntry[], width: number): { svg: string; rows: number } {
  let [x, row] = [0, 0];
  const drawn = entries.map(({ label, stroke: s }) => {
    const size = LINE + 8 + textWidth(label) + 14;
    if (x > 0 && x + size > width) [x, row] = [0, row + 1];
    const y = row * LEGEND_ROW;
    const entry = `<path d="M${x} ${y}h${LINE}" stroke="${s.color}" stroke-width="${s.width}" stroke-dasharray="${s.dash.join(' ')}" fill="none"/><text x="${x + LINE + 8}" y="${y + 4}" font-size="12" fill="${INK.text}">${escapeText(label)}</text>`;
    x += size;
    return entry;
  });
  return { svg: drawn.join(''), rows: entries.length === 0 ? 0 : row + 1 };
}

/** A drawing as a picture of its own: PNG on white, with a title above and a legend below. */
export async function chartPng(
  { width, height, body }: Drawing,
  title: string,
  legend: readonly LegendEntry[] = [],
): Promise<Buffer> {
  const rows = legendRows(legend, width - 24);
  const total = TITLE_ROW + height + rows.rows * LEGEND_ROW + (rows.rows > 0 ? 16 : 6);
  const whole = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${total}" font-family="${FONT}">
<text x="12" y="22" font-size="14" font-weight="600" fill="${INK.text}">${escapeText(title)}</text>
<g transform="translate(0,${TITLE_ROW})">${body}</g>
<g transform="translate(12,${TITLE_ROW + height + 14})">${rows.svg}</g></svg>`;
  return sharp(Buffer.from(whole), { density: DENSITY }).flatten({ background: '#ffffff' }).png().toBuffer();
}
