/** The part of a scene that is predicted: a scene of its own. */
import { BandliftError, EXIT } from '../base/errors.js';
import type { ReceptiveField } from '../models/network.js';
import { checkWindow, cropGeo, mapWindow } from '../raster/geo.js';
import type { GeoReference, Window } from '../raster/types.js';
import type { Scene } from '../scenes/types.js';

export interface RegionChoice {
  /** Column and row of the first pixel, width and height. */
  readonly roi?: readonly [x0: number, y0: number, width: number, height: number];
  /** Two opposite corners in map coordinates; the smallest window of whole pixels that covers them is taken. */
  readonly roiMap?: readonly [xmin: number, ymin: number, xmax: number, ymax: number];
}

/** The window that was asked for. Errors: BandliftError for a region outside of the scene, or a scene without map coordinates. */
export function chooseWindow(scene: Scene, { roi, roiMap }: RegionChoice): Window {
  const { height, width } = scene;
  if (roi !== undefined && roiMap !== undefined)
    throw new BandliftError('give --roi or --roi-map, not both', {}, EXIT.usage);
  if (roi !== undefined) {
    const window = { y: roi[1], x: roi[0], height: roi[3], width: roi[2] };
    checkWindow(window, height, width, scene.path);
    return window;
  }
  if (roiMap === undefined) return { y: 0, x: 0, height, width };
  if (scene.georeference === undefined)
    throw new BandliftError('the scene has no map coordinates', { file: scene.path, hint: 'give --roi in pixels' });
  return mapWindow(scene.georeference, roiMap, height, width);
}

/** A window of a scene as a scene. Closing it closes the whole. */
export function cropScene(scene: Scene, window: Window): Scene {
  const { path, name, bands, georeference, units, wavelength, fwhm, goodBands, bandNames, sensor, warnings } = scene;
  return {
    path,
    name,
    height: window.height,
    width: window.width,
    bands,
    ...(georeference && { georeference: cropGeo(georeference, window) }),
    ...(units !== undefined && { units }),
    ...(wavelength && { wavelength }),
    ...(fwhm && { fwhm }),
    ...(goodBands && { goodBands }),
    ...(bandNames && { bandNames }),
    ...(sensor !== undefined && { sensor }),
    warnings,
    read: ({ y, x, height, width }) => scene.read({ y: window.y + y, x: window.x + x, height, width }),
    close: () => scene.close(),
  };
}

/** Slack for rounding, as a share of a pixel. */
const NOTHING_LEFT = 1e-6;

/**
 * What the result leaves out at the right and lower edge: half a fine pixel where an odd number of coarse ones is 15/2 times
 * refined.
 *
 * @param output size and place of the result
 * @param place of the region
 */
export function edgeNotes(
  window: Window,
  output: { readonly height: number; readonly width: number; readonly georeference?: GeoReference },
  place: GeoReference | undefined,
): string[] {
  if (place === undefined || output.georeference === undefined) return [];
  const steps = ({ geotransform: g }: GeoReference) => [Math.hypot(g[1], g[4]), Math.hypot(g[2], g[5])] as const;
  const [coarse, fine] = [steps(place), steps(output.georeference)];
  const left = [window.width * coarse[0] - output.width * fine[0], window.height * coarse[1] - output.height * fine[1]];
  const parts = left.flatMap((rest, i) =>
    rest > NOTHING_LEFT * coarse[i]!
      ? [`${Number(rest.toPrecision(6))} at the ${i === 0 ? 'right' : 'lower'} edge`]
      : [],
  );
  return parts.length === 0
    ? []
    : [`in map units, ${parts.join(' and ')} of the input make no whole pixel and are left out`];
}

/**
 * Tells where a region's own edges change the result.
 *
 * @param fields of the networks, one after the other, in pixels of the input
 */
export function regionWarnings(scene: Scene, window: Window, fields: readonly ReceptiveField[]): string[] {
  if (window.height === scene.height && window.width === scene.width) return [];
  const reach = Math.ceil(fields.reduce((sum, { y, x }) => sum + Math.max(y, x), 0));
  const edges = `up to ${reach} pixels inside of them the result differs from that of the whole scene; for equal pixels give a region larger by ${reach} on each side, and cut`;
  return [
    ...(reach === 0 ? [] : [`the region is predicted as if the scene ended at its edges: ${edges}`]),
    ...(fields.some(({ globalMean }) => globalMean)
      ? ['the network takes means over the region, which are not those of the whole scene']
      : []),
  ];
}
