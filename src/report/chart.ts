/** Vega-Lite charts as SVG text: one look for all of them, and one file that goes into the page and into a PNG. */
import sharp from 'sharp';
import type { TopLevelSpec } from 'vega-lite';

/** Colours of a chart; style.ts turns them into those of a dark page. */
export const INK = { text: '#1f2328', soft: '#57606a', rule: '#d0d7de', grid: '#eaeef2', shade: '#f3f5f7' } as const;
const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif";

export const config = {
  font: FONT,
  aria: false,
  background: 'transparent',
  padding: 4,
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
  axisY: { domain: false, ticks: false, minExtent: 44, maxExtent: 44 },
  legend: { labelColor: INK.text, labelFontSize: 11.5, symbolSize: 260, labelLimit: 260, orient: 'bottom', columns: 3 },
  title: { color: INK.text, fontSize: 13.5, fontWeight: 600, anchor: 'start', frame: 'group', offset: 8 },
} as const;

/** Draws a chart. @returns SVG with its own width and height. */
export async function drawChart(spec: object): Promise<string> {
  // half a second to load, and only a report needs them
  const [vega, vegaLite] = await Promise.all([import('vega'), import('vega-lite')]);
  const compiled = vegaLite.compile({ config, ...spec } as TopLevelSpec);
  const view = new vega.View(vega.parse(compiled.spec), { renderer: 'none' });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}

const DENSITY = 144; // two pixels for each unit of the SVG (72 dpi)

/** The same chart as PNG on white. */
export async function chartPng(svg: string): Promise<Buffer> {
  return sharp(Buffer.from(svg), { density: DENSITY }).flatten({ background: '#ffffff' }).png().toBuffer();
}

/**
 * For the page: scales with its column, ids that no other chart of the page has (SVGs in HTML share one name space), and
 * coordinates to a hundredth of a pixel.
 */
export function inlineSvg(svg: string, name: string): string {
  return svg
    .replace(/ xmlns(:xlink)?="[^"]*"/g, '')
    .replace(/(id="|url\(#)(clip|gradient)/g, `$1${name}-$2`)
    .replace(/<svg [^>]*(viewBox="[^"]*")[^>]*>/, '<svg class="chart" $1>')
    .replace(/-?\d*\.\d{3,}(e-?\d+)?/g, (number) => String(Math.round(Number(number) * 100) / 100));
}
