/**
 * PRISMA L1 (radiance at the sensor), L2C (reflectance in the sensor's lines) and L2D (reflectance on the map), HDF-EOS5.
 * Layout: PRISMA Products Specification Document (ASI) and the files' own attributes.
 *   HDFEOS/SWATHS/PRS_<level>_HCO/Data Fields/VNIR_Cube, SWIR_Cube [lines, bands, samples] uint16, bands from long to short
 *   attributes List_Cw_Vnir, List_Fwhm_Vnir, List_Cw_Vnir_Flags (and ..._Swir): 0 nm or flag 0 = not acquired
 *   L1:  radiance = stored / ScaleFactor_Vnir - Offset_Vnir, W m-2 sr-1 um-1
 *   L2:  reflectance = L2ScaleVnirMin + stored (L2ScaleVnirMax - L2ScaleVnirMin) / 65535
 *   L2D: Product_ULcorner_easting, _northing, Product_LRcorner_..., Epsg_Code
 * The spectrometers overlap between about 943 and 977 nm; there the SWIR's bands are taken. A pixel whose numbers are all 0
 * has no data.
 */
import { Group } from 'h5wasm/node';
import { BandliftError } from '../base/errors.js';
import type { GeoReference } from '../raster/types.js';
import type { CubeProduct } from './cube_scene.js';
import { describeNumbers, type ProductFile } from './hdf5_array.js';
import { numberOf, numbersOf } from './hdf5_attributes.js';
import type { CubePart } from './hdf5_windows.js';
import type { LineOptions } from './line_scene.js';
import { placeByCode } from './product_place.js';

const SWATHS = 'HDFEOS/SWATHS';
const LARGEST = 65535;
const PIXEL = 30;
/** How far from PIXEL what corners and sizes say may be, m. */
const SAME = 0.01;

interface Level {
  readonly level: 'L1' | 'L2C' | 'L2D';
  readonly swath: string;
}

/** The hyperspectral swath of a file; of L1 the coregistered one. */
function levelOf({ file }: ProductFile): string | undefined {
  if (!file.keys().includes('HDFEOS')) return undefined;
  const swaths = file.get(SWATHS);
  if (!(swaths instanceof Group)) return undefined;
  const names = swaths.keys().filter((name) => /^PRS_L\w+_(HCO|HRC)$/.test(name));
  return names.find((name) => name.endsWith('HCO')) ?? names[0];
}

export const isPrisma = (product: ProductFile): boolean => levelOf(product) !== undefined;

function readLevel(product: ProductFile): Level {
  const swath = levelOf(product)!;
  const level = swath.split('_')[1];
  if (level !== 'L1' && level !== 'L2C' && level !== 'L2D')
    throw new BandliftError('is of a level that is not read', {
      file: product.path,
      found: `PRISMA ${level}`,
      expected: 'L1, L2C or L2D',
      ...(level === 'L2B' ? { hint: 'L2B is radiance at the surface; order L2C or L2D for reflectance' } : {}),
    });
  return { level, swath };
}

function needNumber(product: ProductFile, name: string): number {
  const value = numberOf(product, '', name);
  if (value !== undefined && Number.isFinite(value)) return value;
  throw new BandliftError('is missing', {
    file: product.path,
    field: `attribute ${name}`,
    found: value ?? 'nothing',
    expected: 'a number',
  });
}

function readPart(product: ProductFile, { level, swath }: Level, arm: 'Vnir' | 'Swir'): CubePart {
  const name = `${SWATHS}/${swath}/Data Fields/${arm.toUpperCase()}_Cube`;
  const array = describeNumbers(product, name, 3);
  if (array === undefined) throw new BandliftError('is missing', { file: product.path, field: name });
  const common = { array, axes: { line: 0, band: 1, sample: 2 }, fills: [] };
  if (level === 'L1') {
    const divisor = needNumber(product, `ScaleFactor_${arm}`);
    if (!(divisor > 0))
      throw new BandliftError('is not a scale', {
        file: product.path,
        field: `attribute ScaleFactor_${arm}`,
        found: divisor,
      });
    return { ...common, gain: 1, divisor, offset: 0 - needNumber(product, `Offset_${arm}`) };
  }
  const [least, most] = [needNumber(product, `L2Scale${arm}Min`), needNumber(product, `L2Scale${arm}Max`)];
  if (!(most > least))
    throw new BandliftError('is not a scale', {
      file: product.path,
      field: `attribute L2Scale${arm}Max`,
      found: most,
      expected: `more than L2Scale${arm}Min, ${least}`,
    });
  return { ...common, gain: most - least, divisor: LARGEST, offset: least };
}

