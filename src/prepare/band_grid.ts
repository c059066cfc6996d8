/** The bands that spectra are brought to: a sensor's by name, those of a table, or those of another scene. */
import { BandliftError, EXIT } from '../base/errors.js';
import { openLine } from '../scenes/open_line.js';
import { loadBandCentres } from '../spectra/band_centres_csv.js';
import { keepBands } from '../spectra/bands.js';
import type { BandGrid } from '../spectra/resample_bands.js';
import { AVIRIS_NG_FWHM, AVIRIS_NG_WAVELENGTH } from '../spectra/tables/aviris_ng_2017.js';

/**
 * 'aviris_ng', a CSV file with the columns wavelength_nm and fwhm_nm, or a scene; of each the bands that stage 1 keeps, in
 * order. Errors: BandliftError where these have no wavelengths or no widths.
 */
export async function bandGridOf(name: string): Promise<BandGrid> {
  if (/^aviris[_-]?ng$/i.test(name)) return kept(AVIRIS_NG_WAVELENGTH, AVIRIS_NG_FWHM, name);
  if (/\.csv$/i.test(name)) {
    const { wavelength, fwhm } = loadBandCentres(name);
    return kept(wavelength, fwhm, name);
  }
  const scene = await openLine(name, { bands: 'kept' });
  try {
    return kept(scene.wavelength, scene.fwhm, name);
  } finally {
    await scene.close();
  }
}

function kept(wavelength: ArrayLike<number> | undefined, fwhm: ArrayLike<number> | undefined, name: string): BandGrid {
  if (wavelength === undefined || fwhm === undefined)
    throw new BandliftError(
      `has no ${wavelength === undefined ? 'wavelengths' : 'widths (fwhm)'} of its bands`,
      {
        file: name,
        field: '--bands',
        expected: 'aviris_ng, a CSV file with wavelength_nm,fwhm_nm, or a scene with both',
      },
      EXIT.usage,
    );
  const order = Array.from(keepBands(wavelength)).sort((a, b) => wavelength[a]! - wavelength[b]!);
  const twice = order.findIndex((b, i) => i > 0 && wavelength[b] === wavelength[order[i - 1]!]);
  if (order.length === 0 || twice >= 0)
    throw new BandliftError('not a grid of bands', {
      file: name,
      field: '--bands',
      found: order.length === 0 ? 'no band that is kept' : `two bands at ${wavelength[order[twice]!]} nm`,
    });
  return {
    wavelength: Float64Array.from(order, (b) => wavelength[b]!),
    fwhm: Float64Array.from(order, (b) => fwhm[b]!),
  };
}
