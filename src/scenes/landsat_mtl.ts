/**
 * The metadata file of a Landsat Collection-2 product, in any of its three forms (_MTL.json, .txt, .xml). Only groups that
 * are named are read: LEVEL1_RADIOMETRIC_RESCALING has factors of the same names that are not those of the surface reflectance.
 */
import { BandliftError } from '../base/errors.js';
import { type ProductFiles, readText } from './product_files.js';

export interface LandsatMetadata {
  readonly path: string;
  /**
   * Reflectance = stored * scale + offset, one each of bands 1 to 7: at the surface, or of level 1 at the top of the
   * atmosphere, divided by the sine of the sun's elevation.
   */
  readonly scale: readonly number[];
  readonly offset: readonly number[];
  /** 'LANDSAT_8' */
  readonly spacecraft?: string;
  /** 'L2SP', 'L2SR', 'L1TP' */
  readonly level?: string;
}

const LARGEST = 2 ** 20;
const BANDS = 7;

/** name -> value of the entries of a group. */
type Group = ReadonlyMap<string, string>;
type FindGroup = (name: string) => Group;

function fromJson(text: string): FindGroup {
  const top = (JSON.parse(text) as { LANDSAT_METADATA_FILE?: Record<string, Record<string, unknown> | null> } | null)
    ?.LANDSAT_METADATA_FILE;
  return (name) => new Map(Object.entries(top?.[name] ?? {}).map(([key, value]) => [key, String(value)]));
}

function fromXml(text: string): FindGroup {
  return (name) => {
    const start = text.indexOf(`<${name}>`);
    const body = start < 0 ? '' : text.slice(start, text.indexOf(`</${name}>`, start));
    return new Map([...body.matchAll(/<([A-Z0-9_]+)>([^<]*)<\/\1>/g)].map((m) => [m[1]!, m[2]!.trim()]));
  };
}

function fromText(text: string): FindGroup {
  return (name) => {
    const lines = text.split(/\r?\n/).map((line) => line.trim());
    const start = lines.indexOf(`GROUP = ${name}`);
    const body = start < 0 ? [] : lines.slice(start + 1, lines.indexOf(`END_GROUP = ${name}`, start));
    const entry = (line: string): [string, string] => {
      const [key, value] = line.split(' = ');
      return [key!, (value ?? '').replace(/^"(.*)"$/, '$1')];
    };
    return new Map(body.map(entry));
  };
}

/** Groups of the factors by the level of the product. */
const FACTORS = { 1: 'LEVEL1_RADIOMETRIC_RESCALING', 2: 'LEVEL2_SURFACE_REFLECTANCE_PARAMETERS' } as const;

/** Sine of the sun's elevation at the scene's middle. Errors: BandliftError where the metadata do not tell it. */
function sunOf(attributes: Group, path: string): number {
  const degrees = Number(attributes.get('SUN_ELEVATION') ?? Number.NaN);
  if (degrees > 0 && degrees <= 90) return Math.sin((degrees * Math.PI) / 180);
  throw new BandliftError('the sun is not above the horizon', {
    file: path,
    field: 'SUN_ELEVATION',
    found: attributes.get('SUN_ELEVATION') ?? 'nothing',
    expected: 'more than 0 to 90 degrees',
    hint: 'reflectance cannot be made of this product',
  });
}

/** Reads a metadata file of a product of level 1 or 2. Errors: BandliftError naming the entry. */
export async function readLandsatMetadata(
  files: ProductFiles,
  path: string,
  wanted: 1 | 2 = 2,
): Promise<LandsatMetadata> {
  let group: FindGroup;
  try {
    const text = await readText(files, path, LARGEST);
    if (/\.json$/i.test(path)) group = fromJson(text);
    else group = /\.xml$/i.test(path) ? fromXml(text) : fromText(text);
  } catch (error) {
    if (error instanceof SyntaxError)
      throw new BandliftError('is not JSON', { file: path, hint: `it is damaged or incomplete: ${error.message}` });
    throw error;
  }
  const parameters = group(FACTORS[wanted]);
  const contents = group('PRODUCT_CONTENTS');
  const attributes = group('IMAGE_ATTRIBUTES');
  const spacecraft = attributes.get('SPACECRAFT_ID');
  const level = contents.get('PROCESSING_LEVEL');
  if (parameters.size === 0)
    throw new BandliftError(`is not the metadata of a level-${wanted} product`, {
      file: path,
      field: FACTORS[wanted],
      found: level === undefined ? 'nothing' : `a product of level ${level}`,
      expected:
        wanted === 2
          ? 'a Landsat Collection-2 level-2 product (L2SP or L2SR)'
          : 'a Landsat Collection-2 level-1 product',
    });
  const factors = (kind: 'MULT' | 'ADD', plausible: (value: number) => boolean) =>
    Array.from({ length: BANDS }, (_, b) => {
      const name = `REFLECTANCE_${kind}_BAND_${b + 1}`;
      const value = Number(parameters.get(name) ?? Number.NaN);
      if (!plausible(value))
        throw new BandliftError('not a scale factor of reflectance', {
          file: path,
          field: name,
          found: parameters.get(name) ?? 'nothing',
          expected: `about ${wanted === 2 ? (kind === 'MULT' ? '2.75e-5' : '-0.2') : kind === 'MULT' ? '2e-5' : '-0.1'}`,
        });
      return value;
    });
  const sun = wanted === 1 ? sunOf(attributes, path) : 1;
  return {
    path,
    scale: factors('MULT', (value) => value > 0 && value < 0.01).map((value) => value / sun),
    offset: factors('ADD', (value) => Math.abs(value) <= 1).map((value) => value / sun),
    ...(spacecraft === undefined ? {} : { spacecraft }),
    ...(level === undefined ? {} : { level }),
  };
}
