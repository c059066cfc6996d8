/** Broken ENVI cubes and files of no known kind through the real command line. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'vitest';
import { EXIT } from '../../src/base/errors.js';
import { type BrokenCase, testBroken } from '../support/broken.js';
import { temporaryFolder } from '../support/cli.js';

const work = temporaryFolder();

const header = (entries: Record<string, string | number>) =>
  `ENVI\n${Object.entries({
    samples: 4,
    lines: 3,
    bands: 2,
    'data type': 4,
    interleave: 'bip',
    'byte order': 0,
    ...entries,
  })
    .filter(([, v]) => v !== '')
    .map(([k, v]) => `${k} = ${v}`)
    .join('\n')}\n`;

const cube =
  (entries: Record<string, string | number> = {}, bytes = 4 * 3 * 2 * 4) =>
  (folder: string) => {
    writeFileSync(join(folder, 'cube.hdr'), header(entries));
    writeFileSync(join(folder, 'cube.img'), Buffer.alloc(bytes));
  };
const inspect = (name: string, prepare: BrokenCase['prepare'], message: RegExp, file = 'cube.img'): BrokenCase => ({
  name,
  args: ['inspect', file],
  ...(prepare ? { prepare } : {}),
  exit: EXIT.badInput,
  message,
});

const CUBES: BrokenCase[] = [
  inspect(
    'ENVI header without samples',
    cube({ samples: '' }),
    /cube\.hdr: samples: the header cannot be used; found nothing, expected an entry/,
  ),
  inspect('ENVI header with an absurd size', cube({ lines: '99999999999999999999' }), /cube\.hdr: lines: /),
  inspect('ENVI header with negative bands', cube({ bands: -2 }), /cube\.hdr: bands: .*-2/),
  inspect(
    'ENVI data cut off',
    cube({}, 50),
    /cube\.img: the size of the data file .*; found 50 bytes, expected 96 .*; the file is cut off/,
  ),
  inspect(
    'ENVI data without header',
    (folder) => writeFileSync(join(folder, 'cube.img'), 'x'),
    /cube\.img: the header of this data file is missing, expected cube\.hdr/,
  ),
  inspect(
    'a file of unknown type',
    (folder) => writeFileSync(join(folder, 'notes.txt'), 'x'),
    /notes\.txt: .*(\.h5|\.safetensors|\.hdr)/,
    'notes.txt',
  ),
  {
    ...inspect('inspect of nothing', undefined, /cube\.img: no such file; give a file, or a network: spectral_sr/),
    exit: EXIT.usage,
  },
];

describe('broken cubes', () => testBroken(work, CUBES));
