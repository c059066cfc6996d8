/** Whether a model may be applied to a scene: bands, wavelengths and units must be those it was trained on. */
import { BandliftError, EXIT } from '../base/errors.js';
import type { Scene } from '../scenes/types.js';
import type { StageModel } from './stage_model.js';

/** Half the band spacing of AVIRIS-NG (5 nm): beyond it a band's neighbour is nearer. */
const MOST_SHIFT = 2.5;
/** Centres of one instrument move by this much between calibrations (nm). */
const USUAL_SHIFT = 0.5;

/**
 * One spelling: 'W/m^2/sr/um' is 'w m-2 sr-1 um-1', and every kind of reflectance is 'reflectance', but for that at the top of
 * the atmosphere, which holds the light of the air as well.
 */
export function plainUnits(units: string): string {
  const lower = units.toLowerCase().replaceAll(/[µμ]/g, 'u');
  if (/top.?of.?(the.)?atmosphere|\btoa\b/.test(lower)) return 'reflectance at the top of the atmosphere';
  if (lower.includes('reflectance')) return 'reflectance';
  return lower
    .replaceAll(/\/\s*([a-z]+)\s*\^?(\d*)/g, (_, unit: string, power: string) => ` ${unit}-${power || 1} `)
    .replaceAll(/[^a-z0-9-]+/g, ' ')
    .trim();
}

/** Bands and units that go into a stage: of the scene, or of the stage before. */
export interface Incoming {
  readonly path: string;
  readonly bands: number;
  readonly wavelength?: Float64Array;
  readonly units?: string;
  readonly sensor?: string;
}

/**
 * Throws a BandliftError where bands or units differ; returns what cannot be checked or is slightly off as sentences.
 *
 * @param forceUnits takes other units, and bands of another sensor with a warning
 */
export function checkInput(model: StageModel, input: Incoming | Scene, forceUnits: boolean): string[] {
  const { spec } = model;
  if (input.bands !== spec.inBands)
    throw new BandliftError('wrong number of bands for this model', {
      file: input.path,
      field: 'bands',
      found: input.bands,
      expected: `${spec.inBands} for ${model.path}`,
      ...bandHint(model, input),
    });
  return [
    ...checkUnits(model, input, forceUnits),
    ...checkSensor(model, input, forceUnits),
    ...checkWavelengths(model, input),
  ];
}

function checkUnits(model: StageModel, input: Incoming | Scene, force: boolean): string[] {
  if (model.units === undefined || force) return [];
  if (input.units === undefined)
    return [`${input.path} does not say its units; ${model.path} was trained on ${model.units}`];
  if (plainUnits(input.units) === plainUnits(model.units)) return [];
  throw new BandliftError(
    'has other units than the model was trained on',
    {
      file: input.path,
      field: 'units',
      found: input.units,
      expected: `${model.units} for ${model.path}`,
      hint: `${/atmosphere/.test(plainUnits(input.units)) ? 'it holds the light of the air as well: order the level-2 product, ' : ''}use a model trained on such values, or --force-units to predict anyway`,
    },
    EXIT.badInput,
  );
}

/** Centres of the bands of Landsat 8 and 9, nm, as headers have them (rounded, or of either satellite: within 5 nm). */
const OLI = [443, 482, 561, 655, 865, 1609, 2201];
const SAME_BAND = 5;
/** Beyond this a band sees another part of the spectrum; up to it a sensor made to see the same (Sentinel-2's 490 for 482). */
const OTHER_BAND = 20;

/** Of a cube that is given to stage 1: which of Landsat's bands it does not hold. */
function bandHint({ spec }: StageModel, { wavelength }: Incoming | Scene): { hint?: string } {
  if ('up' in spec || spec.inBands !== OLI.length) return {};
  const missing = OLI.filter((nm) => !wavelength?.some((centre) => Math.abs(centre - nm) <= OTHER_BAND));
  const what =
    wavelength === undefined
      ? 'the file has no wavelengths to find them by'
      : missing.length > 0
        ? `it has no band near ${missing.join(', ')} nm`
        : 'it is a spectrum already: bandlift prepare simulates these bands from it';
  return { hint: `the model takes Landsat's bands at ${OLI.join(', ')} nm; ${what}` };
}

/** Stage 1 takes bands in an order, whose wavelengths the checkpoint does not hold: its sensor is named, or it is taken for OLI. */
function checkSensor({ spec, sensor, path }: StageModel, input: Incoming | Scene, force: boolean): string[] {
  const { wavelength } = input;
  if ('up' in spec) return [];
  if (sensor !== undefined && !/\bOLI/i.test(sensor))
    return input.sensor !== undefined && input.sensor !== sensor
      ? [`${input.path} is of ${input.sensor}; ${path} was trained on bands of ${sensor}`]
      : [];
  if (spec.inBands !== OLI.length || wavelength === undefined) return [];
  const shifts = OLI.map((nm, b) => Math.abs(nm - wavelength[b]!));
  const worst = shifts.indexOf(Math.max(...shifts));
  if (shifts[worst]! <= SAME_BAND) return [];
  const found = `band ${worst + 1} at ${wavelength[worst]!.toFixed(0)} nm`;
  const expected = `${OLI[worst]} nm, as of ${sensor ?? 'Landsat 8 and 9'}, for ${path}`;
  if (shifts[worst]! <= OTHER_BAND || force || sensor === undefined)
    return [`${input.path} has bands of another sensor: found ${found}, expected ${expected}`];
  throw new BandliftError('has bands of another sensor than the model was trained on', {
    file: input.path,
    field: 'wavelength',
    found,
    expected,
    hint: 'use a model trained on such bands, or --force-units to predict anyway',
  });
}

/** Stage 2 keeps its bands, so its wavelengths are those of its input. */
function checkWavelengths({ spec, wavelength, path }: StageModel, input: Incoming | Scene): string[] {
  if (!('up' in spec) || wavelength === undefined || input.wavelength === undefined) return [];
  const shifts = wavelength.map((nm, b) => Math.abs(nm - input.wavelength![b]!));
  const worst = shifts.reduce((most, shift, b) => (shift > shifts[most]! ? b : most), 0);
  const detail = `band ${worst + 1} at ${input.wavelength[worst]!.toFixed(1)} nm`;
  if (shifts[worst]! > MOST_SHIFT)
    throw new BandliftError('has other wavelengths than the model was trained on', {
      file: input.path,
      found: detail,
      expected: `${wavelength[worst]!.toFixed(1)} nm for ${path}`,
    });
  return shifts[worst]! > USUAL_SHIFT
    ? [`${input.path}: ${detail}, ${shifts[worst]!.toFixed(1)} nm from the bands that ${path} was trained on`]
    : [];
}
