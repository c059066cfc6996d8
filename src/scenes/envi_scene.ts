/** An ENVI cube as a scene: bands sorted by wavelength, physical units, nodata found, read by windows. */
import { basename } from 'node:path';
import { BandliftError } from '../base/errors.js';
import { openEnvi } from '../raster/envi.js';
import { wktOfMapInfo } from '../raster/envi_crs.js';
import type { EnviCube } from '../raster/envi_cube.js';
import { type EnviHeader, geotransform } from '../raster/envi_header.js';
import { EnviWindows } from '../raster/envi_window.js';
import { checkWindow } from '../raster/geo.js';
import { mapInfoOf } from '../raster/map_info.js';
import type { GeoReference, Window } from '../raster/types.js';
import type { BandCentres } from '../spectra/band_centres_csv.js';
import { bandOrder, fillValues } from './envi_bands.js';
import { surveyRemarks } from './envi_remarks.js';
import { lowestValue, surveyBands } from './envi_survey.js';
import { type LineOptions, type LineScene, readWindow } from './line_scene.js';
import type { Pixels, Scene } from './types.js';

export type EnviSceneOptions = Pick<LineOptions, 'bands' | 'bandCentres'>;

/** Physical units as the header tells them; a scale factor makes reflectance. */
function unitsOf(header: EnviHeader): string | undefined {
  const stated = header.other?.['data units'];
  if (stated) return stated;
  if (header.reflectanceScale !== undefined) return 'reflectance';
  const description = header.description ?? '';
  if (/u?W\s*\/?\s*cm.{0,12}sr.{0,12}nm/i.test(description)) return 'uW cm-2 sr-1 nm-1';
  return /\breflectance\b(?!-like)/i.test(description) ? 'reflectance' : undefined;
}

function georeferenceOf(header: EnviHeader, file: string): GeoReference | undefined {
  const { mapInfo, coordinateSystem } = header;
  if (mapInfo === undefined) return undefined;
  try {
    const transform = geotransform(mapInfo);
    const crsWkt = coordinateSystem || wktOfMapInfo(mapInfo);
    return { geotransform: transform, mapInfo, ...(crsWkt === undefined ? {} : { crsWkt }) };
  } catch (error) {
    if (error instanceof BandliftError) throw new BandliftError(error.message, { file });
    throw error;
  }
}

function withCentres(cube: EnviCube, centres: BandCentres | undefined): EnviCube {
  if (centres === undefined) return cube;
  const { wavelength: _, fwhm: __, ...header } = cube.header;
  if (centres.wavelength.length !== header.bands)
    throw new BandliftError('the table of wavelengths has another number of bands', {
      file: cube.headerPath,
      field: 'bands',
      found: `${centres.wavelength.length} rows in the table`,
      expected: header.bands,
    });
  return { ...cube, header: { ...header, ...centres } };
}

/** File name without folder and ending. */
export const sceneName = (path: string): string =>
  basename(path)
    .replace(/\.hdr$/i, '')
    .replace(/\.(img|dat|bip|bil|bsq|raw|tiff?|h5|hdf5?|he5|nc4?)$/i, '');

const pick = <T>(list: ArrayLike<T> | undefined, order: Int32Array): T[] | undefined =>
  list && Array.from(order, (b) => list[b]!);

export class EnviScene implements LineScene {
  readonly kind = 'ENVI cube';
  readonly workBytes = 0;
  readonly path: string;
  readonly name: string;
  readonly files: readonly string[];
  readonly height: number;
  readonly width: number;
  readonly bands: number;
  readonly storedBands: number;
  readonly georeference?: GeoReference;
  readonly units?: string;
  readonly wavelength?: Float64Array;
  readonly fwhm?: Float64Array;
  readonly goodBands: Uint8Array;
  readonly bandNames?: readonly string[];
  readonly sensor?: string;
  readonly warnings: readonly string[];
  /** The file behind the scene. */
  readonly cube: EnviCube;
  readonly #windows: EnviWindows;
  readonly #fills: readonly number[];
  readonly #order: Int32Array;

