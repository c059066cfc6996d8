/**
 * NEON AOP surface reflectance (DP1.30006 flight lines, DP3.30006 tiles), HDF5. Layout: NEON.DOC.004365 and the files' own
 * attributes.
 *   SITE/Reflectance/Reflectance_Data [lines, samples, bands] int16; attributes Scale_Factor, Data_Ignore_Value
 *   SITE/Reflectance/Metadata/Spectral_Data/Wavelength, FWHM [bands] nm
 *   SITE/Reflectance/Metadata/Coordinate_System/Map_Info (as ENVI's), EPSG Code, Coordinate_System_String
 *   SITE/Reflectance: attributes Band_Window_1_Nanometers, Band_Window_2_Nanometers, where light does not come through
 */
import { Dataset, Group } from 'h5wasm/node';
import { BandliftError } from '../base/errors.js';
import { findDataset } from '../data/hdf5_dataset.js';
import { wktOfEpsg } from '../raster/crs.js';
import { wktOfMapInfo } from '../raster/envi_crs.js';
import { geotransform } from '../raster/envi_header.js';
import type { GeoReference } from '../raster/types.js';
import { bandTable } from './band_table.js';
import type { CubeProduct } from './cube_scene.js';
import { describeNumbers, type ProductFile, readList } from './hdf5_array.js';
import { numberOf, numbersOf } from './hdf5_attributes.js';
import type { LineOptions } from './line_scene.js';

const USUAL_SCALE = 10000;
/** Also where the attributes name another value: where the correction for the atmosphere found no answer. */
const SATURATED = 14998;
const MOST_TEXT = 65536;

/** The site's group that holds reflectance; undefined where the file is none of these. */
function siteOf({ file }: ProductFile): string | undefined {
  return file
    .keys()
    .slice(0, 16)
    .find((name) => {
      const group = file.get(name);
      return group instanceof Group && file.get(`${name}/Reflectance`) instanceof Group;
    });
}

export const isNeon = (product: ProductFile): boolean => siteOf(product) !== undefined;

/** A dataset that holds one text; undefined where it is missing. */
function textDataset(product: ProductFile, name: string): string | undefined {
  const dataset = findDataset(product.file, product.path, name);
  if (!(dataset instanceof Dataset)) return undefined;
  const { size, shape, type } = dataset.metadata;
  const length = (shape ?? []).reduce((a, b) => a * b, 1);
  if (type !== 3 || size > MOST_TEXT || length !== 1)
    throw new BandliftError('is not a text', { file: product.path, field: name });
  const value: unknown = dataset.value;
  const text = Array.isArray(value) ? value[0] : value;
  return typeof text === 'string' && text.trim() !== '' ? text.replace(/\0[\s\S]*$/, '').trim() : undefined;
}

function placeOf(product: ProductFile, folder: string): { georeference?: GeoReference; warnings: string[] } {
  const name = `${folder}/Map_Info`;
  const text = textDataset(product, name);
  if (text === undefined) return { warnings: ['the file does not say where on the ground it lies (Map_Info)'] };
  const mapInfo = text
    .replace(/^\{|\}$/g, '')
    .split(',')
    .map((entry) => entry.trim());
  try {
    const transform = geotransform(mapInfo);
    const epsg = Number(textDataset(product, `${folder}/EPSG Code`) ?? Number.NaN);
    const crsWkt =
      wktOfEpsg(epsg) ?? textDataset(product, `${folder}/Coordinate_System_String`) ?? wktOfMapInfo(mapInfo);
    return {
      georeference: { geotransform: transform, mapInfo, ...(crsWkt === undefined ? {} : { crsWkt }) },
      warnings: [],
    };
  } catch (error) {
    if (error instanceof BandliftError && error.detail.file === undefined)
      throw new BandliftError('not a map position', { file: product.path, field: name, found: text.slice(0, 100) });
    throw error;
  }
}

/** Describes a file. Errors: BandliftError naming the dataset that is missing or does not fit. */
export function describeNeon(product: ProductFile, options: LineOptions): CubeProduct {
  const { path } = product;
  if (options.ortho)
    throw new BandliftError('lies on the map already', { file: path, field: '--ortho', hint: 'leave --ortho out' });
  const root = `${siteOf(product)}/Reflectance`;
  const name = `${root}/Reflectance_Data`;
  const array = describeNumbers(product, name, 3);
  if (array === undefined) throw new BandliftError('has no Reflectance_Data', { file: path, field: root });
  const divisor = numberOf(product, name, 'Scale_Factor') ?? USUAL_SCALE;
  if (!(divisor > 0 && Number.isFinite(divisor)))
    throw new BandliftError('is not a scale', { file: path, field: `${name}, attribute Scale_Factor`, found: divisor });
  const spectral = `${root}/Metadata/Spectral_Data`;
  const wavelength = readList(product, `${spectral}/Wavelength`);
  const windows = [1, 2].flatMap((n) => {
    const ends = numbersOf(product, root, `Band_Window_${n}_Nanometers`);
    return ends?.length === 2 ? [ends] : [];
  });
  const isBad = (nm: number) => windows.some(([from, to]) => nm >= from! && nm <= to!);
  const { georeference, warnings } = placeOf(product, `${root}/Metadata/Coordinate_System`);
  return {
    ...product,
    kind: 'NEON AOP reflectance',
    parts: [
      {
        array,
        axes: { line: 0, sample: 1, band: 2 },
        fills: [numberOf(product, name, 'Data_Ignore_Value') ?? -9999, SATURATED],
        gain: 1,
        divisor,
        offset: 0,
      },
    ],
    bands: bandTable(
      path,
      array.shape[2]!,
      {
        wavelength,
        fwhm: readList(product, `${spectral}/FWHM`),
        good: wavelength?.map((nm) => (isBad(nm) ? 0 : 1)),
        wavelengthUnits: 'nm',
      },
      options,
    ),
    units: 'reflectance',
    sensor: 'NEON AOP imaging spectrometer',
    ...(georeference ? { georeference } : {}),
    warnings,
  };
}
