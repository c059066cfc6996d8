/** What the survey of a cube says that the user should know: absurd bands, fill that no header declares, missing scales. */
import type { EnviHeader } from '../raster/envi_header.js';
import type { BandSurvey } from './envi_survey.js';

/** Stored numbers around here are no reflectance of 0 to 1; unknown units are told only where they are far from it. */
const LARGE_REFLECTANCE = 5;
const LARGE_UNKNOWN = 100;
/** Scaled values below this were scaled before. */
const SMALL_REFLECTANCE = 1e-3;
const MOST_RANGES = 8;

const short = (value: number) => String(Number(value.toPrecision(5)));

/** '1336.9 to 1376.9 nm, 1800.1 nm' of the marked bands of an order; numbers of bands, from 1, where there are no wavelengths. */
function ranges(marked: Uint8Array, order: Int32Array, wavelength: Float64Array | undefined): string {
  const name = (b: number) => (wavelength ? wavelength[b]!.toFixed(1) : String(b + 1));
  const parts: string[] = [];
  for (let i = 0; i < order.length; i++) {
    if (marked[order[i]!] === 0) continue;
    const first = i;
    while (i + 1 < order.length && marked[order[i + 1]!] === 1) i++;
    parts.push(first === i ? name(order[i]!) : `${name(order[first]!)} to ${name(order[i]!)}`);
  }
  const shown = parts.slice(0, MOST_RANGES).join(', ') + (parts.length > MOST_RANGES ? ', ...' : '');
  return wavelength ? `${shown} nm` : `band ${shown}`;
}

/**
 * One sentence each, without the file's name.
 * @param order the bands of the scene
 */
export function surveyRemarks(
  survey: BandSurvey,
  header: EnviHeader,
  order: Int32Array,
  units: string | undefined,
): string[] {
  if (!survey.seen) return ['no data in the rows that were looked at to find bands without data'];
  const remarks: string[] = [];
  const absurd = order.filter((b) => survey.absurd[b] === 1);
  if (absurd.length > 0) {
    const values = [...new Set(Array.from(absurd, (b) => short(survey.example[b]!)))].slice(0, 3);
    remarks.push(
      `${absurd.length} of ${order.length} bands are marked bad, since their values cannot be data (e.g. ${values.join(', ')}): ${ranges(survey.absurd, order, header.wavelength)}`,
    );
  }
  if (survey.lowPixel !== undefined)
    remarks.push(
      `there are pixels whose values are all ${short(survey.lowPixel)} or lower, a fill value that the header does not declare (data ignore value): they count as without data`,
    );
  const { typical } = survey;
  const scale = header.reflectanceScale;
  const around = `values are around ${short(typical)}`;
  if (scale === undefined && units === 'reflectance' && typical > LARGE_REFLECTANCE)
    remarks.push(
      `${around} where reflectance is 0 to 1: add 'reflectance scale factor = 10000' (or what it is) to the header`,
    );
  else if (scale === undefined && units === undefined && typical > LARGE_UNKNOWN)
    remarks.push(
      `${around} and the header tells no units: if it is reflectance times 10,000, add 'reflectance scale factor = 10000' to it`,
    );
  else if (scale !== undefined && scale > 1 && typical > 0 && typical / scale < SMALL_REFLECTANCE)
    remarks.push(
      `${around}, divided by the reflectance scale factor ${scale} around ${short(typical / scale)}: were they divided before?`,
    );
  return remarks;
}
