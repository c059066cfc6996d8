/** Pictures made of pixels: colour composites, and maps of the error on one shared colour scale. */
import sharp from 'sharp';
import type { EvaluationResult, PictureSet } from '../evaluate/result.js';
import { columnDigits, escapeText, formatNumber, missing } from './format.js';

type Map2d = PictureSet['maps'][number];

/** Where a map has no value. */
export const NO_DATA = [140, 140, 140] as const;
const LEVELS = 255;
/** Share of the values below the top of the scale. */
const TOP = 0.98;

/** From no error (dark) to the largest (bright): 255 x [r, g, b] of magma, which is even to the eye, and last the grey of no data. */
export async function errorColors(): Promise<readonly (readonly number[])[]> {
  const { scheme } = await import('vega');
  const magma = scheme('magma') as (share: number) => string;
  const bytes = (color: string) => {
    const hex = /^#(..)(..)(..)$/.exec(color);
    return hex
      ? hex.slice(1).map((pair) => Number.parseInt(pair, 16))
      : [...color.matchAll(/\d+(\.\d+)?/g)].slice(0, 3).map(([part]) => Math.round(Number(part)));
  };
  return [...Array.from({ length: LEVELS }, (_, i) => bytes(magma(i / (LEVELS - 1)))), NO_DATA];
}

export interface ColorScale {
  readonly unit: string;
  /** 0 is always the dark end. */
  readonly top: number;
  /** Values above `top` exist; they have its colour. */
  readonly clipped: boolean;
  /** At 0, the middle and the top. */
  readonly ticks: readonly [string, string, string];
}

/** 1, 1.5, 2, 3, 4, 5, 6 or 8 times a power of ten, not below the value. */
function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  const step = [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((s) => s * power >= value * (1 - 1e-9))!;
  return step * power;
}

/** One scale for all maps of a unit, over all patches. */
export function colorScales(result: EvaluationResult): ReadonlyMap<string, ColorScale> {
  const maps = result.pictures.flatMap((set) => set.maps);
  const scales = new Map<string, ColorScale>();
  for (const unit of new Set(maps.map((map) => map.unit))) {
    const values = maps
      .filter((map) => map.unit === unit)
      .flatMap((map) => Array.from(map.values).filter((v) => Number.isFinite(v)));
    const sorted = Float64Array.from(values).sort();
    const share = sorted[Math.round(TOP * (sorted.length - 1))] ?? 0;
    const top = share > 0 ? roundUp(share) : 1;
    const clipped = (sorted.at(-1) ?? 0) > top;
    const digits = columnDigits([top / 2]);
    const trim = (value: number) =>
      formatNumber(value, digits)
        .replace(/(\.\d*?)0+$/, '$1')
        .replace(/\.$/, '');
    scales.set(unit, { unit, top, clipped, ticks: ['0', trim(top / 2), `${clipped ? '≥ ' : ''}${trim(top)}`] });
  }
  return scales;
}

export interface Panel {
  readonly label: string;
  readonly height: number;
  readonly width: number;
  /** [h, w, 3] bytes. */
  readonly pixels: Uint8Array;
}

/** A map in colours. */
export function colorMap(
  map: Map2d,
  set: PictureSet,
  scale: ColorScale,
  colors: readonly (readonly number[])[],
): Panel {
  const pixels = new Uint8Array(map.values.length * 3);
  map.values.forEach((value, i) => {
    const level = missing(value) ? LEVELS : Math.round(Math.min(1, Math.max(0, value / scale.top)) * (LEVELS - 1));
    pixels.set(colors[level]!, 3 * i);
  });
  return { label: map.label, height: set.height, width: set.width, pixels };
}

/** For the page: one byte pixel is one picture pixel. @param few at most 256 colours, as maps have */
export async function panelPng(panel: Panel, few = false): Promise<Buffer> {
  const { width, height } = panel;
  const raw = { width, height, channels: 3 as const };
  return sharp(panel.pixels, { raw })
    .png(few ? { palette: true, colours: 256, dither: 0, compressionLevel: 9 } : { compressionLevel: 9 })
    .toBuffer();
}

/** A panel of a picture file is at least this wide, each pixel drawn as a square. */
const SHEET_PANEL = 480;
const GAP = 20;
const CAPTION = 46;
const LEGEND = 60;

/** A legend below a panel: the colours of its scale with three numbers. */
function legendSvg(
  left: number,
  top: number,
  width: number,
  scale: ColorScale,
  colors: readonly (readonly number[])[],
) {
  const stops = [0, 1, 2, 3, 4, 5, 6, 7, 8].map((i) => {
    const color = colors[Math.round((i / 8) * (LEVELS - 1))]!;
    return `<stop offset="${i / 8}" stop-color="rgb(${color.join(',')})"/>`;
  });
  const text = (x: number, anchor: string, label: string) =>
    `<text x="${x}" y="${top + 48}" text-anchor="${anchor}" font-size="20" fill="#57606a">${escapeText(label)}</text>`;
  const name = `legend${left}`;
  return `<linearGradient id="${name}">${stops.join('')}</linearGradient><rect x="${left}" y="${top + 10}" width="${width}" height="14" fill="url(#${name})"/>${text(left, 'start', scale.ticks[0])}${text(left + width / 2, 'middle', scale.ticks[1])}${text(left + width, 'end', scale.ticks[2])}`;
}

/** Panels side by side with their names, as one PNG; maps with the legend of their scale below. */
export async function sheetPng(
  panels: readonly (Panel & { readonly scale?: ColorScale })[],
  colors: readonly (readonly number[])[],
): Promise<Buffer> {
  const zoomed = await Promise.all(
    panels.map(async (panel) => {
      const zoom = Math.max(1, Math.ceil(SHEET_PANEL / panel.width));
      const [width, height] = [panel.width * zoom, panel.height * zoom];
      const raw = { width: panel.width, height: panel.height, channels: 3 as const };
      const input = await sharp(panel.pixels, { raw }).resize(width, height, { kernel: 'nearest' }).raw().toBuffer();
      return { ...panel, width, height, input };
    }),
  );
  const legend = panels.some((panel) => panel.scale) ? LEGEND : 0;
  const width = zoomed.reduce((sum, panel) => sum + panel.width + GAP, GAP);
  const height = Math.max(...zoomed.map((panel) => panel.height)) + CAPTION + legend + GAP;
  let left = GAP;
  const drawn: string[] = [];
  const overlays = zoomed.map((panel) => {
    const overlay = {
      input: panel.input,
      raw: { width: panel.width, height: panel.height, channels: 3 as const },
      left,
      top: CAPTION,
    };
    drawn.push(`<text x="${left}" y="${CAPTION - 14}" font-size="23" fill="#1f2328">${escapeText(panel.label)}</text>`);
    if (panel.scale) drawn.push(legendSvg(left, CAPTION + panel.height, panel.width, panel.scale, colors));
    left += panel.width + GAP;
    return overlay;
  });
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif">${drawn.join('')}</svg>`;
  return sharp({ create: { width, height, channels: 3, background: '#ffffff' } })
    .composite([...overlays, { input: Buffer.from(svg), left: 0, top: 0 }])
    .png({ compressionLevel: 9 })
    .toBuffer();
}

/** Stops of a CSS gradient with the scale's colours. */
export const cssGradient = (colors: readonly (readonly number[])[]): string =>
  `linear-gradient(to right, ${[0, 1, 2, 3, 4, 5, 6, 7, 8].map((i) => `rgb(${colors[Math.round((i / 8) * (LEVELS - 1))]!.join(' ')})`).join(', ')})`;
