/** What a path is, by what lies there. */
import { stat } from 'node:fs/promises';
import { extname } from 'node:path';
import { BandliftError } from '../base/errors.js';
import { fileError } from '../base/files.js';
import { hasHeader } from '../raster/envi_pair.js';
import { beginsLikeHdf5, beginsLikeTiff } from '../raster/foreign_files.js';
import { beginsLikeTar } from '../raster/tar.js';
import { enmapIn, isEnmapPart } from './enmap.js';
import { holdsHls, isHlsPart } from './hls.js';
import { holdsLandsat, isLandsatPart } from './landsat.js';
import { isArchiveName } from './product_files.js';

export type SceneKind =
  | 'Landsat product'
  | 'HLS product'
  | 'EnMAP product'
  | 'stacked GeoTIFF'
  | 'patch file'
  | 'spectrometer product'
  | 'ENVI cube';

const TIFF = new Set(['.tif', '.tiff']);
const HDF5 = new Set(['.h5', '.hdf5', '.he5']);

/** Whether the path is named like a patch file. */
export const isPatchFile = (path: string): boolean => HDF5.has(extname(path).toLowerCase());

/** Whether an HDF5 file is a product of an imaging spectrometer. Errors: BandliftError for what cannot be read as HDF5. */
export async function isProduct(path: string): Promise<boolean> {
  // with the HDF5 library, which takes longer to load than a small scene to open
  return (await import('./hdf5_products.js')).isHdf5Product(path);
}

/** Tells what a path is. Errors: BandliftError for what cannot be read, and folders that hold no product. */
export async function kindOf(path: string): Promise<SceneKind> {
  const info = await stat(path).catch((error: unknown) => {
    throw fileError(error, path);
  });
  if (info.isDirectory()) {
    if (await holdsLandsat(path)) return 'Landsat product';
    if (await holdsHls(path)) return 'HLS product';
    if (enmapIn(path) !== undefined) return 'EnMAP product';
    throw new BandliftError('is a folder without a Landsat product', {
      file: path,
      expected: '*_SR_B1.TIF to *_SR_B7.TIF',
      hint: 'of other scenes give the file',
    });
  }
  if (isLandsatPart(path)) return 'Landsat product';
  if (isHlsPart(path)) return 'HLS product';
  if (isEnmapPart(path)) return 'EnMAP product';
  // what is no archive, or holds something else, is told as such
  if (isArchiveName(path) && (await beginsLikeTar(path)) && (await holdsLandsat(path))) return 'Landsat product';
  if (isPatchFile(path)) return (await isProduct(path)) ? 'spectrometer product' : 'patch file';
  // an ENVI cube's data may begin as they like
  if (!hasHeader(path) && beginsLikeHdf5(path)) return 'spectrometer product';
  // ENVI data may be called anything, and a GeoTIFF may have an ENVI header beside it
  const isTiff = TIFF.has(extname(path).toLowerCase()) && (!hasHeader(path) || beginsLikeTiff(path));
  return isTiff ? 'stacked GeoTIFF' : 'ENVI cube';
}
