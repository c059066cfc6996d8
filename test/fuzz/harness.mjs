// Damages small healthy files and reads them: every one must give a result or one clear line, in bounded time and memory.
//   node test/fuzz/<reader>.mjs [--count N] [--seconds S] [--seed N] [--keep DIR]     needs a build (npm run build)
// Stops after N files (default 300) or S seconds, whichever is given. A file that breaks a promise is kept in DIR (default:
// a temporary folder) and its name printed; exit code 1. A process that dies leaves the file under way there, as now.*.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { BandliftError } from '../../dist/src/base/errors.js';

const { values: args } = parseArgs({
  options: {
    count: { type: 'string' },
    seconds: { type: 'string' },
    seed: { type: 'string' },
    keep: { type: 'string' },
  },
});

/** What a file may cost: far more than a healthy one of some kB does, far less than a machine has. */
const MOST_MILLISECONDS = 5000;
const MOST_RSS = 1.5 * 2 ** 30;
/** The search ends with so many faults. */
const MOST_FAULTS = 20;

/** mulberry32: numbers in [0, 1). */
function generator(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Numbers that break arithmetic. */
const EDGES = [0, 1, 2, 255, 256, 32767, 32768, 65535, 2 ** 24, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1];

/**
 * One to four of: a bit flipped, a byte or a number replaced, a piece copied elsewhere, the end cut off.
 *
 * @param place (bytes, random) => position: where damage goes; anywhere if not given
 */
export function damage(original, random, place = (bytes) => Math.floor(random() * bytes.length)) {
  const integer = (n) => Math.floor(random() * n);
  const bytes = Buffer.from(original);
  const little = random() < 0.75;
  for (let n = 1 + integer(4); n > 0; n--) {
    const at = place(bytes, random);
    const kind = random();
    if (kind < 0.35) bytes[at] ^= 1 << integer(8);
    else if (kind < 0.5) bytes[at] = integer(256);
    else if (kind < 0.7 && at + 4 <= bytes.length)
      bytes[little ? 'writeUInt32LE' : 'writeUInt32BE'](EDGES[integer(EDGES.length)], at);
    else if (kind < 0.85 && at + 2 <= bytes.length)
      bytes[little ? 'writeUInt16LE' : 'writeUInt16BE'](EDGES[integer(8)], at);
    else if (kind < 0.93) Buffer.from(bytes).copy(bytes, at, integer(bytes.length), bytes.length);
    else return bytes.subarray(0, integer(bytes.length));
  }
  return bytes;
}

/**
 * Runs the search and prints one line.
 *
 * @param extension of the files, e.g. '.tif'
 * @param healthy files, as bytes
 * @param read (path, random) => promise; rejects with a BandliftError that names the path
 * @param mutate (bytes, random) => bytes
 * @param fresh each file is a new one: the HDF5 library may hold a damaged file open, and takes the next of the same inode for it
 */
export async function fuzz({ extension, healthy, read, mutate = damage, fresh = false }) {
  const seed = Number(args.seed ?? 1);
  const most = Number(args.count ?? (args.seconds ? Number.POSITIVE_INFINITY : 300));
  const end = Date.now() + 1000 * Number(args.seconds ?? Number.POSITIVE_INFINITY);
  const folder = args.keep ?? mkdtempSync(join(tmpdir(), 'bandlift-fuzz-'));
  mkdirSync(folder, { recursive: true });
  const random = generator(seed);
  const used = [];
  const outcome = { read: 0, refused: 0, broken: 0 };
  let slowest = 0;
  let highest = 0;
  for (let n = 0; n < most && Date.now() < end && outcome.broken < MOST_FAULTS; n++) {
    const path = join(folder, `now${fresh ? n : ''}${extension}`);
    used.push(path);
    const bytes = mutate(healthy[Math.floor(random() * healthy.length)], random);
    writeFileSync(path, bytes);
    const started = performance.now();
    let fault;
    try {
      await read(path, random);
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
      const kept = join(folder, `seed${seed}_${n}${extension}`);
      writeFileSync(kept, bytes);
      console.log(`${kept}: ${fault}`);
    }
  }
  for (const path of used) rmSync(path, { force: true });
  if (outcome.broken === 0 && args.keep === undefined) rmSync(folder, { recursive: true });
  console.log(
    `${outcome.read} read, ${outcome.refused} refused, ${outcome.broken} broken; slowest ${slowest.toFixed(0)} ms, at most ${(highest / 2 ** 20).toFixed(0)} MiB resident`,
  );
  process.exitCode = outcome.broken === 0 ? 0 : 1;
}
