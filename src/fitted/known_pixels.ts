/** Known spectra of a scene's pixels: field spectra in a table, or a cube of a flight line that overlaps the scene. */
import { readFile, stat } from 'node:fs/promises';
import { BandliftError } from '../base/errors.js';
import { fileError } from '../base/files.js';
import { crsName } from '../raster/crs.js';
import { type Geotransform, mapToPixel, pixelToMap } from '../raster/geo.js';
import type { Scene } from '../scenes/types.js';
import { toNanometres } from '../spectra/units.js';

/** Spectra as they were measured, and the pixel of the scene that each belongs to. */
export interface KnownSpectra {
  /** The file that they come from. */
  readonly path: string;
  /** For messages: a line of the table, a pixel. */
  readonly names: readonly string[];
  /** Rows and columns of the scene, from 0. */
  readonly pixels: readonly (readonly [row: number, column: number])[];
  /** [spectra, wavelengths], reflectance. */
  readonly spectra: Float32Array;
  /** nm. */
  readonly wavelength: Float64Array;
  /** [wavelengths], 1 = good. */
  readonly good: Uint8Array;
}

const LARGEST_TABLE = 64 * 2 ** 20;
/** Reflectance of a surface lies within these. */
const RANGE = [-0.05, 1.5] as const;

/** Where a map position lies in the scene; throws where it does not. */
function pixelAt(scene: Scene, x: number, y: number, where: string): [number, number] {
  if (!scene.georeference)
    throw new BandliftError('has no place on the ground, so that map coordinates mean nothing', {
      file: scene.path,
      hint: 'give row and column in the table, from 0',
    });
  const [column, row] = mapToPixel(scene.georeference.geotransform, x, y).map(Math.floor);
  if (!(row! >= 0 && row! < scene.height && column! >= 0 && column! < scene.width))
    throw new BandliftError('lies outside of the scene', {
      file: where,
      found: `${x}, ${y}`,
      expected: `map coordinates (${crsName(scene.georeference.crsWkt)}) within ${scene.path}`,
    });
  return [row!, column!];
}

/**
 * Reads a table: a first line with x and y (map coordinates of the scene) or row and column (pixels, from 0), name if there is
 * one, and the wavelengths in nm or um; then one spectrum of reflectance a line. Errors: BandliftError naming line and column.
 */
