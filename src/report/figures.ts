/** Draws every figure once: as SVG or data URI for the page, and as a PNG file. */
import type { EvaluationResult, PictureSet } from '../evaluate/result.js';
import { compositeBands } from '../evaluate/rgb.js';
import { chartPng, drawChart, inlineSvg } from './chart.js';
import { curveCharts } from './curves.js';
import { capital, counted, formatAlone, formatNumber, missing, prettyUnits, REGION_NAMES } from './format.js';
import { type ColorScale, colorMap, colorScales, cssGradient, errorColors, panelPng, sheetPng } from './pixels.js';
import { density, scatterSpec } from './scatter.js';
import { drawSpectrum, pixelPlace, spectraStrokes } from './spectra.js';
import { type Stroke, strokesOf } from './strokes.js';

interface Chart {
  readonly title: string;
  readonly alt: string;
  readonly svg: string;
}

export interface PicturePanel {
  readonly label: string;
  readonly src: string;
  readonly width: number;
  readonly height: number;
  readonly alt: string;
  readonly scale?: ColorScale;
  /** Beside the numbers of the scale, or below them where it is longer than a sign. */
  readonly unit?: string;
  readonly below?: string;
}

export interface Figures {
  readonly curves: readonly (Chart & { readonly note: string })[];
  readonly curvesText: string;
  readonly spectra: readonly (Chart & { readonly detail: string })[];
  readonly spectraText: string;
  readonly pictures: readonly {
    readonly title: string;
    readonly detail: string;
    readonly columns: number;
    readonly panels: readonly PicturePanel[];
  }[];
  readonly picturesText: string;
  readonly scatter: readonly (Chart & { readonly detail: string })[];
  readonly scatterText: string;
  /** CSS, of the error maps. */
  readonly gradient: string;
}

/** Takes a picture file; the name is without folder. */
export type Save = (name: string, png: Uint8Array) => Promise<void>;

const entries = (strokes: ReadonlyMap<string, Stroke>) => [...strokes].map(([label, stroke]) => ({ label, stroke }));

async function drawCurves(result: EvaluationResult, save: Save): Promise<Figures['curves']> {
  const drawn = [];
  for (const { curve, title, note, spec } of curveCharts(result)) {
    const drawing = await drawChart(spec, `curve-${curve}`);
    await save(`curve_${curve}.png`, await chartPng(drawing, title, entries(strokesOf(result))));
    drawn.push({
      title,
      note,
      alt: `${title}: a line for each of ${counted(result.methods.length, 'method')}`,
      svg: inlineSvg(drawing),
    });
  }
  return drawn;
}

async function drawSpectra(result: EvaluationResult, save: Save): Promise<Figures['spectra']> {
  const drawn = [];
  for (const [i, example] of result.spectra.entries()) {
    const off = missing(example.samDeg) ? '' : `; ${formatAlone(example.samDeg)}° off`;
    const detail = `${pixelPlace(example)}${off}`;
    const title = capital(example.title);
    const drawing = await drawSpectrum(result, example, `spectrum-${i + 1}`);
    await save(
      `spectrum_${i + 1}.png`,
      await chartPng(drawing, `${title}: ${detail}`, entries(spectraStrokes(result))),
    );
    drawn.push({
      title,
      detail,
      alt: `True and predicted spectrum, ${title.toLowerCase()}, ${detail}`,
      svg: inlineSvg(drawing),
    });
  }
  return drawn;
}

async function drawScatter(result: EvaluationResult, save: Save): Promise<Figures['scatter']> {
  const drawn = [];
  for (const sample of result.scatter) {
    const counts = density(sample);
    if (!counts) continue;
    const title = REGION_NAMES[sample.region];
    const drawing = await drawChart(scatterSpec(result, counts), `scatter-${sample.region}`);
    await save(`scatter_${sample.region}.png`, await chartPng(drawing, title));
    drawn.push({
      title,
      detail: counted(counts.points, 'value'),
      alt: `Density of predicted against true values, ${title}`,
      svg: inlineSvg(drawing),
    });
  }
  return drawn;
}

const dataUri = (png: Buffer) => `data:image/png;base64,${png.toString('base64')}`;

