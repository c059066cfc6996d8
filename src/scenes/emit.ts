/**
 * EMIT L2A (surface reflectance) and L1B (radiance at the sensor), netCDF-4: the sensor's own lines and samples, with a
 * lookup table that lays them on a grid of latitude and longitude. Layout: EMIT L1B and L2A user guides (LP DAAC).
 *   reflectance | radiance [downtrack, crosstrack, bands], fill -9999
 *   sensor_band_parameters/wavelengths, fwhm [bands] nm; good_wavelengths [bands], 0 = water vapour (L2A)
 *   location/glt_x, glt_y [ortho_y, ortho_x], from 1, 0 = none; attributes geotransform, spatial_ref of the whole file
 */
import { BandliftError } from '../base/errors.js';
import { bandTable } from './band_table.js';
import type { CubeProduct } from './cube_scene.js';
import { describeNumbers, type ProductFile, readList } from './hdf5_array.js';
import { numberOf, textOf } from './hdf5_attributes.js';
import type { LineOptions } from './line_scene.js';
import { geotransformOf, placeOf } from './product_place.js';
import { layOut } from './sensor_lines.js';

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
  const transform = geotransformOf(product, '', 'geotransform');
  const ground = transform && placeOf(product, '', transform, ['spatial_ref']);
  const { warnings, ...layout } = layOut(product, ['location/glt_x', 'location/glt_y'], ground, options);
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
    ...layout,
    warnings: [
      ...(bands[0]?.wavelength === undefined ? ['the file has no wavelengths (group sensor_band_parameters)'] : []),
      ...warnings,
    ],
  };
}
