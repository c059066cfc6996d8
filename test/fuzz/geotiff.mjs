// Damaged stacked GeoTIFFs; the options are those of harness.mjs.
import { openStackScene } from '../../dist/src/scenes/stack_scene.js';
import { makeTiff } from '../support/tiff_bytes.mjs';
import { damage, fuzz } from './harness.mjs';

/** The largest window asked for. */
const SIDE = 256;

const healthy = [1, 5, 8, 32773, 50000].flatMap((compression) =>
  [{}, { tile: 16 }, { planar: true, rows: 15 }].flatMap((shape) =>
    [{}, { little: false }, { big: true }].map((order) => {
      const predictor = compression === 1 || compression === 32773 || order.little === false ? {} : { 317: [3, [3]] };
      const tags = { ...predictor, 42113: [2, '-9999'], 42112: [2, '<GDALMetadata></GDALMetadata>'] };
      return makeTiff({ compression, ...shape, ...order, tags });
    }),
  ),
);

/** The directory lies behind the pixels: most damage goes where it is read as numbers. */
function mutate(original, random) {
  const little = original[0] === 0x49;
  const big = original[little ? 'readUInt16LE' : 'readUInt16BE'](2) === 43;
  const start = big
    ? Number(original[little ? 'readBigUInt64LE' : 'readBigUInt64BE'](8))
    : original[little ? 'readUInt32LE' : 'readUInt32BE'](4);
  return damage(original, random, (bytes) =>
    Math.floor(random() < 0.7 ? start + random() * (bytes.length - start) : random() * bytes.length),
  );
}

async function read(path) {
  const scene = await openStackScene(path, { scale: 1, cacheBytes: 2 ** 24 });
  try {
    const [height, width] = [Math.min(scene.height, SIDE), Math.min(scene.width, SIDE)];
    for (const [y, x] of [
      [0, 0],
      [scene.height - height, scene.width - width],
    ])
      await scene.read({ y, x, height, width });
  } finally {
    await scene.close();
  }
}

await fuzz({ extension: '.tif', healthy, read, mutate });
