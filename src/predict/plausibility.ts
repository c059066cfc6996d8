/**
 * Inputs that are read without a fault and are not what the model was trained on: values of another scale, pixels of
 * another size, a place that the result's header cannot tell. Each is a sentence, or an error where no result could be right.
 */
import { BandliftError } from '../base/errors.js';
import { mapInfoOf } from '../raster/map_info.js';
import type { GeoReference, Window } from '../raster/types.js';
import type { Scene } from '../scenes/types.js';
import { plainUnits } from './checks.js';
import type { StageModel } from './stage_model.js';

/** Landsat's pixels, m: what models are trained on, unless patches were made with --keep-gsd. */
const USUAL_PIXEL = 30;
/** Pixel sizes that differ by less than this share are the same. */
const SAME_SIZE = 0.01;

/** Metres of a unit of the coordinate system; undefined for degrees. */
function metresOf({ crsWkt, mapInfo }: GeoReference): number | undefined {
  const isDegrees = /^\s*GEOG(CS|CRS)/i.test(crsWkt ?? '') || /^Geographic/i.test(mapInfo?.[0] ?? '');
  if (isDegrees || mapInfo?.some((entry) => /^units\s*=\s*deg/i.test(entry))) return undefined;
  if (mapInfo?.some((entry) => /^units\s*=\s*(us[- ]?)?(survey )?f(oo|ee)t/i.test(entry))) return 0.3048;
  // the last unit is that of the projection, those before it are angles
  const unit = [...(crsWkt ?? '').matchAll(/(?:LENGTH)?UNIT\["[^"]*",\s*([\d.eE+-]+)/g)].at(-1)?.[1];
  return unit === undefined ? 1 : Number(unit);
}

const number = (value: number): string => String(Number(value.toPrecision(6)));

/** What is to be said about the size of the pixels and their place. */
export function checkPlace(georeference: GeoReference | undefined): string[] {
  if (georeference === undefined) return [];
  const [, a, b, , d, e] = georeference.geotransform;
  const [width, height] = [Math.hypot(a, d), Math.hypot(b, e)];
  const metres = metresOf(georeference);
  const warnings: string[] = [];
  const isUsual = (side: number) => Math.abs(side * (metres ?? 0) - USUAL_PIXEL) <= SAME_SIZE * USUAL_PIXEL;
  if (!isUsual(width) || !isUsual(height)) {
    const unit = metres === undefined ? 'degrees' : metres === 1 ? 'm' : `units of ${metres} m`;
    warnings.push(
      `the pixels of the input are ${number(width)} x ${number(height)} ${unit}: models are made for Landsat's ${USUAL_PIXEL} m, and on pixels of another size texture and mixtures are others`,
    );
  }
  if (mapInfoOf(georeference) === undefined)
    warnings.push(
      'the grid of the input is sheared, or turned with pixels that are not square: ENVI headers cannot tell that, and GDAL will not find the place of the result (it stands in the entry geotransform); gdalwarp the input to a plain grid first',
    );
  return warnings;
}

/** Windows that are looked at: the middle and four places around it, each of so many pixels. */
const SAMPLE_SIDE = 24;
const SAMPLE_PLACES = [
  [0.5, 0.5],
  [0.25, 0.25],
  [0.25, 0.75],
  [0.75, 0.25],
  [0.75, 0.75],
] as const;
/** No surface reflects more than this, but for glint and snow on slopes; half of the values never do. */
const MOST_REFLECTANCE = 2;
/** A median that is so many times beyond the values of the training is of another scale. */
const BEYOND = 10;

/** Median of the absolute values of valid pixels; undefined where none is valid. */
async function typicalValue(scene: Scene, region: Window): Promise<number | undefined> {
  const seen: number[] = [];
  for (const [down, across] of SAMPLE_PLACES) {
    const [height, width] = [Math.min(SAMPLE_SIDE, region.height), Math.min(SAMPLE_SIDE, region.width)];
    const y = region.y + Math.round((region.height - height) * down);
    const x = region.x + Math.round((region.width - width) * across);
    const { values, valid } = await scene.read({ y, x, height, width });
    for (let p = 0; p < valid.length; p++)
      if (valid[p] === 1) for (let b = 0; b < scene.bands; b++) seen.push(Math.abs(values[p * scene.bands + b]!));
    // a scene of one window
    if (height === region.height && width === region.width) break;
  }
  return seen.sort((a, b) => a - b)[seen.length >> 1];
}

/** The largest value that the training's normalisation spans; undefined where it does not normalise. */
function reachOf({ normalization }: Pick<StageModel, 'normalization'>): number | undefined {
  if (normalization.method === 'none') return undefined;
  const { offset, scale } = normalization.input;
  const at = (list: readonly number[], b: number) => list[list.length === 1 ? 0 : b]!;
  const bands = Math.max(offset.length, scale.length);
  return Math.max(...Array.from({ length: bands }, (_, b) => Math.abs(at(offset, b)) + Math.abs(at(scale, b))));
}

/**
 * Looks at some pixels of the region. Throws a BandliftError where reflectance lies far above 1; returns what else is odd.
 *
 * @param force only says it; 'never' where the command has no --force-units
 */
export async function checkValues(
  model: Pick<StageModel, 'path' | 'units' | 'normalization'>,
  scene: Scene,
  region: Window,
  force: boolean | 'never',
): Promise<string[]> {
  const typical = await typicalValue(scene, region);
  if (typical === undefined || typical === 0) return [];
  const found = `half of the values that were looked at are above ${number(typical)}`;
  if (plainUnits(scene.units ?? model.units ?? '') === 'reflectance' && typical > MOST_REFLECTANCE) {
    if (force === true) return [`${scene.path}: ${found}, which cannot be reflectance`];
    const factor = typical > 200 ? 10000 : 100;
    throw new BandliftError('holds values that cannot be reflectance', {
      file: scene.path,
      found,
      expected: 'about 0 to 1',
      hint: `if they are reflectance times ${factor}, give --input-scale ${1 / factor} for a GeoTIFF, or "reflectance scale factor = ${factor}" in an ENVI header${force === 'never' ? '' : '; --force-units predicts anyway'}`,
    });
  }
  const reach = reachOf(model);
  if (reach === undefined || !(reach > 0)) return [];
  if (typical > BEYOND * reach)
    return [
      `${scene.path}: ${found}; ${model.path} was trained on values up to about ${number(reach)}: another scale?`,
    ];
  return [];
}
