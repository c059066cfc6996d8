/** ENVI cubes made by hand, in every way a file can hold them. */
import { writeFileSync } from 'node:fs';

const TYPES = {
  1: [1, 'setUint8'],
  2: [2, 'setInt16'],
  3: [4, 'setInt32'],
  4: [4, 'setFloat32'],
  5: [8, 'setFloat64'],
  12: [2, 'setUint16'],
} as const;

export interface CubeToWrite {
  readonly lines: number;
  readonly samples: number;
  readonly bands: number;
  /** Stored value. */
  readonly value: (line: number, sample: number, band: number) => number;
  readonly type?: keyof typeof TYPES;
  readonly interleave?: 'bip' | 'bil' | 'bsq';
  readonly order?: 0 | 1;
  readonly offset?: number;
  /** Further entries of the header, as they stand there. */
  readonly entries?: Readonly<Record<string, string | number>>;
}

export function enviHeader(cube: Omit<CubeToWrite, 'value'>): string {
  const { lines, samples, bands, type = 4, interleave = 'bip', order = 0, offset = 0, entries = {} } = cube;
  const all = {
    samples,
    lines,
    bands,
    'header offset': offset,
    'data type': type,
    interleave,
    'byte order': order,
    ...entries,
  };
  return `ENVI\n${Object.entries(all)
    .map(([name, value]) => `${name} = ${value}`)
    .join('\n')}\n`;
}

/** Writes STEM.img and STEM.hdr; the header's path. */
export function writeCube(stem: string, cube: CubeToWrite): string {
  const { lines, samples, bands, value, type = 4, interleave = 'bip', order = 0, offset = 0 } = cube;
  const [size, set] = TYPES[type];
  const view = new DataView(new ArrayBuffer(offset + lines * samples * bands * size));
  for (let y = 0; y < lines; y++)
    for (let x = 0; x < samples; x++)
      for (let b = 0; b < bands; b++) {
        const at = {
          bip: (y * samples + x) * bands + b,
          bil: (y * bands + b) * samples + x,
          bsq: (b * lines + y) * samples + x,
        }[interleave];
        view[set](offset + at * size, value(y, x, b), order === 0);
      }
  writeFileSync(`${stem}.img`, new Uint8Array(view.buffer));
  writeFileSync(`${stem}.hdr`, enviHeader(cube));
  return `${stem}.hdr`;
}

/** A list as it stands in a header. */
export const braces = (values: ArrayLike<number | string>): string => `{${Array.from(values).join(', ')}}`;

/** `map info` of UTM zone 11 N with square pixels of `gsd` m and further entries. */
export const utm = (gsd: number, ...more: string[]): string =>
  braces(['UTM', '1', '1', '300000', '3900000', `${gsd}`, `${gsd}`, '11', 'North', 'WGS-84', 'units=Meters', ...more]);

/** Wavelengths 400, 400 + step, ... nm: with 20 nm and more than 100 bands all of OLI is covered. */
export const wavelengths = (bands: number, step = 20): number[] =>
  Array.from({ length: bands }, (_, b) => 400 + step * b);
