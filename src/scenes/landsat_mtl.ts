/**
 * The metadata file of a Landsat Collection-2 product, in any of its three forms (_MTL.json, .txt, .xml). Only groups that
 * are named are read: LEVEL1_RADIOMETRIC_RESCALING has factors of the same names that are not those of the surface reflectance.
 */
import { readFile, stat } from 'node:fs/promises';
import { BandliftError } from '../base/errors.js';
import { fileError } from '../base/files.js';

export interface LandsatMetadata {
  readonly path: string;
  /** Reflectance = stored * scale + offset, one each of bands 1 to 7. */
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

/** Reads a metadata file. Errors: BandliftError naming the entry. */
export async function readLandsatMetadata(path: string): Promise<LandsatMetadata> {
  let group: FindGroup;
  try {
    const { size } = await stat(path);
    if (size > LARGEST)
      throw new BandliftError('too large for the metadata of a product', {
        file: path,
        found: `${size} bytes`,
        expected: `at most ${LARGEST}`,
      });
    const text = await readFile(path, 'utf8');
    if (/\.json$/i.test(path)) group = fromJson(text);
    else group = /\.xml$/i.test(path) ? fromXml(text) : fromText(text);
  } catch (error) {
    if (error instanceof SyntaxError)
      throw new BandliftError('is not JSON', { file: path, hint: `it is damaged or incomplete: ${error.message}` });
    throw fileError(error, path);
  }
  const parameters = group('LEVEL2_SURFACE_REFLECTANCE_PARAMETERS');
  const contents = group('PRODUCT_CONTENTS');
  const spacecraft = group('IMAGE_ATTRIBUTES').get('SPACECRAFT_ID');
  const level = contents.get('PROCESSING_LEVEL');
  if (parameters.size === 0)
    throw new BandliftError('is not the metadata of a level-2 product', {
      file: path,
      field: 'LEVEL2_SURFACE_REFLECTANCE_PARAMETERS',
      found: level === undefined ? 'nothing' : `a product of level ${level}`,
      expected: 'a Landsat Collection-2 level-2 product (L2SP or L2SR)',
    });
  const factors = (kind: 'MULT' | 'ADD', plausible: (value: number) => boolean) =>
    Array.from({ length: BANDS }, (_, b) => {
      const name = `REFLECTANCE_${kind}_BAND_${b + 1}`;
      const value = Number(parameters.get(name) ?? Number.NaN);
      if (!plausible(value))
        throw new BandliftError('not a scale factor of surface reflectance', {
          file: path,
          field: name,
          found: parameters.get(name) ?? 'nothing',
          expected: kind === 'MULT' ? 'about 2.75e-5' : 'about -0.2',
        });
      return value;
    });
  return {
    path,
    scale: factors('MULT', (value) => value > 0 && value < 0.01),
    offset: factors('ADD', (value) => Math.abs(value) <= 1),
    ...(spacecraft === undefined ? {} : { spacecraft }),
    ...(level === undefined ? {} : { level }),
  };
}
