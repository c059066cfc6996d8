/** Result cubes in the hands of GDAL and Spectral Python: everything they tell must be what was given. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { wktOfEpsg } from '../../src/raster/crs.js';
import { cropGeo, type Geotransform, pixelToMap, refine } from '../../src/raster/geo.js';
import type { GeoReference } from '../../src/raster/types.js';
import { type CubeDescription, EnviOutput } from '../../src/scenes/envi_output.js';
import { describeGdal, gdalInfo, gdalValues } from '../support/gdal.js';
import { describePython, runPython } from '../support/python.js';
import { temporaryFolder } from '../support/temporary.js';

const folder = temporaryFolder();
const HEIGHT = 11;
const WIDTH = 13;
const BANDS = 6;
const value = (y: number, x: number, b: number) => Math.fround(0.01 * y + 0.001 * x + 0.1 * b - 0.05);
const isValid = (y: number, x: number) => !(y < 2 && x < 3);

const georeference = (geotransform: Geotransform, epsg = 32611): GeoReference => ({
  geotransform,
  crsWkt: wktOfEpsg(epsg)!,
});
const UTM = georeference([300015.5, 30, 0, 4100000.25, 0, -30]);

async function write(name: string, more: Partial<CubeDescription> = {}): Promise<string> {
  const description: CubeDescription = {
    height: HEIGHT,
    width: WIDTH,
    bands: BANDS,
    dataType: 'float32',
    interleave: 'bip',
    wavelength: Float64Array.of(376.86, 426.9531, 552.123456, 1250.5, 1650, 2495),
    fwhm: Float64Array.of(5.57, 5.58, 5.6, 5.71, 5.8, 6.12),
    goodBands: Uint8Array.of(0, 1, 1, 1, 1, 0),
    bandNames: ['377 nm', '427 nm', '552 nm', '1250 nm', '1650 nm', '2495 nm'],
    georeference: UTM,
    units: 'reflectance',
    description: 'stage 1 prediction {from} LC08',
    provenance: {
      'bandlift version': '0.2.0',
      'stage 1 checkpoint': 'best.safetensors, sha256 = 0123abcd',
      Input: 'LC08_L2SP',
    },
    ...more,
  };
  const path = join(folder, name);
  const output = await EnviOutput.create(path, description);
  // two uneven tiles side by side
  for (const [x0, width] of [
    [0, 5],
    [5, 8],
  ] as const) {
    const values = new Float32Array(HEIGHT * width * BANDS);
    const valid = new Uint8Array(HEIGHT * width);
    for (let p = 0; p < valid.length; p++) {
      const [y, x] = [Math.floor(p / width), x0 + (p % width)];
      valid[p] = isValid(y, x) ? 1 : 0;
      for (let b = 0; b < BANDS; b++) values[p * BANDS + b] = value(y, x, b);
    }
    await output.write({ y: 0, x: x0, height: HEIGHT, width }, values, valid);
  }
  return (await output.finish()).dataPath;
}

/** Without the sign of zero, which GDAL turns. */
const unsigned = (list: readonly number[] | undefined) => list!.map((v) => v + 0);

const layouts = [
  ['float32', 'bip'],
  ['float32', 'bil'],
  ['int16', 'bip'],
  ['int16', 'bil'],
] as const;

