/** The bands of a product whose lists of wavelengths, widths and flags stand in datasets or attributes. */
import { BandliftError } from '../base/errors.js';
import { nanometreFactor, toNanometres } from '../spectra/units.js';
import type { CubeProduct } from './cube_scene.js';
import type { LineOptions } from './line_scene.js';

type Bands = CubeProduct['bands'];

export interface BandLists {
  readonly wavelength?: ArrayLike<number> | undefined;
  /** In the unit of the wavelengths. */
  readonly fwhm?: ArrayLike<number> | undefined;
  readonly good?: ArrayLike<number> | undefined;
  /** 'nm', 'Micrometers'; guessed from the values without it. */
  readonly wavelengthUnits?: string | undefined;
}

/**
 * The `count` bands of one dataset; `options.bandCentres` takes the place of the file's own. Errors: BandliftError naming the
 * file where a list has another length or a wavelength is none.
 */
export function bandTable(path: string, count: number, lists: BandLists, { bandCentres }: LineOptions): Bands {
  const { good } = lists;
  const centres = bandCentres?.wavelength ?? lists.wavelength;
  const widths = bandCentres ? bandCentres.fwhm : lists.fwhm;
  for (const [field, list] of Object.entries({ wavelength: centres, fwhm: widths, 'good bands': good }))
    if (list !== undefined && list.length !== count)
      throw new BandliftError('does not fit the cube', {
        file: path,
        field,
        found: `${list.length} entries`,
        expected: `${count}, one a band`,
      });
  const units = bandCentres ? 'nm' : lists.wavelengthUnits;
  const wavelength = centres && toNanometres(centres, units, path);
  const factor = centres ? nanometreFactor(centres, units, path) : 1;
  return Array.from({ length: count }, (_, stored) => ({
    part: 0,
    stored,
    ...(wavelength === undefined ? {} : { wavelength: wavelength[stored]! }),
    ...(widths === undefined ? {} : { fwhm: widths[stored]! * factor }),
    good: good === undefined || good[stored] !== 0,
  }));
}
