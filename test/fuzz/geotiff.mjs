// Damages small TIFFs and reads them: every one must give pixels or one clear line, in bounded time and memory.
//   node test/fuzz/geotiff.mjs [--count N] [--seconds S] [--seed N] [--keep DIR]     needs a build (npm run build:ts)
// Stops after N files or S seconds, whichever is given. A file that breaks a promise is kept in DIR (default: the
// temporary folder) and its name printed; exit code 1. The file that was under way when the process died is DIR/now.tif.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { BandliftError } from '../../dist/src/errors.js';
import { openStackScene } from '../../dist/src/scenes/stack_scene.js';
import { makeTiff } from '../support/tiff_bytes.mjs';

const { values: args } = parseArgs({
  options: {
    count: { type: 'string' },
    seconds: { type: 'string' },
    seed: { type: 'string' },
    keep: { type: 'string' },
  },
});
const seed = Number(args.seed ?? 1);
const most = Number(args.count ?? (args.seconds ? Number.POSITIVE_INFINITY : 300));
const end = Date.now() + 1000 * Number(args.seconds ?? Number.POSITIVE_INFINITY);
const folder = args.keep ?? mkdtempSync(join(tmpdir(), 'bandlift-fuzz-'));
mkdirSync(folder, { recursive: true });

/** What a file may cost: far more than a healthy one of 10 kB does, far less than a machine has. */
const MOST_MILLISECONDS = 5000;
const MOST_RSS = 1.5 * 2 ** 30;
/** The largest window asked for. */
const SIDE = 256;

/** mulberry32 */
function generator(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const healthy = [1, 5, 8, 32773, 50000].flatMap((compression) =>
  [{}, { tile: 16 }, { planar: true, rows: 15 }].flatMap((shape) =>
    [{}, { little: false }, { big: true }].map((order) => {
      const predictor = compression === 1 || compression === 32773 || !order.little ? {} : { 317: [3, [3]] };
      const tags = { ...predictor, 42113: [2, '-9999'], 42112: [2, '<GDALMetadata></GDALMetadata>'] };
      return makeTiff({ compression, ...shape, ...order, tags });
    }),
  ),
);

/** Numbers that break arithmetic. */
const EDGES = [0, 1, 2, 255, 256, 32767, 32768, 65535, 2 ** 24, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1];

function mutate(original, random) {
  const integer = (n) => Math.floor(random() * n);
  let bytes = Buffer.from(original);
  // the directory lies behind the pixels: most damage goes where it is read as numbers
  const directory = bytes.readUInt16LE(2) === 43 || bytes.readUInt16BE(2) === 43;
  const little = bytes[0] === 0x49;
  const start = directory
    ? Number(little ? bytes.readBigUInt64LE(8) : bytes.readBigUInt64BE(8))
    : little
      ? bytes.readUInt32LE(4)
      : bytes.readUInt32BE(4);
  const place = () => (random() < 0.7 ? start + integer(bytes.length - start) : integer(bytes.length));
  for (let n = 1 + integer(4); n > 0; n--) {
    const at = place();
    const kind = random();
    if (kind < 0.35) bytes[at] ^= 1 << integer(8);
    else if (kind < 0.5) bytes[at] = integer(256);
    else if (kind < 0.7 && at + 4 <= bytes.length)
      bytes[little ? 'writeUInt32LE' : 'writeUInt32BE'](EDGES[integer(EDGES.length)], at);
    else if (kind < 0.85 && at + 2 <= bytes.length)
      bytes[little ? 'writeUInt16LE' : 'writeUInt16BE'](EDGES[integer(8)], at);
    else if (kind < 0.93) bytes.copy(bytes, at, place(), bytes.length);
    else bytes = bytes.subarray(0, 1 + integer(bytes.length - 1));
    if (bytes.length <= start + 4) break;
  }
  return bytes;
}

async function read(path) {
  const scene = await openStackScene(path, { scale: 1, cacheBytes: 2 ** 24 });
  try {
    const [height, width] = [Math.min(scene.height, SIDE), Math.min(scene.width, SIDE)];
    const places = [
      [0, 0],
      [scene.height - height, scene.width - width],
    ];
    for (const [y, x] of places) await scene.read({ y, x, height, width });
  } finally {
    await scene.close();
  }
}

const random = generator(seed);
const path = join(folder, 'now.tif');
const outcome = { read: 0, refused: 0, broken: 0 };
let slowest = 0;
let highest = 0;
for (let n = 0; n < most && Date.now() < end; n++) {
  const bytes = mutate(healthy[Math.floor(random() * healthy.length)], random);
  writeFileSync(path, bytes);
  const started = performance.now();
  let fault;
  try {
    await read(path);
    outcome.read++;
  } catch (error) {
    if (!(error instanceof BandliftError)) fault = error?.stack ?? String(error);
    else if (error.message.includes('\n') || !error.message.includes(path)) fault = `unclear: ${error.message}`;
    else outcome.refused++;
  }
  const took = performance.now() - started;
  const { rss } = process.memoryUsage();
  slowest = Math.max(slowest, took);
  highest = Math.max(highest, rss);
  if (took > MOST_MILLISECONDS) fault ??= `took ${took.toFixed(0)} ms`;
  if (rss > MOST_RSS) fault ??= `${(rss / 2 ** 20).toFixed(0)} MiB resident`;
  if (fault !== undefined) {
    outcome.broken++;
    const kept = join(folder, `seed${seed}_${n}.tif`);
    writeFileSync(kept, bytes);
    console.log(`${kept}: ${fault}`);
    if (outcome.broken >= 20) break;
  }
}
if (outcome.broken === 0 && args.keep === undefined) rmSync(folder, { recursive: true });
console.log(
  `${outcome.read} read, ${outcome.refused} refused, ${outcome.broken} broken; slowest ${slowest.toFixed(0)} ms, at most ${(highest / 2 ** 20).toFixed(0)} MiB resident`,
);
process.exitCode = outcome.broken === 0 ? 0 : 1;