describeGdal('result cubes in GDAL', () => {
  it.each(layouts)('%s %s', async (dataType, interleave) => {
    const path = await write(`gdal_${dataType}_${interleave}.img`, { dataType, interleave });
    const info = gdalInfo(path);
    const nodata = dataType === 'int16' ? -32768 : -9999;
    expect(info.size).toEqual([WIDTH, HEIGHT]);
    expect(unsigned(info.geoTransform)).toEqual([...UTM.geotransform]);
    expect(info.coordinateSystem!.wkt).toContain('UTM zone 11N');
    expect(info.coordinateSystem!.wkt).toMatch(/WGS[ _](19)?84/);
    expect(info.bands).toHaveLength(BANDS);
    for (const band of info.bands) {
      expect(band.type).toBe(dataType === 'int16' ? 'Int16' : 'Float32');
      expect(band.noDataValue).toBe(nodata);
    }
    expect(info.metadata.IMAGE_STRUCTURE!.INTERLEAVE).toBe(interleave === 'bip' ? 'PIXEL' : 'LINE');
    const envi = info.metadata.ENVI!;
    const list = (text: string) => text.replace(/[{}]/g, '').split(',').map(Number);
    expect(list(envi.wavelength!)).toEqual([376.86, 426.9531, 552.123456, 1250.5, 1650, 2495]);
    expect(list(envi.fwhm!)).toEqual([5.57, 5.58, 5.6, 5.71, 5.8, 6.12]);
    expect(list(envi.bbl!)).toEqual([0, 1, 1, 1, 1, 0]);
    expect(envi.wavelength_units).toBe('Nanometers');
    expect(envi.data_units).toBe('reflectance');
    expect(envi.bandlift_version).toBe('0.2.0');
    expect(envi.stage_1_checkpoint).toBe('{best.safetensors, sha256 : 0123abcd}');
    expect(envi.input).toBe('LC08_L2SP');
    expect(envi.description).toBe('{stage 1 prediction  from  LC08}');
    if (dataType === 'int16') expect(envi.reflectance_scale_factor).toBe('10000');
    for (const [row, column] of [
      [0, 0],
      [1, 2],
      [2, 2],
      [10, 12],
      [5, 4],
      [5, 5],
    ] as const) {
      const stored = Array.from({ length: BANDS }, (_, b) => {
        if (!isValid(row, column)) return nodata;
        return dataType === 'int16' ? Math.round(value(row, column, b) * 10000) : value(row, column, b);
      });
      const [x, y] = pixelToMap(UTM.geotransform, column + 0.5, row + 0.5);
      expect(gdalValues(path, x, y).map(Math.fround)).toEqual(stored);
      expect(gdalValues(path, column, row, 'pixel').map(Math.fround)).toEqual(stored);
    }
  });

  it.each([
    [32611, [300015.5, 30, 0, 4100000.25, 0, -30], /UTM zone 11N/],
    [32756, [300015.5, 4, 0, 6100000.25, 0, -4], /UTM zone 56S/],
    [26917, [500000, 4, 0, 4100000, 0, -4], /UTM zone 17N/],
    [25832, [500000, 4, 0, 5100000, 0, -4], /UTM zone 32N/],
    [3031, [-1500000, 30, 0, 900000, 0, -30], /Polar[ _]Stereographic/i],
    [3413, [-150000, 30, 0, -900000, 0, -30], /Polar[ _]Stereographic/i],
    [4326, [-117.5, 0.00025, 0, 34.25, 0, -0.00025], /^GEOG/],
  ] as const)('EPSG:%i: the same place on the same Earth', async (epsg, geotransform, name) => {
    const info = gdalInfo(await write(`crs_${epsg}.img`, { georeference: georeference(geotransform, epsg) }));
    const given = [...geotransform];
    info.geoTransform!.forEach((g, i) => {
      expect(Math.abs(g - given[i]!)).toBeLessThanOrEqual(1e-12 * Math.abs(given[i]!));
    });
    const { wkt } = info.coordinateSystem!;
    expect(wkt).toMatch(name);
    // the parameters that make the projection
    for (const [, key, number] of wktOfEpsg(epsg)!.matchAll(
      /PARAMETER\["(central_meridian|false_\w+|scale_factor)",(-?[\d.]+)\]/g,
    ))
      expect(Number(number), key).toSatisfy(
        (n: number) => wkt.includes(`,${n},`) || wkt.includes(`,${n}]`) || wkt.includes(`,${n}.0`),
      );
    if (epsg === 26917 || epsg === 25832)
      expect(wkt).toMatch(epsg === 26917 ? /NAD83|North_American_1983|North American Datum 1983/ : /ETRS|European/);
  });

  it.each([25, -40, 160])('turned by %i degrees', async (degrees) => {
    const [c, s] = [30 * Math.cos((degrees * Math.PI) / 180), 30 * Math.sin((degrees * Math.PI) / 180)];
    const turned = georeference([412000, c, s, 7005000, s, -c], 32733);
    const path = await write(`turned_${degrees}.img`, { georeference: turned });
    gdalInfo(path).geoTransform!.forEach((g, i) => {
      // sine and cosine of an angle that went through decimals
      expect(Math.abs(g - turned.geotransform[i]!)).toBeLessThan(1e-9);
    });
    const [x, y] = pixelToMap(turned.geotransform, 9.5, 7.5);
    expect(gdalValues(path, x, y).map(Math.fround)).toEqual(Array.from({ length: BANDS }, (_, b) => value(7, 9, b)));
  });

  it('stage 2 of a region: 4 m pixels from the corner of the region', async () => {
    // row 4, column 6 of the scene: 6 * 30 m east, 4 * 30 m south
    const place = refine(cropGeo(UTM, { x: 6, y: 4 }), 15, 2);
    expect(place.geotransform).toEqual([300195.5, 4, 0, 4099880.25, 0, -4]);
    const info = gdalInfo(await write('fine.img', { georeference: place }));
    expect(unsigned(info.geoTransform)).toEqual([...place.geotransform]);
  });
});