  private constructor(path: string, cube: EnviCube, order: Int32Array, fills: readonly number[]) {
    const { header } = cube;
    const survey = surveyBands(cube, fills);
    const { good } = survey;
    this.path = path;
    this.name = sceneName(path);
    this.files = [cube.headerPath, cube.dataPath];
    this.cube = cube;
    this.height = header.lines;
    this.width = header.samples;
    this.bands = order.length;
    this.storedBands = header.bands;
    this.goodBands = Uint8Array.from(order, (b) => good[b]!);
    const warnings = (header.remarks ?? []).map((remark) => `${cube.headerPath}: ${remark}`);
    if (!this.goodBands.includes(1))
      throw new BandliftError('the header marks every band as bad', { file: cube.headerPath, field: 'bbl' });
    const georeference = georeferenceOf(header, cube.headerPath);
    const units = unitsOf(header);
    const sensor = header.other?.['sensor type'];
    const wavelength = pick(header.wavelength, order);
    const fwhm = pick(header.fwhm, order);
    const bandNames = pick(header.bandNames, order);
    if (georeference) this.georeference = georeference;
    if (units !== undefined) this.units = units;
    if (sensor !== undefined && !/^unknown$/i.test(sensor)) this.sensor = sensor;
    if (wavelength) this.wavelength = Float64Array.from(wavelength);
    if (fwhm) this.fwhm = Float64Array.from(fwhm);
    if (bandNames) this.bandNames = bandNames;
    if (georeference && mapInfoOf(georeference) === undefined)
      warnings.push(
        `${cube.headerPath}: map info turns pixels that are not square; programs disagree about these, so results carry the place as 'geotransform' alone, which other programs do not read`,
      );
    warnings.push(...surveyRemarks(survey, header, order, units).map((remark) => `${path}: ${remark}`));
    this.warnings = warnings;
    this.#fills = fills;
    this.#order = order;
    this.#windows = new EnviWindows(cube, {
      stored: order,
      good: this.goodBands,
      fills,
      scale: header.reflectanceScale ?? 1,
      lowest: lowestValue(header),
    });
  }

  /** Errors: BandliftError naming file and entry. */
  static async open(path: string, options: EnviSceneOptions = {}): Promise<EnviScene> {
    const cube = withCentres(await openEnvi(path), options.bandCentres);
    const order = bandOrder(cube.header, options.bands ?? 'all', cube.headerPath);
    return new EnviScene(path, cube, order, fillValues(cube.header));
  }

  async read(window: Window): Promise<Pixels> {
    return readWindow(this, window);
  }

  /** As `read`, into memory that the caller keeps; without `values` the validity alone is found, which costs less. */
  readInto(window: Window, values: Float32Array | undefined, valid: Uint8Array): void {
    checkWindow(window, this.height, this.width, this.path);
    this.#windows.read(window.y, window.x, window.height, window.width, values, valid);
  }

  /**
   * A reader of some bands alone, bad ones as they are: where bands lie apart in the file, no others are read. A pixel is valid
   * where these bands have data. The caller closes it.
   * @param bands numbers from 0 of the scene's bands
   */
  bandWindows(bands: readonly number[]): EnviWindows {
    const { header } = this.cube;
    return new EnviWindows(this.cube, {
      stored: Int32Array.from(bands, (b) => this.#order[b]!),
      good: new Uint8Array(bands.length).fill(1),
      fills: this.#fills,
      scale: header.reflectanceScale ?? 1,
      lowest: lowestValue(header),
    });
  }

  async close(): Promise<void> {
    this.#windows.close();
  }
}

/** Opens an ENVI cube, given its header or its data file. Errors: BandliftError naming file and entry. */
export async function openEnviScene(path: string, options: EnviSceneOptions = {}): Promise<Scene> {
  return EnviScene.open(path, options);
}
