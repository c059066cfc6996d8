/**
 * AVIRIS-3, AVIRIS-5 and AVIRIS-NG in netCDF-4: L2A reflectance on a grid of the map, L1B radiance in the sensor's own lines
 * beside a lookup table. Layout: the products' user guides (ORNL DAAC) and files of their readers.
 *   reflectance/reflectance | radiance/radiance [wavelength, lines, samples], fill -9999; wavelength, fwhm beside it, nm
 *   transverse_mercator: attributes GeoTransform (six numbers as a text) and crs_wkt or spatial_ref
 *   easting, northing: pixel centres; geolocation_lookup_table/sample, line from 1
 */
import { Dataset, Group } from 'h5wasm/node';
import { BandliftError } from '../base/errors.js';
import type { Geotransform } from '../raster/geo.js';
import { bandTable } from './band_table.js';
import type { CubeProduct } from './cube_scene.js';
import { describeNumbers, type ProductFile, readList } from './hdf5_array.js';
import { numberOf, textOf } from './hdf5_attributes.js';
import type { LineOptions } from './line_scene.js';
import { geotransformOf, placeOf } from './product_place.js';
import { layOut } from './sensor_lines.js';

const FILL = -9999;
const KINDS = [
  { name: 'reflectance', level: 'L2A', units: 'reflectance' },
  { name: 'radiance', level: 'L1B', units: 'uW cm-2 sr-1 nm-1' },
] as const;
const GRID_MAPPING = 'transverse_mercator';
const TABLES = ['geolocation_lookup_table/sample', 'geolocation_lookup_table/line'] as const;
/** Steps between coordinates that differ by less than this share are one. */
const EVEN = 1e-6;

const kindOfFile = ({ file }: ProductFile) =>
  KINDS.find(
    ({ name }) =>
      file.keys().includes(name) &&
      file.get(name) instanceof Group &&
      (file.get(name) as Group).keys().includes(name) &&
      file.get(`${name}/${name}`) instanceof Dataset,
  );

export const isAviris = (product: ProductFile): boolean => kindOfFile(product) !== undefined;

/** 'AVIRIS-3', as the file says, else by the name of the flight line. */
function sensorOf(product: ProductFile): string {
  const words = ['instrument', 'sensor', 'title', 'flight_line']
    .map((name) => textOf(product, '', name) ?? '')
    .join(' ');
  const text = `${words} ${product.path.replace(/^.*\//, '')}`;
  if (/AVIRIS[- ]?NG|\bang\d{8}t/i.test(text)) return 'AVIRIS-NG';
  const number = /AVIRIS[- ]?([35])|\bAV([35])\d{8}t/i.exec(text);
  return number ? `AVIRIS-${number[1] ?? number[2]}` : 'AVIRIS';
}

/** The transform of centres `x` across and `y` down; undefined where they are not evenly spaced. */
function transformOf(x: Float64Array | undefined, y: Float64Array | undefined): Geotransform | undefined {
  const step = (centres: Float64Array | undefined) => {
    if (centres === undefined || centres.length < 2) return undefined;
    const mean = (centres.at(-1)! - centres[0]!) / (centres.length - 1);
    return centres.every((c, i) => Math.abs(c - centres[0]! - i * mean) <= EVEN * Math.abs(mean) * centres.length)
      ? mean
      : undefined;
  };
  const [dx, dy] = [step(x), step(y)];
  return dx && dy ? [x![0]! - dx / 2, dx, 0, y![0]! - dy / 2, 0, dy] : undefined;
}

/** Describes a file. Errors: BandliftError naming the dataset that is missing or does not fit. */
export function describeAviris(product: ProductFile, options: LineOptions): CubeProduct {
  const { path, file } = product;
  const { name: group, level, units } = kindOfFile(product)!;
  const name = `${group}/${group}`;
  const array = describeNumbers(product, name, 3)!;
  const list = (entry: string) =>
    (file.get(group) as Group).keys().includes(entry) ? readList(product, `${group}/${entry}`) : undefined;
  const wavelength = list('wavelength');
  // bands first by the documents; last where only that fits
  const first =
    wavelength === undefined || array.shape[0] === wavelength.length || array.shape[2] !== wavelength.length;
  const axes = first ? { band: 0, line: 1, sample: 2 } : { line: 0, sample: 1, band: 2 };
  const keys = file.keys();
  const root = (entry: string) => (keys.includes(entry) ? readList(product, entry) : undefined);
  const transform =
    (keys.includes(GRID_MAPPING) ? geotransformOf(product, GRID_MAPPING, 'GeoTransform') : undefined) ??
    transformOf(root('easting'), root('northing'));
  const ground = transform && placeOf(product, GRID_MAPPING, transform, ['crs_wkt', 'spatial_ref']);
  const swath = keys.includes('geolocation_lookup_table');
  if (!swath && options.ortho)
    throw new BandliftError('lies on the map already', { file: path, field: '--ortho', hint: 'leave --ortho out' });
  const layout = swath
    ? layOut(product, TABLES, ground, options)
    : {
        ...(ground ? { georeference: ground } : {}),
        warnings: ground ? [] : ['the file does not say where on the ground it lies'],
      };
  return {
    ...product,
    kind: `${sensorOf(product)} ${level}`,
    parts: [
      {
        array,
        axes,
        fills: [...new Set([numberOf(product, name, '_FillValue') ?? FILL, FILL])],
        gain: 1,
        divisor: 1,
        offset: 0,
      },
    ],
    bands: bandTable(path, array.shape[axes.band]!, { wavelength, fwhm: list('fwhm'), wavelengthUnits: 'nm' }, options),
    units,
    sensor: sensorOf(product),
    ...layout,
    warnings: [...(wavelength === undefined ? ['the file has no wavelengths'] : []), ...layout.warnings],
  };
}