const SPY = `
import json, sys
import numpy as np
import spectral
out = []
for path in sys.argv[1:]:
    image = spectral.open_image(path)
    stored = np.asarray(image.load(dtype=np.float64, scale=False))
    scaled = np.asarray(image.load(dtype=np.float64))
    m = image.metadata
    out.append(dict(shape=list(image.shape), centers=image.bands.centers, widths=image.bands.bandwidths,
        unit=image.bands.band_unit, bbl=m['bbl'], ignore=m['data ignore value'], names=m['band names'],
        interleave=m['interleave'], map=m['map info'], scale=float(image.scale_factor),
        version=m['bandlift version'], stored=stored.ravel().tolist(), scaled=scaled.ravel().tolist()))
print(json.dumps(out))
`;

interface SpyImage {
  shape: number[];
  centers: number[];
  widths: number[];
  unit: string;
  bbl: (string | number)[];
  ignore: string;
  names: string[];
  interleave: string;
  map: string[];
  scale: number;
  version: string;
  stored: number[];
  scaled: number[];
}

describePython('result cubes in Spectral Python', () => {
  it('sizes, bands, ignore value, map info and every value', async () => {
    const paths: string[] = [];
    for (const [dataType, interleave] of layouts)
      paths.push(await write(`spy_${dataType}_${interleave}.img`, { dataType, interleave }));
    const images = JSON.parse(
      runPython(
        SPY,
        paths.map((path) => path.replace(/img$/, 'hdr')),
      ),
    ) as SpyImage[];
    layouts.forEach(([dataType, interleave], n) => {
      const image = images[n]!;
      const nodata = dataType === 'int16' ? -32768 : -9999;
      expect(image.shape).toEqual([HEIGHT, WIDTH, BANDS]);
      expect(image.centers).toEqual([376.86, 426.9531, 552.123456, 1250.5, 1650, 2495]);
      expect(image.widths).toEqual([5.57, 5.58, 5.6, 5.71, 5.8, 6.12]);
      expect(image.unit).toBe('Nanometers');
      expect(image.bbl.map(Number)).toEqual([0, 1, 1, 1, 1, 0]);
      expect(Number(image.ignore)).toBe(nodata);
      expect(image.names[2]).toBe('552 nm');
      expect(image.interleave).toBe(interleave);
      expect(image.map.slice(0, 9)).toEqual(['UTM', '1', '1', '300015.5', '4100000.25', '30', '30', '11', 'North']);
      expect(image.version).toBe('0.2.0');
      expect(image.scale).toBe(dataType === 'int16' ? 10000 : 1);
      for (let i = 0; i < HEIGHT * WIDTH * BANDS; i++) {
        const [y, x, b] = [Math.floor(i / (WIDTH * BANDS)), Math.floor(i / BANDS) % WIDTH, i % BANDS];
        const v = value(y, x, b);
        const stored = dataType === 'int16' ? Math.round(v * 10000) : v;
        if (image.stored[i] !== (isValid(y, x) ? stored : nodata))
          throw new Error(`${y} ${x} ${b}: ${image.stored[i]}`);
        // half a step of int16
        if (isValid(y, x) && Math.abs(image.scaled[i]! - v) > (dataType === 'int16' ? 0.5001e-4 : 0))
          throw new Error(`${y} ${x} ${b}: ${image.scaled[i]} in physical units, expected ${v}`);
      }
    });
  });
});

describe('map info', () => {
  it('leaves a sheared grid to an entry of its own', async () => {
    const path = await write('sheared.img', { georeference: georeference([0, 30, 5, 0, 0, -30]) });
    const header = readFileSync(path.replace(/img$/, 'hdr'), 'utf8');
    expect(header).not.toContain('map info');
    expect(header).toContain('geotransform = {0, 30, 5, 0, 0, -30}');
  });

  it('names a coordinate system of which only the code is known', async () => {
    const path = await write('code.img', { georeference: { ...UTM, crsWkt: 'EPSG:2154' } });
    const header = readFileSync(path.replace(/img$/, 'hdr'), 'utf8');
    expect(header).toContain('coordinate system code = EPSG:2154');
    expect(header).not.toContain('coordinate system string');
    expect(header).toContain('map info = {Arbitrary, 1, 1, 300015.5,');
  });
});