type Bands = CubeProduct['bands'];

function readBands(product: ProductFile, { array, axes }: CubePart, part: number, arm: 'Vnir' | 'Swir'): Bands {
  const count = array.shape[axes.band]!;
  const list = (name: string): number[] => {
    const values = numbersOf(product, '', name);
    if (values?.length === count && values.every(Number.isFinite)) return values;
    throw new BandliftError('does not fit the cube', {
      file: product.path,
      field: `attribute ${name}`,
      found: values === undefined ? 'nothing' : `${values.length} entries`,
      expected: `${count}, one a band`,
    });
  };
  const [wavelength, fwhm] = [list(`List_Cw_${arm}`), list(`List_Fwhm_${arm}`)];
  const flags = numbersOf(product, '', `List_Cw_${arm}_Flags`) ?? Array<number>(count).fill(1);
  return wavelength.flatMap((nm, stored) =>
    nm > 0 && flags[stored] !== 0 ? [{ part, stored, wavelength: nm, fwhm: fwhm[stored]!, good: true }] : [],
  );
}

/** Corners are the centres of the corner pixels in some files and their outer corners in others: what gives pixels of 30 m. */
function readPlace(product: ProductFile, lines: number, samples: number): GeoReference {
  const [west, east] = [
    needNumber(product, 'Product_ULcorner_easting'),
    needNumber(product, 'Product_LRcorner_easting'),
  ];
  const [north, south] = [
    needNumber(product, 'Product_ULcorner_northing'),
    needNumber(product, 'Product_LRcorner_northing'),
  ];
  const [across, down] = [east - west, north - south];
  const fits = (less: 0 | 1) =>
    Math.abs(across - PIXEL * (samples - less)) <= SAME && Math.abs(down - PIXEL * (lines - less)) <= SAME;
  if (!fits(0) && !fits(1))
    throw new BandliftError('do not fit the size of the image', {
      file: product.path,
      field: 'attributes Product_ULcorner_..., Product_LRcorner_...',
      found: `${across} x ${down} m for ${samples} x ${lines} pixels`,
      expected: `pixels of ${PIXEL} m`,
    });
  const half = fits(1) ? PIXEL / 2 : 0;
  return placeByCode([west - half, PIXEL, 0, north + half, 0, -PIXEL], needNumber(product, 'Epsg_Code'));
}

/** Describes a file. Errors: BandliftError naming what is missing or does not fit. */
export function describePrisma(product: ProductFile, options: LineOptions): CubeProduct {
  const { path } = product;
  for (const [flag, given] of [
    ['--wavelengths', options.bandCentres !== undefined],
    ['--ortho', options.ortho === true],
  ] as const)
    if (given) throw new BandliftError('is not for PRISMA', { file: path, field: flag, hint: `leave ${flag} out` });
  const level = readLevel(product);
  const [vnir, swir] = [readPart(product, level, 'Vnir'), readPart(product, level, 'Swir')];
  const [lines, , samples] = vnir.array.shape as [number, number, number];
  if (swir.array.shape[0] !== lines || swir.array.shape[2] !== samples)
    throw new BandliftError('is not of the size of the other cube', {
      file: path,
      field: swir.array.name,
      found: `${swir.array.shape[0]} x ${swir.array.shape[2]} pixels`,
      expected: `${lines} x ${samples}`,
    });
  const shortwave = readBands(product, swir, 1, 'Swir');
  const first = Math.min(...shortwave.map(({ wavelength }) => wavelength!));
  const visible = readBands(product, vnir, 0, 'Vnir');
  const kept = visible.filter(({ wavelength }) => wavelength! < first);
  if (kept.length + shortwave.length === 0) throw new BandliftError('has no band that was acquired', { file: path });
  const onMap = level.level === 'L2D';
  return {
    ...product,
    kind: `PRISMA ${level.level}`,
    parts: [vnir, swir],
    bands: [...kept, ...shortwave],
    units: level.level === 'L1' ? 'W m-2 sr-1 um-1' : 'reflectance',
    sensor: 'PRISMA',
    ...(onMap ? { georeference: readPlace(product, lines, samples) } : {}),
    warnings: onMap ? [] : ["lines and samples are the sensor's own, without a place on the map"],
  };
}
