/** Products that keep the sensor's own lines beside a lookup table: as they are, or laid on the ground. */
import { BandliftError } from '../base/errors.js';
import type { GeoReference } from '../raster/types.js';
import type { CubeProduct } from './cube_scene.js';
import { describeNumbers, type ProductFile } from './hdf5_array.js';
import type { LineOptions } from './line_scene.js';
import { LookupTable } from './lookup_table.js';

/**
 * What `ortho` makes of a product. Errors: BandliftError where it is asked for and the file has no table, or no place for it.
 *
 * @param tables datasets of the samples and of the lines
 * @param ground place of the table's grid
 */
export function layOut(
  product: ProductFile,
  tables: readonly [x: string, y: string],
  ground: GeoReference | undefined,
  { ortho }: LineOptions,
): Pick<CubeProduct, 'lookup' | 'georeference' | 'warnings'> {
  const { path, file } = product;
  const has = tables.every((name) => {
    const group = name.split('/')[0]!;
    return file.keys().includes(group) && file.get(name) !== null;
  });
  if (!ortho)
    return {
      warnings: [
        `lines and samples are the sensor's own, without a place on the map${
          has
            ? "; --ortho lays them on the ground by the file's lookup table, which shows some pixels twice"
            : ', and the file has no lookup table'
        }`,
      ],
    };
  if (!has)
    throw new BandliftError('has no lookup table to lay it on the ground by', {
      file: path,
      field: '--ortho',
      found: `no ${tables.join(' and ')}`,
      hint: 'leave --ortho out to take the lines as they are',
    });
  if (!ground)
    throw new BandliftError('does not say where its lookup table lies', { file: path, field: 'geotransform' });
  const [x, y] = tables.map((name) => describeNumbers(product, name, 2)!);
  return { lookup: new LookupTable(product, x!, y!), georeference: ground, warnings: [] };
}
