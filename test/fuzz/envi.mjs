// Damaged ENVI headers beside a data file that stays whole; the options are those of harness.mjs.
import { writeFileSync } from 'node:fs';
import { fineGrid } from '../../dist/src/prepare/fine_grid.js';
import { EnviScene } from '../../dist/src/scenes/envi_scene.js';
import { damage, fuzz } from './harness.mjs';

const [LINES, SAMPLES, BANDS] = [20, 18, 6];

/** Every entry that is read, in all three interleaves. */
const header = (interleave) => `ENVI
description = { a cube, whole }
samples = ${SAMPLES}
lines = ${LINES}
bands = ${BANDS}
header offset = 0
file type = ENVI Standard
data type = 2
interleave = ${interleave}
byte order = 0
map info = {UTM, 1.000, 1.000, 500000.0, 4000000.0, 4.0, 4.0, 11, North, WGS-84, units=Meters, rotation=12.5}
wavelength units = Micrometers
wavelength = { 0.44, 0.48, 0.56, 0.655, 0.865, 1.6 }
fwhm = { 0.005, 0.005, 0.005, 0.005, 0.005, 0.005 }
bbl = { 1, 1, 1, 1, 1, 0 }
band names = { a, b, c, d, e, f }
data ignore value = -9999
reflectance scale factor = 10000
`;

const WORDS = ['-1', '0', '1e400', 'NaN', '99999999999999999999', '2147483648', '{', '}', '{}', '=', 'ENVI', '\u0000'];
const pick = (list, random) => list[Math.floor(random() * list.length)];

/** Bytes are damaged, or one entry gets a value that is no value, or a line goes or comes twice. */
function mutate(original, random) {
  if (random() < 0.4) return damage(original, random);
  const lines = original.toString('latin1').split('\n');
  const at = 1 + Math.floor(random() * (lines.length - 1));
  const kind = random();
  if (kind < 0.5) lines[at] = lines[at].replace(/=.*/, `= ${pick(WORDS, random)}`);
  else if (kind < 0.75) lines[at] = lines[at].replace(/[\d.]+/, pick(WORDS, random));
  else if (kind < 0.87) lines.splice(at, 1);
  else lines.splice(at, 0, lines[at], lines[at]);
  return Buffer.from(lines.join('\n'), 'latin1');
}

await fuzz({
  extension: '.hdr',
  healthy: ['bip', 'bil', 'bsq'].map((interleave) => Buffer.from(header(interleave))),
  mutate,
  async read(path, random) {
    const bytes = 2 * LINES * SAMPLES * BANDS;
    writeFileSync(path.replace(/\.hdr$/, '.img'), Buffer.alloc(bytes, Math.floor(random() * 256)));
    const bands = random() < 0.5 ? 'all' : 'kept';
    const scene = await EnviScene.open(path, { bands }).catch((error) => {
      // a size that does not fit is told of the data file
      error.message = error.message.replace('now.img', 'now.hdr');
      throw error;
    });
    try {
      const { height, width } = scene;
      const y = Math.floor(random() * height);
      const x = Math.floor(random() * width);
      const window = { y, x, height: Math.min(9, height - y), width: Math.min(7, width - x) };
      await scene.read(window);
      // what prepare makes of it
      const grid = fineGrid(scene, {});
      const size = { height: Math.min(5, grid.height), width: Math.min(5, grid.width) };
      const pixels = size.height * size.width;
      grid.read({ y: 0, x: 0, ...size }, new Float32Array(pixels * scene.bands), new Uint8Array(pixels));
    } finally {
      await scene.close();
    }
  },
});
