/**
 * EnMAP L2A (surface reflectance) and L1C (radiance at the sensor), orthorectified: ...-SPECTRAL_IMAGE.TIF and
 * ...-METADATA.XML beside it. Layout: EnMAP Ground Segment, Level 1B/1C/2A Product Specification (EN-PCV-ICD-2009-2).
 *   level_X/specific/bandCharacterisation/bandID: wavelengthCenterOfBand, FWHMOfBand (nm), GainOfBand, OffsetOfBand
 *   physical value = stored * gain + offset; backgroundValue (-32768): no data
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { BandliftError } from '../base/errors.js';
import { fileError } from '../base/files.js';
import { BlockCache } from '../raster/block_cache.js';
import { TiffRaster } from '../raster/tiff_raster.js';
import { toNanometres } from '../spectra/units.js';
import type { LineOptions } from './line_scene.js';
import { TiffCube } from './tiff_cube.js';

const PART = /^(ENMAP.*)-(SPECTRAL_IMAGE\.TIFF?|METADATA\.XML)$/i;
const BACKGROUND = -32768;
const MOST_METADATA = 64 * 2 ** 20;
const LEVELS = {
  L2A: 'reflectance',
  L1C: 'W m-2 sr-1 nm-1',
} as const;

/** Whether a path is named like a part of a product. */
export const isEnmapPart = (path: string): boolean => PART.test(basename(path));

/** Path of a part of the product in a folder; undefined where there is none. Errors: BandliftError where there are several. */
export function enmapIn(folder: string): string | undefined {
  const names = readdirSync(folder).sort();
  const stems = [...new Set(names.flatMap((name) => PART.exec(name)?.[1] ?? []))];
  if (stems.length > 1)
    throw new BandliftError('holds more than one EnMAP product', {
      file: folder,
      found: stems.slice(0, 4).join(', '),
      hint: 'give the METADATA.XML of one',
    });
  const name = names.find((part) => PART.test(part));
  return name === undefined ? undefined : join(folder, name);
}

interface Metadata {
  readonly wavelength: number[];
  readonly fwhm: number[];
  readonly gain: number[];
  readonly offset: number[];
  readonly background: number;
}

function readMetadata(path: string): Metadata {
  let text: string;
  try {
    const { size } = statSync(path);
    if (size > MOST_METADATA)
      throw new BandliftError('too large for the metadata of a product', {
        file: path,
        found: `${size} bytes`,
        expected: `at most ${MOST_METADATA}`,
      });
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw fileError(error, path);
  }
  const start = text.indexOf('<bandCharacterisation');
  const body = start < 0 ? '' : text.slice(start, text.indexOf('</bandCharacterisation>', start));
  const bands = [...body.matchAll(/<bandID[^>]*number="(\d+)"[^>]*>([\s\S]*?)<\/bandID>/g)]
    .map(([, number, entries]) => ({ number: Number(number), entries: entries! }))
    .sort((a, b) => a.number - b.number);
  if (bands.length === 0)
    throw new BandliftError('is not the metadata of an EnMAP product', { file: path, field: 'bandCharacterisation' });
  const list = (name: string) =>
    bands.map(({ number, entries }) => {
      const value = new RegExp(`<${name}[^>]*>\\s*([^<\\s]+)\\s*</${name}>`).exec(entries)?.[1];
      if (value === undefined || !Number.isFinite(Number(value)))
        throw new BandliftError('not a number', {
          file: path,
          field: `band ${number}, ${name}`,
          found: value ?? 'nothing',
        });
      return Number(value);
    });
  const background = Number(/<backgroundValue[^>]*>\s*([^<\s]+)\s*</.exec(text)?.[1] ?? BACKGROUND);
  return {
    wavelength: list('wavelengthCenterOfBand'),
    fwhm: list('FWHMOfBand'),
    gain: list('GainOfBand'),
    offset: list('OffsetOfBand'),
    background: Number.isFinite(background) ? background : BACKGROUND,
  };
}

/** Image and metadata of a product, given its folder or one of them. Errors: BandliftError where one is missing. */
export function enmapFiles(given: string): { readonly stem: string; readonly image: string; readonly table: string } {
  try {
    const path = isEnmapPart(given) ? given : enmapIn(given)!;
    const stem = PART.exec(basename(path))![1]!;
    const folder = dirname(path);
    const names = readdirSync(folder).filter((name) => name.startsWith(`${stem}-`));
    const find = (ending: RegExp, usual: string) => {
      const name = names.find((own) => ending.test(own));
      if (name === undefined) throw new BandliftError('is missing', { file: join(folder, `${stem}-${usual}`) });
      return join(folder, name);
    };
    return {
      stem,
      image: find(/-SPECTRAL_IMAGE\.TIFF?$/i, 'SPECTRAL_IMAGE.TIF'),
      table: find(/-METADATA\.XML$/i, 'METADATA.XML'),
    };
  } catch (error) {
    throw fileError(error, given);
  }
}

/** Opens a product, given its folder, image or metadata. Errors: BandliftError naming file and entry. */
export async function openEnmapScene(path: string, options: LineOptions = {}): Promise<TiffCube> {
  const { stem, image, table } = enmapFiles(path);
  const level = /(L1B|L1C|L2A)[-_]/i.exec(stem)?.[1]?.toUpperCase();
  const units = LEVELS[level as keyof typeof LEVELS];
  if (units === undefined)
    throw new BandliftError('is of a level that is not read', {
      file: path,
      found: `EnMAP ${level ?? 'of no level in its name'}`,
      expected: 'L2A or L1C',
    });
  const metadata = readMetadata(table);
  const raster = await TiffRaster.open(image, new BlockCache(options.cacheBytes));
  const { bands } = raster.layout;
  if (metadata.wavelength.length !== bands) {
    await raster.close();
    throw new BandliftError('does not fit the image', {
      file: table,
      field: 'bandCharacterisation',
      found: `${metadata.wavelength.length} bands`,
      expected: `${bands}, as in ${basename(image)}`,
    });
  }
  const centres = options.bandCentres;
  return TiffCube.create(
    raster,
    {
      kind: `EnMAP ${level}`,
      path,
      name: stem,
      files: [image, table],
      scale: metadata.gain,
      offset: metadata.offset,
      nodata: metadata.background,
      wavelength: centres?.wavelength ?? toNanometres(metadata.wavelength, 'nm', table),
      ...(centres ? (centres.fwhm ? { fwhm: centres.fwhm } : {}) : { fwhm: metadata.fwhm }),
      units,
      sensor: 'EnMAP',
      warnings: [],
    },
    options,
  );
}
