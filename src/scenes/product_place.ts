/** Places that products tell in attributes: transforms as GDAL writes them, and codes of coordinate systems. */
import { BandliftError } from '../base/errors.js';
import { wktOfEpsg } from '../raster/crs.js';
import { type Geotransform, mapToPixel } from '../raster/geo.js';
import type { GeoReference } from '../raster/types.js';
import type { ProductFile } from './hdf5_array.js';
import { numbersOf, textOf } from './hdf5_attributes.js';

/** The transform in an attribute, six numbers in GDAL's order; undefined where there is none. Errors: BandliftError. */
export function geotransformOf(product: ProductFile, object: string, name: string): Geotransform | undefined {
  const numbers = numbersOf(product, object, name);
  if (numbers === undefined) return undefined;
  const where = { file: product.path, field: `${object === '' ? '' : `${object}, `}attribute ${name}` };
  if (numbers.length !== 6 || !numbers.every(Number.isFinite))
    throw new BandliftError('is not a geotransform', {
      ...where,
      found: numbers.join(', ').slice(0, 100),
      expected: 'six numbers',
    });
  // not -0
  const transform = numbers.map((value) => value + 0) as unknown as Geotransform;
  try {
    mapToPixel(transform, 0, 0);
  } catch {
    throw new BandliftError('has no inverse', { ...where, found: numbers.join(', ') });
  }
  return transform;
}

/** A place with the coordinate system that attributes of `object` tell as text, by the first of `names` that is there. */
export function placeOf(
  product: ProductFile,
  object: string,
  transform: Geotransform,
  names: readonly string[],
): GeoReference {
  const crsWkt = names.map((name) => textOf(product, object, name)).find((text) => text !== undefined);
  return { geotransform: transform, ...(crsWkt === undefined ? {} : { crsWkt }) };
}

/** A place with the coordinate system of an EPSG code. */
export const placeByCode = (geotransform: Geotransform, code: number): GeoReference => ({
  geotransform,
  crsWkt: wktOfEpsg(code) ?? `EPSG:${code}`,
});
