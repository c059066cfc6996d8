// Damaged archives of a Landsat product; the options are those of harness.mjs.
import { openLandsatScene } from '../../dist/src/scenes/landsat.js';
import { makeTiff } from '../support/tiff_bytes.mjs';
import { damage, fuzz } from './harness.mjs';

const ID = 'LC08_L2SP_042036_20190624_20200827_02_T1';

/** A member: its header in ustar's layout, and its bytes in whole blocks. */
function member(name, bytes) {
  const head = Buffer.alloc(512);
  head.write(name, 0);
  head.write(`${bytes.length.toString(8).padStart(11, '0')}\0`, 124);
  head.write('0', 156);
  head.write('ustar\x0000', 257);
  seal(head);
  return Buffer.concat([head, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
}

function seal(head) {
  head.write('        ', 148);
  head.write(
    `${head
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, '0')}\0 `,
    148,
  );
}

const band = (b) =>
  member(`${ID}_SR_B${b}.TIF`, makeTiff({ width: 9, height: 7, bands: 1, bits: 16, format: 1, value: () => 9000 }));
const parts = [...[1, 2, 3, 4, 5, 6, 7].map(band), Buffer.alloc(1024)];
const starts = parts.slice(0, -1).map((_, i) => parts.slice(0, i).reduce((sum, part) => sum + part.length, 0));
const healthy = Buffer.concat(parts);

/** Damage to headers, whose sums are made right again, so that it is read. */
function mutate(original, random) {
  if (random() < 0.3) return damage(original, random);
  const start = starts[Math.floor(random() * starts.length)];
  const bytes = damage(original, random, () => start + Math.floor(random() * 512));
  if (bytes.length >= start + 512 && random() < 0.9) seal(bytes.subarray(start, start + 512));
  return bytes;
}

await fuzz({
  extension: '.tar',
  healthy: [healthy],
  mutate,
  async read(path) {
    const scene = await openLandsatScene(path);
    try {
      await scene.read({ y: 0, x: 0, height: Math.min(64, scene.height), width: Math.min(64, scene.width) });
    } finally {
      await scene.close();
    }
  },
});
