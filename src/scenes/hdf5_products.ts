/** Products of imaging spectrometers in HDF5 and netCDF-4: told apart by what is in them, not by their names. */
import type { File as Hdf5File } from 'h5wasm/node';
import { BandliftError } from '../base/errors.js';
import { closeHdf5, openHdf5, reason } from '../data/hdf5_library.js';
import { describeAviris, isAviris } from './aviris_netcdf.js';
import { type CubeProduct, CubeScene } from './cube_scene.js';
import { describeEmit, isEmit } from './emit.js';
import type { ProductFile } from './hdf5_array.js';
import type { LineOptions } from './line_scene.js';
import { describeNeon, isNeon } from './neon.js';
import { describePrisma, isPrisma } from './prisma.js';

interface Reader {
  readonly is: (product: ProductFile) => boolean;
  readonly describe: (product: ProductFile, options: LineOptions) => CubeProduct;
}

const READERS: readonly Reader[] = [
  { is: isEmit, describe: describeEmit },
  { is: isPrisma, describe: describePrisma },
  { is: isAviris, describe: describeAviris },
  { is: isNeon, describe: describeNeon },
];

/** What is read, for messages. */
export const READ_PRODUCTS =
  'EMIT L1B or L2A, AVIRIS-3 or AVIRIS-NG in netCDF, NEON AOP reflectance, PRISMA L1, L2C or L2D';

/** What the library throws is told as a fault of the file. */
async function guarded<T>(path: string, work: (file: Hdf5File, bytes: number) => T): Promise<T> {
  const { file, bytes } = await openHdf5(path);
  try {
    return work(file, bytes);
  } catch (error) {
    closeHdf5(file);
    if (error instanceof BandliftError)
      throw error.detail.file === undefined ? new BandliftError(error.message, { file: path }) : error;
    throw new BandliftError(`cannot be read: ${reason(error)}`, {
      file: path,
      hint: 'the file is damaged or incomplete',
    });
  }
}

/** Whether an HDF5 file is a product that has a reader. Errors: BandliftError for what cannot be read as HDF5. */
export const isHdf5Product = (path: string): Promise<boolean> =>
  guarded(path, (file, bytes) => {
    const found = READERS.some(({ is }) => is({ file, path, bytes }));
    closeHdf5(file);
    return found;
  });

/** Opens a product. Errors: BandliftError naming file and dataset. */
export const openHdf5Product = (path: string, options: LineOptions = {}): Promise<CubeScene> =>
  guarded(path, (file, bytes) => {
    const product = { file, path, bytes };
    const reader = READERS.find(({ is }) => is(product));
    if (reader === undefined)
      throw new BandliftError('is no product that is read', {
        file: path,
        found: file.keys().slice(0, 8).join(', ') || 'nothing',
        expected: READ_PRODUCTS,
        hint: 'write it as an ENVI cube (a .hdr with wavelengths beside the data) first',
      });
    return new CubeScene(reader.describe(product, options), options);
  });
