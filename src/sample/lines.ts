/** What every generated flight line shares: its bands, its place on the map, its ENVI header. */
import type { EnviHeader } from '../raster/envi_header.js';
import { keepBands } from '../spectra/bands.js';
import { bandWeights, LANDSAT8_OLI } from '../spectra/response.js';
import { AVIRIS_NG_FWHM, AVIRIS_NG_WAVELENGTH } from '../spectra/tables/aviris_ng_2017.js';
import type { AtmosphereOptions } from './atmosphere.js';
import type { SampleUnits } from './scene.js';

/** WGS 84 / UTM zone 11 N (EPSG:32611) as WKT 1: where the sample is said to lie. */
export const UTM_11N =
  'PROJCS["WGS 84 / UTM zone 11N",GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],' +
  'PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433],AUTHORITY["EPSG","4326"]],PROJECTION["Transverse_Mercator"],' +
  'PARAMETER["latitude_of_origin",0],PARAMETER["central_meridian",-117],PARAMETER["scale_factor",0.9996],' +
  'PARAMETER["false_easting",500000],PARAMETER["false_northing",0],UNIT["metre",1],AUTHORITY["EPSG","32611"]]';

export const SAMPLE_UNITS: Record<SampleUnits, string> = { radiance: 'uW cm-2 sr-1 nm-1', reflectance: 'reflectance' };
export const SAMPLE_NODATA = -9999;
/** Lower left part of zone 11 north: where lines are said to lie. */
const EASTING = 300000;
const NORTHING = 3900000;
/** Lines lie this far apart, m. */
const SPACING = 12000;

export interface SampleBands {
  readonly wavelength: Float64Array;
  readonly fwhm: Float64Array;
  /** Numbers of the bands that patches keep. */
  readonly kept: Int32Array;
  /** [7][bands] */
  readonly weights: readonly Float64Array[];
}

export function sampleBands(): SampleBands {
  const wavelength = Float64Array.from(AVIRIS_NG_WAVELENGTH);
  const fwhm = Float64Array.from(AVIRIS_NG_FWHM);
  return { wavelength, fwhm, kept: keepBands(wavelength), weights: bandWeights(LANDSAT8_OLI, wavelength, fwhm) };
}

/** Upper left corner of a line, m. */
export const lineCorner = (line: number): { west: number; north: number } => ({
  west: EASTING + SPACING * line,
  north: NORTHING,
});

export function weatherText({ waterVapour, aerosol, sunZenith }: AtmosphereOptions): string {
  return `water vapour ${waterVapour.toFixed(2)} cm, aerosol ${aerosol.toFixed(2)} at 550 nm, sun ${sunZenith.toFixed(1)} deg from zenith`;
}

export interface LineText {
  readonly seed: number;
  readonly name: string;
  readonly units: SampleUnits;
  readonly corner: { readonly west: number; readonly north: number };
  /** Side of a pixel, m. */
  readonly pixel: number;
}

/** A line's header but for its size. */
export function lineHeader(
  { wavelength, fwhm, kept }: SampleBands,
  atmosphere: AtmosphereOptions,
  { seed, name, units, corner, pixel }: LineText,
): Omit<EnviHeader, 'lines' | 'samples' | 'dataType' | 'interleave' | 'byteOrder' | 'headerOffset'> {
  const isKept = new Set(kept);
  const place = [corner.west, corner.north, pixel, pixel].map(String);
  return {
    bands: wavelength.length,
    description: `bandlift sample, seed ${seed}, ${name}: generated, not measured; ${SAMPLE_UNITS[units]}; ${weatherText(atmosphere)}`,
    wavelength,
    fwhm,
    bbl: Uint8Array.from(wavelength, (_, b) => (isKept.has(b) ? 1 : 0)),
    mapInfo: ['UTM', '1', '1', ...place, '11', 'North', 'WGS-84', 'units=Meters'],
    coordinateSystem: UTM_11N,
    nodata: SAMPLE_NODATA,
    other: { 'data units': SAMPLE_UNITS[units] },
  };
}
