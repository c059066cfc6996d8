/** The unit of map coordinates in metres, from `map info` and the coordinate system beside it. */
import { BandliftError } from '../base/errors.js';
import type { GeoReference } from './types.js';

/** Words of `units=` in `map info` and metres of each; undefined: an angle. */
const UNITS: readonly (readonly [word: RegExp, metres: number | undefined])[] = [
  [/^(m|met(er|re)s?)$/i, 1],
  [/^(feet|foot|ft|international f(ee|oo)t)$/i, 0.3048],
  [/^(us[ _-]?(survey[ _-]?)?(feet|foot|ft)|survey f(ee|oo)t|feet[ _-]?us|foot[ _-]?us|us-ft)$/i, 1200 / 3937],
  [/^(km|kilomet(er|re)s?)$/i, 1000],
  [/^(cm|centimet(er|re)s?)$/i, 0.01],
  [/^(yards?|yd)$/i, 0.9144],
  [/^(miles?|mi)$/i, 1609.344],
  [/^(nautical miles?|nmi)$/i, 1852],
  [/^(degrees?|deg|minutes?|seconds?|radians?)$/i, undefined],
];
/** Factors that differ by less than this share are the same unit for the size of a pixel: the two kinds of feet. */
const SAME = 1e-4;

/** Metres of the linear unit of a projected coordinate system: its last UNIT (WKT 1) or LENGTHUNIT (WKT 2). */
function ofWkt(wkt: string): number | undefined {
  if (!/^\s*(PROJCS|PROJCRS|PROJECTEDCRS|LOCAL_CS|ENGCRS|COMPD_CS)/i.test(wkt)) return undefined;
  const units = [...wkt.matchAll(/(?:^|[,[\s])(?:LENGTH)?UNIT\s*\[\s*"([^"]*)"\s*,\s*([-+.\deE]+)/gi)];
  const [, name, factor] = units.at(-1) ?? [];
  return name === undefined || /degree|grad|radian/i.test(name) ? undefined : Number(factor);
}

/**
 * Metres of one map unit; undefined for angles and where nothing says that the map has a linear unit.
 * Errors: BandliftError naming the file for a unit that is not known, and where map info and coordinate system disagree.
 */
export function metresPerUnit({ mapInfo, crsWkt }: GeoReference, file: string): number | undefined {
  if (crsWkt !== undefined && /^\s*GEOG/i.test(crsWkt)) return undefined;
  if (mapInfo !== undefined && /^\s*(geographic|lat)/i.test(mapInfo[0] ?? '')) return undefined;
  const word = mapInfo?.map((entry) => /^\s*units\s*=\s*(.*?)\s*$/i.exec(entry)?.[1]).find((found) => found);
  const fromWkt = crsWkt === undefined ? undefined : ofWkt(crsWkt);
  if (word === undefined) return fromWkt ?? 1;
  const known = UNITS.find(([pattern]) => pattern.test(word));
  if (known === undefined)
    throw new BandliftError('an unknown unit of length', {
      file,
      field: 'map info, units',
      found: word,
      expected: 'Meters, Feet, US Survey Feet, Kilometers, ...',
      hint: 'correct the header, or give --gsd METRES',
    });
  const [, metres] = known;
  if (metres !== undefined && fromWkt !== undefined && Math.abs(metres - fromWkt) > SAME * metres)
    throw new BandliftError('two units of length', {
      file,
      field: 'map info, units',
      found: `${word}, and ${fromWkt} m in the coordinate system string`,
      expected: 'the same unit in both',
      hint: 'correct the header, or give --gsd METRES',
    });
  return metres;
}