function mapDetail(map: PictureSet['maps'][number], unit: string): string {
  let sum = 0;
  let count = 0;
  for (const value of map.values)
    if (Number.isFinite(value)) {
      sum += value;
      count++;
    }
  return count === 0 ? 'no valid pixel' : `mean ${formatAlone(sum / count)}${unit}`;
}

async function drawPictures(result: EvaluationResult, save: Save): Promise<Figures['pictures']> {
  const colors = await errorColors();
  const scales = colorScales(result);
  const names = new Set<string>();
  const drawn = [];
  for (const set of result.pictures) {
    let name = `patch_${set.patch}`;
    for (let copy = 2; names.has(name); copy++) name = `patch_${set.patch}_${copy}`;
    names.add(name);
    const composites = set.rgb.map((panel) => ({ ...panel, height: set.height, width: set.width }));
    const maps = set.maps.map((map) => {
      const scale = scales.get(map.unit)!;
      const unit = /^deg/.test(map.unit) ? '°' : '';
      const below = unit === '' ? prettyUnits(map.unit) : '';
      return { ...colorMap(map, set, scale, colors), scale, unit, below, detail: mapDetail(map, unit) };
    });
    if (composites.length > 0) await save(`rgb_${name}.png`, await sheetPng(composites, colors));
    if (maps.length > 0)
      await save(
        `errors_${name}.png`,
        await sheetPng(
          maps.map((map) => ({
            ...map,
            label: map.scale.unit ? `${capital(map.label)} (${prettyUnits(map.scale.unit)})` : capital(map.label),
          })),
          colors,
        ),
      );
    const where = `patch ${set.patch}${set.scene ? ` of ${set.scene}` : ''}`;
    const { height, width } = set;
    const panels: PicturePanel[] = [];
    for (const panel of composites)
      panels.push({
        label: panel.label,
        src: dataUri(await panelPng(panel)),
        width,
        height,
        alt: `Colour composite, ${panel.label}, ${where}`,
      });
    for (const map of maps)
      panels.push({
        label: `${capital(map.label)}, ${map.detail}`,
        src: dataUri(await panelPng(map, true)),
        width,
        height,
        alt: `Map of the error: ${map.label}, ${where}`,
        scale: map.scale,
        unit: map.unit,
        below: map.below,
      });
    drawn.push({
      title: `Patch ${set.patch}`,
      columns: columnsFor(panels.length),
      detail: `${set.scene ? `${set.scene} · ` : ''}${height} × ${width} pixels`,
      panels,
    });
  }
  return drawn;
}

/** So that the last line of panels is full, or nearly. */
const columnsFor = (panels: number): number => (panels <= 4 ? Math.max(panels, 3) : panels <= 6 ? 3 : 4);

function picturesText(result: EvaluationResult): string {
  const bands = compositeBands(result.goodBands.length, result.wavelength ?? undefined);
  const shown = bands
    .map((b) => (result.wavelength ? formatNumber(result.wavelength[b], 0) : String(b + 1)))
    .join(', ');
  const which = result.wavelength ? `bands at ${shown} nm` : `bands ${shown}`;
  return `Colour composites show the ${which} as red, green and blue (of a Landsat input its own red, green and blue); all pictures of a patch share one stretch (black and white are the 2nd and 98th percentile of its truth), so their colours can be compared, and pixels are drawn as the squares they are. Error maps of one kind share their scale over all patches, dark for no error; grey has no data.`;
}

/** Draws all figures and saves the picture files. */
export async function drawFigures(result: EvaluationResult, save: Save): Promise<Figures> {
  return {
    curves: await drawCurves(result, save),
    curvesText: `${
      result.wavelength
        ? 'Shaded stretches have no bands, as where water vapour leaves no signal; nothing is drawn across them, nor at bands that are not counted.'
        : 'The files do not say the wavelengths, so bands are numbered. Nothing is drawn at bands that are not counted.'
    } The model is on top: a line that cannot be seen lies under it.`,
    spectra: await drawSpectra(result, save),
    spectraText: 'Above the spectra, below them predicted minus true. The angle is the model’s.',
    pictures: await drawPictures(result, save),
    picturesText: picturesText(result),
    scatter: await drawScatter(result, save),
    scatterText:
      'Every value of a sample of pixels, the model’s prediction over the truth. On the dashed line the two are equal; stronger colour means more values, on a logarithmic scale. The outermost 0.1 % lie outside the axes.',
    gradient: cssGradient(await errorColors()),
  };
}
