/** The part of a scene that is predicted: a scene of its own. */
import { BandliftError, EXIT } from '../errors.js';
import { checkWindow, cropGeo, mapWindow } from '../scenes/geo.js';
import type { Scene, Window } from '../scenes/types.js';

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
