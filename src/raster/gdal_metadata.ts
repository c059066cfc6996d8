/**
 * What GDAL writes about bands into a TIFF (tag 42112): scale and offset, descriptions, and wavelengths in the domain IMAGERY
 * (CENTRAL_WAVELENGTH_UM, FWHM_UM; GDAL 3.10) or, as EnMAP-Box and others do, in items `wavelength` and `fwhm` with their units.
 */
import type { TiffTags } from './tiff_tags.js';

export interface BandItems {
  /** By the items' names in lower case, for each band; undefined where a band has none. */
  readonly of: (name: string) => (string | undefined)[];
}

const plainText = (text: string) =>
  text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&quot;', '"').replaceAll('&amp;', '&');

/** Items of the bands of a file; undefined where it has none. */
export async function readBandItems(tags: TiffTags, bands: number): Promise<BandItems | undefined> {
  const text = await tags.text('gdalMetadata');
  if (text === undefined) return undefined;
  const items = new Map<string, (string | undefined)[]>();
  for (const [, attributes, value] of text.matchAll(/<Item\s([^>]*)>([^<]*)<\/Item>/g)) {
    const name = (/\brole="(\w+)"/.exec(attributes!) ?? /\bname="([^"]*)"/.exec(attributes!))?.[1]?.toLowerCase();
    const sample = Number(/\bsample="(\d+)"/.exec(attributes!)?.[1] ?? Number.NaN);
    if (name === undefined || !(sample < bands)) continue;
    const list = items.get(name) ?? Array<string | undefined>(bands).fill(undefined);
    items.set(name, list);
    list[sample] = plainText(value!.trim());
  }
  return { of: (name) => items.get(name) ?? Array<string | undefined>(bands).fill(undefined) };
}

/** A list of numbers, one a band; undefined unless every band has one. */
export function numbersOf(texts: readonly (string | undefined)[]): number[] | undefined {
  const numbers = texts.map((text) => (text === undefined || text === '' ? Number.NaN : Number(text)));
  return numbers.length > 0 && numbers.every(Number.isFinite) ? numbers : undefined;
}

/** Wavelength and width of each band and their unit, as far as the file says. */
export function bandCentresOf(
  items: BandItems,
): { readonly wavelength: number[]; readonly fwhm?: number[]; readonly units: string } | undefined {
  const imagery = numbersOf(items.of('central_wavelength_um'));
  if (imagery) {
    const fwhm = numbersOf(items.of('fwhm_um'));
    return { wavelength: imagery, ...(fwhm ? { fwhm } : {}), units: 'um' };
  }
  const own = numbersOf(items.of('wavelength'));
  if (own) {
    const units = items.of('wavelength_units')[0] ?? items.of('wavelength units')[0] ?? '';
    const fwhm = numbersOf(items.of('fwhm'));
    return { wavelength: own, ...(fwhm ? { fwhm } : {}), units };
  }
  // 'band 7 (550.5 Nanometers)', '550.5 nm'
  const described = items
    .of('description')
    .map((text) => /(\d+(?:\.\d+)?)\s*(nm|nanomet\w*|um|µm|micromet\w*|microns?)\b/i.exec(text ?? ''));
  if (described.length === 0 || described.some((match) => match === null)) return undefined;
  const units = new Set(described.map((match) => match![2]!.toLowerCase()));
  return units.size === 1
    ? { wavelength: described.map((match) => Number(match![1])), units: [...units][0]! }
    : undefined;
}
