/// <reference lib="dom" />
/** Questions to the server that gave the page. */

export interface SceneFacts {
  readonly id: number;
  readonly role: 'scene' | 'truth' | 'uncertainty';
  readonly name: string;
  readonly path: string;
  readonly kind?: string;
  readonly height: number;
  readonly width: number;
  readonly bands: number;
  readonly levels: number;
  readonly wavelength?: number[];
  readonly fwhm?: number[];
  readonly goodBands?: number[];
  readonly bandNames?: string[];
  readonly units?: string;
  readonly geotransform?: number[];
  readonly crs?: string;
}

export interface Session {
  readonly version: string;
  readonly tile: number;
  readonly shares: number[];
  readonly scenes: SceneFacts[];
}

export interface Spectrum {
  readonly pixels: number;
  readonly mean: (number | null)[];
  readonly sd?: (number | null)[];
}

async function ask<T>(path: string): Promise<T> {
  const response = await fetch(path);
  if (!response.ok) throw new Error((await response.text()).trim());
  return response.json();
}

export const session = (): Promise<Session> => ask('api/session');

/** For each band its values at the session's shares. */
export const stretches = (scene: number, bands: readonly number[]): Promise<number[][]> =>
  ask(`api/stretch?scene=${scene}&bands=${bands.join()}`);

export const tileAddress = (
  scene: number,
  bands: readonly number[],
  ranges: readonly number[],
  level: number,
  x: number,
  y: number,
) => `api/tile?scene=${scene}&bands=${bands.join()}&ranges=${ranges.join()}&level=${level}&x=${x}&y=${y}`;

const known = new Map<string, Promise<Spectrum>>();
const MOST_KNOWN = 400;

/** Of a box of pixels of a scene; asked once. */
export function spectrum(scene: number, x: number, y: number, width: number, height: number): Promise<Spectrum> {
  const path = `api/spectrum?scene=${scene}&x=${x}&y=${y}&width=${width}&height=${height}`;
  let found = known.get(path);
  if (found === undefined) {
    found = ask<Spectrum>(path);
    found.catch(() => known.delete(path));
    known.set(path, found);
    for (const oldest of known.keys()) {
      if (known.size <= MOST_KNOWN) break;
      known.delete(oldest);
    }
  }
  return found;
}
