/**
 * EMIT L2A (surface reflectance) and L1B (radiance at the sensor), netCDF-4: the sensor's own lines and samples, with a
 * lookup table that lays them on a grid of latitude and longitude. Layout: EMIT L1B and L2A user guides (LP DAAC).
 *   reflectance | radiance [downtrack, crosstrack, bands], fill -9999
 *   sensor_band_parameters/wavelengths, fwhm [bands] nm; good_wavelengths [bands], 0 = water vapour (L2A)
 *   location/glt_x, glt_y [ortho_y, ortho_x], from 1, 0 = none; attributes geotransform, spatial_ref of the whole file
 */
import { BandliftError } from '../base/errors.js';
import { type Geotransform, mapToPixel } from '../raster/geo.js';
import type { GeoReference } from '../raster/types.js';
import { bandTable } from './band_table.js';
import type { CubeProduct } from './cube_scene.js';
import { describeNumbers, type ProductFile, readList } from './hdf5_array.js';
import { numberOf, numbersOf, textOf } from './hdf5_attributes.js';
import type { LineOptions } from './line_scene.js';
import { LookupTable } from './lookup_table.js';

const FILL = -9999;
const LEVELS = [
  { name: 'reflectance', level: 'L2A', units: 'reflectance' },
  { name: 'radiance', level: 'L1B', units: 'uW cm-2 sr-1 nm-1' },
] as const;

/** Whether a file is one of these. */
export function isEmit(product: ProductFile): boolean {
  const words = ['platform', 'instrument', 'title', 'sensor'].map((name) => textOf(product, '', name) ?? '').join(' ');
  return /\bEMIT\b/.test(words);
}

function groundOf(product: ProductFile): GeoReference | undefined {
  const numbers = numbersOf(product, '', 'geotransform');
  if (numbers === undefined) return undefined;
  const fail = () =>
    new BandliftError('is not a geotransform', {
      file: product.path,
      field: 'attribute geotransform',
      found: numbers.join(', ').slice(0, 100),
      expected: 'six numbers',
    });
  if (numbers.length !== 6 || !numbers.every(Number.isFinite)) throw fail();
  const geotransform = numbers.map((value) => value + 0) as unknown as Geotransform;
  mapToPixel(geotransform, 0, 0);
  const crsWkt = textOf(product, '', 'spatial_ref');
  return { geotransform, ...(crsWkt === undefined ? {} : { crsWkt }) };
}

/** Describes a file. Errors: BandliftError naming the dataset that is missing or does not fit. */
export function describeEmit(product: ProductFile, options: LineOptions): CubeProduct {
  const { path, file } = product;
  const found = LEVELS.find(({ name }) => file.keys().includes(name));
  if (found === undefined)
    throw new BandliftError('holds neither reflectance nor radiance', {
      file: path,
      found: file.keys().slice(0, 8).join(', ') || 'nothing',
      expected: "EMIT's L2A_RFL or L1B_RAD file",
      hint: 'masks, uncertainties and observation geometry are files of their own, which are not read',
    });
  const array = describeNumbers(product, found.name, 3)!;
  const fill = numberOf(product, found.name, '_FillValue') ?? FILL;
  const group = 'sensor_band_parameters';
  const hasGroup = file.keys().includes(group);
  const list = (name: string) => (hasGroup ? readList(product, `${group}/${name}`) : undefined);
  const bands = bandTable(
    path,
    array.shape[2]!,
    {
      wavelength: list('wavelengths'),
      fwhm: list('fwhm'),
      good: found.level === 'L2A' ? list('good_wavelengths') : undefined,
      wavelengthUnits: 'nm',
    },
    options,
  );
  const tables = file.keys().includes('location')
    ? (['location/glt_x', 'location/glt_y'] as const).map((name) => describeNumbers(product, name, 2))
    : [];
  const [gltX, gltY] = tables;
  if (options.ortho && !(gltX && gltY))
    throw new BandliftError('has no lookup table to lay it on the ground by', {
      file: path,
      field: '--ortho',
      found: 'no location/glt_x and glt_y',
      hint: 'leave --ortho out to take the lines as the sensor saw them',
    });
  const lookup = options.ortho ? new LookupTable(product, gltX!, gltY!) : undefined;
  const ground = groundOf(product);
  if (lookup && !ground)
    throw new BandliftError('does not say where its lookup table lies', {
      file: path,
      field: 'attribute geotransform',
    });
  return {
    ...product,
    kind: `EMIT ${found.level}`,
    parts: [
      {
        array,
        axes: { line: 0, sample: 1, band: 2 },
        fills: [...new Set([fill, FILL])],
        gain: 1,
        divisor: 1,
        offset: 0,
      },
    ],
    bands,
    units: found.units,
    sensor: 'EMIT',
    ...(lookup ? { lookup, georeference: ground! } : {}),
    warnings: [
      ...(bands[0]?.wavelength === undefined ? ['the file has no wavelengths (group sensor_band_parameters)'] : []),
      ...(lookup
        ? []
        : [
            gltX && gltY
              ? "lines and samples are the sensor's own, without a place on the map; --ortho lays them on the ground by the file's lookup table, which shows some pixels twice"
              : "lines and samples are the sensor's own, without a place on the map, and the file has no lookup table",
          ]),
    ],
  };
}
