/** Pixel and map coordinates by arithmetic that can be done by hand. */
import { describe, expect, it } from 'vitest';
import { crsName, wktOfEpsg } from '../../src/raster/crs.js';
import { geotransform as readMapInfo } from '../../src/raster/envi_header.js';
import { cropGeo, mapToPixel, mapWindow, pixelToMap, refine } from '../../src/raster/geo.js';
import { mapInfoOf } from '../../src/raster/map_info.js';

const north = { geotransform: [300000, 30, 0, 4100000, 0, -30] as const };
/** 5 m pixels turned so that a step of one column is (3, 4) and of one row (4, -3). */
const turned = { geotransform: [1000, 3, 4, 2000, 4, -3] as const };

describe('pixels and map coordinates', () => {
  it('there and back', () => {
    expect(pixelToMap(north.geotransform, 10, 20)).toEqual([300300, 4099400]);
    expect(mapToPixel(north.geotransform, 300315, 4099385)).toEqual([10.5, 20.5]);
    expect(pixelToMap(turned.geotransform, 2, 1)).toEqual([1000 + 6 + 4, 2000 + 8 - 3]);
    expect(mapToPixel(turned.geotransform, 1010, 2005)).toEqual([2, 1]);
    expect(() => mapToPixel([0, 1, 2, 0, 2, 4], 0, 0)).toThrow(/geotransform: has no inverse; found 0, 1, 2, 0, 2, 4/);
  });

  it('a window keeps its place, and 15/2 is exact', () => {
    expect(cropGeo(north, { x: 7, y: 3 }).geotransform).toEqual([300210, 30, 0, 4099910, 0, -30]);
    expect(cropGeo(turned, { x: 2, y: 1 }).geotransform).toEqual([1010, 3, 4, 2005, 4, -3]);
    expect(refine(north, 15, 2).geotransform).toEqual([300000, 4, 0, 4100000, 0, -4]);
    // and back from 4 m to 30 m
    expect(refine(refine(north, 15, 2), 2, 15).geotransform).toEqual(north.geotransform);
    // the corner of coarse row 20,000 is the corner of fine row 150,000, to the last digit
    const fine = refine(north, 15, 2).geotransform;
    expect(pixelToMap(fine, 150000, 150000)).toEqual(pixelToMap(north.geotransform, 20000, 20000));
  });

  it('a map rectangle becomes the smallest window that covers it', () => {
    expect(mapWindow(north, [300060, 4099900, 300120, 4099970], 100, 100)).toEqual({ y: 1, x: 2, height: 3, width: 2 });
    // any two corners, and edges that miss by rounding
    expect(mapWindow(north, [300120.00001, 4099970, 300059.99999, 4099910.00001], 100, 100)).toEqual({
      y: 1,
      x: 2,
      height: 2,
      width: 2,
    });
    // cut off at the scene
    expect(mapWindow(north, [0, 0, 300030, 9e6], 100, 80)).toEqual({ y: 0, x: 0, height: 100, width: 1 });
    expect(mapWindow(turned, [1000, 1995, 1010, 2005], 50, 50)).toEqual({ y: 0, x: 0, height: 3, width: 2 });
    expect(() => mapWindow(north, [0, 0, 10, 10], 100, 100)).toThrow(
      /nothing of it lies in the scene; found 0, 0, 10, 10, expected within 300000, 4100000, 303000, 4097000/,
    );
    expect(() => mapWindow(north, [Number.NaN, 0, 10, 10], 100, 100)).toThrow(/nothing of it lies/);
  });
});

describe('map info', () => {
  it('tells UTM, degrees, polar and unknown coordinates', () => {
    const info = (epsg: number) => mapInfoOf({ ...north, crsWkt: wktOfEpsg(epsg)! })!.join(', ');
    expect(info(32611)).toBe('UTM, 1, 1, 300000, 4100000, 30, 30, 11, North, WGS-84, units=Meters');
    expect(info(32756)).toBe('UTM, 1, 1, 300000, 4100000, 30, 30, 56, South, WGS-84, units=Meters');
    expect(info(26917)).toBe('UTM, 1, 1, 300000, 4100000, 30, 30, 17, North, North America 1983, units=Meters');
    expect(info(3031)).toBe('Polar Stereographic, 1, 1, 300000, 4100000, 30, 30, WGS-84, units=Meters');
    expect(info(4326)).toBe('Geographic Lat/Lon, 1, 1, 300000, 4100000, 30, 30, WGS-84, units=Degrees');
    expect(mapInfoOf(north)!.join(', ')).toBe('Arbitrary, 1, 1, 300000, 4100000, 30, 30');
  });

  it('a turned grid comes back from its map info', () => {
    const entries = mapInfoOf(turned)!;
    // atan(4 / 3)
    expect(entries.at(-1)).toMatch(/^rotation=53\.1301023541/);
    readMapInfo(entries).forEach((g, i) => {
      expect(g).toBeCloseTo(turned.geotransform[i]!, 12);
    });
    expect(mapInfoOf({ geotransform: [0, 30, 5, 0, 0, -30] })).toBeUndefined();
  });

  it('takes projection, zone and datum over from an ENVI source', () => {
    const mapInfo = ['UTM', '1.5', '1.5', '5', '6', '7', '8', '19', 'South', 'WGS-84', 'units=Meters', 'rotation=30.0'];
    const cropped = cropGeo({ ...north, mapInfo }, { x: 1, y: 1 });
    expect(mapInfoOf(cropped)!.join(', ')).toBe('UTM, 1, 1, 300030, 4099970, 30, 30, 19, South, WGS-84, units=Meters');
  });

  it('names coordinate systems in few characters', () => {
    expect(crsName(wktOfEpsg(3413))).toBe('EPSG:3413');
    expect(crsName('PROJCS["Local Grid",GEOGCS["x"]]')).toBe('"Local Grid"');
    expect(crsName('EPSG:2154')).toBe('EPSG:2154');
    expect(crsName(undefined)).toBe('none');
    expect(wktOfEpsg(2154)).toBeUndefined();
    expect(wktOfEpsg(32661)).toBeUndefined();
  });
});
