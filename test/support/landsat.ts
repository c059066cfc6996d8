/** A synthetic Landsat 8 Collection-2 level-2 product, written with GDAL as the USGS writes them: 7 bands, QA_PIXEL, MTL. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeWithGdal } from './gdal.js';

export interface LandsatProduct {
  readonly folder: string;
  /** Common part of the names. */
  readonly id: string;
  readonly height: number;
  readonly width: number;
  /** Corner of the grid, pixel size: [x0, 30, 0, y0, 0, -30]. */
  readonly geotransform: readonly [number, number, number, number, number, number];
  /** Stored number of band 1..7 at a pixel; 0 in the fill border. */
  dn(band: number, y: number, x: number): number;
  /** QA_PIXEL of a pixel. */
  quality(y: number, x: number): number;
}

export interface LandsatProductOptions {
  readonly height?: number;
  readonly width?: number;
  readonly srs?: string;
  readonly corner?: readonly [number, number];
  /** gdal_translate's creation options. */
  readonly creation?: readonly string[];
  readonly metadata?: 'json' | 'txt' | 'xml' | 'none';
  readonly id?: string;
  /** Files (by ending) that are left out, or written otherwise by the caller. */
  readonly without?: readonly string[];
}

export const TILED_DEFLATE = ['COMPRESS=DEFLATE', 'TILED=YES', 'BLOCKXSIZE=256', 'BLOCKYSIZE=256', 'PREDICTOR=2'];

/** Width of the fill border, px. */
export const BORDER = 3;

/** Clear, water, cloud, dilated cloud, cirrus, shadow, snow: real values of Collection 2, by column block. */
export const QA_VALUES = [21824, 21952, 22280, 22018, 54596, 23888, 30048] as const;

/** Whether bits 1 to 4 of the values above name a cloud or a shadow. */
export const QA_CLOUDY = [false, false, true, true, true, true, false] as const;

/** The metadata file of a product in one of its three forms. */
export function metadataText(kind: 'json' | 'txt' | 'xml', height: number, width: number): string {
  const level2 = Array.from({ length: 7 }, (_, b) => [`REFLECTANCE_MULT_BAND_${b + 1}`, '2.75e-05']).concat(
    Array.from({ length: 7 }, (_, b) => [`REFLECTANCE_ADD_BAND_${b + 1}`, '-0.2']),
  );
  // the factors of level 1 have the same names: a reader must not take them
  const level1 = level2.map(([name, value]) => [name!, name!.includes('MULT') ? '2.0000E-05' : `${Number(value) / 2}`]);
  const groups: [string, string[][]][] = [
    ['PRODUCT_CONTENTS', [['PROCESSING_LEVEL', 'L2SP']]],
    [
      'IMAGE_ATTRIBUTES',
      [
        ['SPACECRAFT_ID', 'LANDSAT_8'],
        ['SENSOR_ID', 'OLI_TIRS'],
      ],
    ],
    [
      'PROJECTION_ATTRIBUTES',
      [
        ['REFLECTIVE_LINES', `${height}`],
        ['REFLECTIVE_SAMPLES', `${width}`],
      ],
    ],
    ['LEVEL1_RADIOMETRIC_RESCALING', level1],
    ['LEVEL2_SURFACE_REFLECTANCE_PARAMETERS', level2 as string[][]],
  ];
  const top = 'LANDSAT_METADATA_FILE';
  if (kind === 'json')
    return JSON.stringify({ [top]: Object.fromEntries(groups.map(([name, e]) => [name, Object.fromEntries(e)])) });
  const bodies = groups.map(([name, entries]) =>
    kind === 'xml'
      ? `  <${name}>\n${entries.map(([k, v]) => `    <${k}>${v}</${k}>`).join('\n')}\n  </${name}>`
      : `  GROUP = ${name}\n${entries.map(([k, v]) => `    ${k} = ${/^[-\d.]/.test(v!) ? v : `"${v}"`}`).join('\n')}\n  END_GROUP = ${name}`,
  );
  return kind === 'xml'
    ? `<?xml version="1.0" encoding="UTF-8"?>\n<${top}>\n${bodies.join('\n')}\n</${top}>\n`
    : `GROUP = ${top}\n${bodies.join('\n')}\nEND_GROUP = ${top}\nEND\n`;
}

/** Writes the product into `folder` (made if missing). */
export function writeLandsatProduct(folder: string, options: LandsatProductOptions = {}): LandsatProduct {
  const { height = 70, width = 90, srs = 'EPSG:32611', corner = [263385, 3810315], metadata = 'json' } = options;
  const { creation = TILED_DEFLATE, id = 'LC08_L2SP_042036_20190624_20200827_02_T1', without = [] } = options;
  mkdirSync(folder, { recursive: true });
  const fill = (y: number, x: number) => Math.min(y, x, height - 1 - y, width - 1 - x) < BORDER;
  // between 7273 (reflectance 0) and 43636 (1), every pixel and band its own
  const dn = (band: number, y: number, x: number) =>
    fill(y, x) ? 0 : 7273 + ((band * 9973 + y * 331 + x * 17) % 36000);
  const quality = (y: number, x: number) => (fill(y, x) ? 1 : QA_VALUES[Math.floor(x / 8) % QA_VALUES.length]!);
  const [x0, y0] = corner;
  const place = ['-a_srs', srs, '-a_ullr', x0, y0, x0 + 30 * width, y0 - 30 * height].map(String);
  const write = (name: string, value: (y: number, x: number) => number, nodata: string) => {
    if (without.includes(name)) return;
    const values = Array.from({ length: height * width }, (_, p) => value(Math.floor(p / width), p % width));
    const co = creation.flatMap((option) => ['-co', option]);
    // the USGS gives the coordinates of pixel centres
    const point = ['-mo', 'AREA_OR_POINT=Point'];
    writeWithGdal(join(folder, `${id}_${name}`), { type: 'UInt16', height, width, bands: 1, values }, [
      ...place,
      ...['-a_nodata', nodata],
      ...point,
      ...co,
    ]);
  };
  for (let band = 1; band <= 7; band++) write(`SR_B${band}.TIF`, (y, x) => dn(band, y, x), '0');
  write('QA_PIXEL.TIF', quality, '1');
  if (metadata !== 'none') writeFileSync(join(folder, `${id}_MTL.${metadata}`), metadataText(metadata, height, width));
  return { folder, id, height, width, geotransform: [x0, 30, 0, y0, 0, -30], dn, quality };
}
