/**
 * A geometric lookup table (GLT): for each pixel of a grid on the ground the sample and line of the sensor's image that is
 * shown there, counted from 1; 0 or the fill value where none is. Negative entries stand for neighbours taken over and mean
 * the same pixel (as in JPL's tables).
 */
import { BandliftError } from '../base/errors.js';
import type { Window } from '../raster/types.js';
import { type NumberArray, type ProductFile, readNumbers } from './hdf5_array.js';

const FILL = -9999;

export class LookupTable {
  readonly height: number;
  readonly width: number;
  readonly #file: ProductFile;
  readonly #x: NumberArray;
  readonly #y: NumberArray;

  /** @param x,y of the same two dimensions: samples and lines */
  constructor(file: ProductFile, x: NumberArray, y: NumberArray) {
    if (x.shape.join() !== y.shape.join())
      throw new BandliftError('does not fit the other lookup table', {
        file: file.path,
        field: y.name,
        found: y.shape.join(' x '),
        expected: `${x.shape.join(' x ')} as ${x.name}`,
      });
    this.#file = file;
    this.#x = x;
    this.#y = y;
    [this.height, this.width] = x.shape as [number, number];
  }

  /**
   * Lines and samples (from 0) shown in a window, -1 where none is. Errors: BandliftError for entries outside the image.
   *
   * @param lines,samples size of the sensor's image
   */
  read({ y, x, height, width }: Window, lines: number, samples: number): { line: Int32Array; sample: Int32Array } {
    const sample = this.#indices(this.#x, [y, x], [height, width], samples);
    const line = this.#indices(this.#y, [y, x], [height, width], lines);
    for (let i = 0; i < line.length; i++) if (sample[i]! < 0 || line[i]! < 0) line[i] = -1;
    return { line, sample };
  }

  #indices(table: NumberArray, offset: readonly number[], count: readonly number[], size: number): Int32Array {
    const stored = readNumbers(this.#file, table, offset, count);
    return Int32Array.from(stored, (entry: number) => {
      const index = entry === FILL ? -1 : Math.abs(entry) - 1;
      if (index < size && Number.isInteger(index)) return index;
      throw new BandliftError('points outside the image', {
        file: this.#file.path,
        field: table.name,
        found: entry,
        expected: `0 to ${size}`,
      });
    });
  }
}