export async function readKnownTable(path: string, scene: Scene): Promise<KnownSpectra> {
  let text: string;
  try {
    const { size } = await stat(path);
    if (size > LARGEST_TABLE)
      throw new BandliftError('too large for a table of spectra', {
        file: path,
        found: `${size} bytes`,
        expected: `at most ${LARGEST_TABLE}`,
      });
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw fileError(error, path);
  }
  const lines = text
    .replace(/^\ufeff/, '')
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '');
  const head = (lines[0] ?? '').split(',').map((cell) => cell.trim().toLowerCase());
  const find = (...names: string[]) => head.findIndex((cell) => names.includes(cell));
  const [x, y, row, column, name] = [
    find('x'),
    find('y'),
    find('row', 'line'),
    find('column', 'col', 'sample'),
    find('name', 'id'),
  ];
  const byMap = x >= 0 && y >= 0;
  if (!byMap && !(row >= 0 && column >= 0))
    throw new BandliftError('columns missing', {
      file: path,
      found: head.slice(0, 4).join(',').slice(0, 60) || 'an empty file',
      expected: 'x,y (map coordinates) or row,column (pixels from 0), then wavelengths',
      ...(/["';\t]/.test(head[0]!) ? { hint: 'write a plain CSV: commas, decimal points, no quotes' } : {}),
    });
  const bands = head.flatMap((cell, at) => (/^[\d.]+(\s*(nm|um))?$/.test(cell) ? [at] : []));
  if (bands.length < 2)
    throw new BandliftError('no wavelengths in the first line', { file: path, found: head.slice(0, 6).join(',') });
  const units = /um$/.test(head[bands[0]!]!) ? 'um' : /nm$/.test(head[bands[0]!]!) ? 'nm' : undefined;
  const wavelength = toNanometres(
    bands.map((at) => Number.parseFloat(head[at]!)),
    units,
    path,
  );
  const known = { names: [] as string[], pixels: [] as [number, number][] };
  const spectra = new Float32Array((lines.length - 1) * bands.length);
  lines.slice(1).forEach((line, i) => {
    const cells = line.split(',').map((cell) => cell.trim());
    const where = `${path}, line ${i + 2}`;
    const number = (at: number) => {
      const value = cells[at] === undefined || cells[at] === '' ? Number.NaN : Number(cells[at]);
      if (Number.isFinite(value)) return value;
      throw new BandliftError('is no number', { file: where, field: head[at]!, found: cells[at] || 'nothing' });
    };
    if (cells.length > head.length && cells.slice(head.length).some((cell) => cell !== ''))
      throw new BandliftError('has more cells than the first line', {
        file: where,
        found: cells.length,
        expected: head.length,
        hint: 'commas divide the cells: give decimal points, and names without commas',
      });
    known.names.push(name >= 0 && cells[name] ? cells[name]! : `line ${i + 2}`);
    if (byMap) known.pixels.push(pixelAt(scene, number(x), number(y), where));
    else {
      const pixel: [number, number] = [number(row), number(column)];
      const fits = pixel.every((v, k) => Number.isInteger(v) && v >= 0 && v < [scene.height, scene.width][k]!);
      if (!fits)
        throw new BandliftError('is no pixel of the scene', {
          file: where,
          found: `row ${pixel[0]}, column ${pixel[1]}`,
          expected: `row 0 to ${scene.height - 1}, column 0 to ${scene.width - 1}`,
        });
      known.pixels.push(pixel);
    }
    bands.forEach((at, b) => {
      const value = number(at);
      if (!(value >= RANGE[0] && value <= RANGE[1]))
        throw new BandliftError('is no reflectance', {
          file: where,
          field: `${head[at]}`,
          found: value,
          expected: `${RANGE[0]} to ${RANGE[1]}; leave out columns of water vapour`,
        });
      spectra[i * bands.length + b] = value;
    });
  });
  return { path, ...known, spectra, wavelength, good: new Uint8Array(bands.length).fill(1) };
}

/** Pixels of the scene that are taken of an overlap, spread evenly over it. */
const MOST_PIXELS = 200;

type Range = readonly [first: number, end: number];

/** Rows and columns of a scene that a cube may reach: a whole scene has sixty million pixels to look at. */
function reachOf(cube: Scene, own: Geotransform, scene: Scene, other: Geotransform): [rows: Range, columns: Range] {
  const corners = [0, cube.height].flatMap((y) =>
    [0, cube.width].map((x) => mapToPixel(other, ...pixelToMap(own, x, y))),
  );
  const range = (k: 0 | 1, size: number): Range => {
    const at = corners.map((corner) => corner[k]);
    return [Math.max(0, Math.floor(Math.min(...at)) - 1), Math.min(size, Math.ceil(Math.max(...at)) + 1)];
  };
  return [range(1, scene.height), range(0, scene.width)];
}

/**
 * The spectra of a cube that overlaps the scene: for pixels of the scene that lie in it whole, the mean of the cube's pixels
 * whose centres lie in them. Both must be in one coordinate system. Errors: BandliftError naming the file.
 */
export async function readKnownCube(cube: Scene, scene: Scene): Promise<KnownSpectra> {
  const fail = (message: string, detail: { found?: string; expected?: string; hint?: string }): never => {
    throw new BandliftError(message, { file: cube.path, ...detail });
  };
  if (!cube.wavelength) return fail('has no wavelengths', {});
  if (cube.units === undefined || !/reflectance/i.test(cube.units))
    fail('is not known to be reflectance', { found: cube.units ?? 'no units', expected: 'reflectance' });
  if (!cube.georeference || !scene.georeference)
    return fail('needs a place on the ground, and the scene too', { hint: 'or give --spectra with rows and columns' });
  const [own, other] = [cube.georeference, scene.georeference];
  if (crsName(own.crsWkt) !== crsName(other.crsWkt))
    fail('is in another coordinate system than the scene', {
      found: crsName(own.crsWkt),
      expected: crsName(other.crsWkt),
      hint: 'gdalwarp the cube to that of the scene',
    });
  const inside: [number, number][] = [];
  const window = (row: number, column: number) => {
    const corners = [0, 1].flatMap((dy) =>
      [0, 1].map((dx) => mapToPixel(own.geotransform, ...pixelToMap(other.geotransform, column + dx, row + dy))),
    );
    const range = (k: 0 | 1) => [Math.min(...corners.map((c) => c[k])), Math.max(...corners.map((c) => c[k]))] as const;
    // centres of the cube's pixels: half a pixel in
    const [x0, x1] = range(0).map((v) => Math.ceil(v - 0.5 - 1e-9)) as [number, number];
    const [y0, y1] = range(1).map((v) => Math.ceil(v - 0.5 - 1e-9)) as [number, number];
    return { x: x0, y: y0, width: x1 - x0, height: y1 - y0 };
  };
  const [rows, columns] = reachOf(cube, own.geotransform, scene, other.geotransform);
  for (let row = rows[0]; row < rows[1]; row++)
    for (let column = columns[0]; column < columns[1]; column++) {
      const { x, y, width, height } = window(row, column);
      if (x >= 0 && y >= 0 && width > 0 && height > 0 && x + width <= cube.width && y + height <= cube.height)
        inside.push([row, column]);
    }
  if (inside.length === 0)
    fail('does not overlap the scene, or its pixels are larger than the scene’s', { expected: scene.path });
  const step = Math.max(1, inside.length / MOST_PIXELS);
  const chosen = Array.from({ length: Math.floor(inside.length / step) }, (_, k) => inside[Math.floor(k * step)]!);
  const means: Float32Array[] = [];
  const pixels: [number, number][] = [];
  for (const [row, column] of chosen) {
    const { values, valid } = await cube.read(window(row, column));
    if (valid.includes(0)) continue;
    const mean = new Float32Array(cube.bands);
    for (let k = 0; k < values.length; k++) mean[k % cube.bands]! += values[k]! / valid.length;
    means.push(mean);
    pixels.push([row, column]);
  }
  const spectra = new Float32Array(means.length * cube.bands);
  means.forEach((spectrum, k) => {
    spectra.set(spectrum, k * cube.bands);
  });
  const good = Uint8Array.from({ length: cube.bands }, (_, b) => {
    const isFilled = means.some((spectrum) => spectrum[b] !== 0);
    const isPlausible = means.every((spectrum) => spectrum[b]! >= RANGE[0] && spectrum[b]! <= RANGE[1]);
    return cube.goodBands?.[b] !== 0 && isFilled && isPlausible ? 1 : 0;
  });
  return {
    path: cube.path,
    names: pixels.map(([r, c]) => `row ${r}, column ${c}`),
    pixels,
    spectra,
    wavelength: cube.wavelength,
    good,
  };
}
