// A rank of test/ranks/mpi.test.ts: calls every function of an MPI communicator and prints what it got, as one line of JSON.
//   mpirun -n 2 node mpi_child.mjs ADDON LIBRARY
import { createRequire } from 'node:module';

const [addonPath, library] = process.argv.slice(2);
const addon = createRequire(import.meta.url)(addonPath);
let ticks = 0;
const timer = setInterval(() => ticks++, 1);
const ranks = await addon.openMpi([library]);
const { rank, size, name } = ranks;

const sum = Float32Array.of(rank + 1, 0.5, 10 ** rank);
await ranks.sum(sum);
// in float32 (1e8 + 1) - 1e8 is 0 and (1e8 - 1e8) + 1 is 1: the order tells
const ordered = new Float32Array(600_000).fill([1e8, 1, -1e8, 1][rank]);
await ranks.sumInOrder(ordered);
const all = new Float64Array(2 * size);
await ranks.allGather(Float64Array.of(rank, 0.1 * rank), all);
const word = new Uint8Array(5);
if (rank === 0) word.set(new TextEncoder().encode('hello'));
await ranks.broadcast(word);
// the loop of JavaScript goes on while a rank waits for the others
if (rank === 0) await new Promise((done) => setTimeout(done, 300));
const before = ticks;
await ranks.barrier();
const waited = ticks - before;
await ranks.finish();
clearInterval(timer);
const refused = await Promise.resolve()
  .then(() => ranks.sum(sum))
  .catch((error) => error.code);
const line = {
  ...{ rank, size, name, sum: [...sum], all: [...all], word: new TextDecoder().decode(word), waited, refused },
  ordered: [...new Set(ordered)],
};
process.stdout.write(`${JSON.stringify(line)}\n`);
