/** Questions to a thread: order, progress, errors with and without an exit code, arrays handed over, and its end. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { BandliftError } from '../../src/base/errors.js';
import { workerUrl } from '../../src/base/worker.js';
import { WorkerClient } from '../../src/base/worker_rpc.js';
import { temporaryFolder } from '../support/temporary.js';

interface Requests {
  sum: { readonly numbers: Float64Array };
  wait: { readonly milliseconds: number };
  refuse: { readonly message: string; readonly exitCode?: number };
}
interface Replies {
  sum: { readonly sums: Float64Array };
  wait: { readonly order: number };
  refuse: never;
}

const script = join(temporaryFolder(), 'thread.mjs');
writeFileSync(
  script,
  `import { parentPort } from 'node:worker_threads';
import { serve } from '${workerUrl('base/worker_rpc.js').href}';
import { BandliftError } from '${workerUrl('base/errors.js').href}';
let order = 0;
serve(parentPort, {
  sum: ({ numbers }, progress) => {
    let total = 0;
    return { sums: numbers.map((v, i) => { progress({ done: i + 1 }); return (total += v); }) };
  },
  wait: async ({ milliseconds }) => {
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
    return { order: order++ };
  },
  refuse: ({ message, exitCode }) => {
    throw exitCode === undefined ? new Error(message) : new BandliftError(message, {}, exitCode);
  },
});
`,
);
const worker = new WorkerClient<Requests, Replies>(pathToFileURL(script), 'the thread of this test');
afterAll(() => worker.close());

it('arrays are handed over there and back, progress comes before the answer', async () => {
  const numbers = Float64Array.of(1, 2, 4);
  const told: number[] = [];
  const answer = worker.ask('sum', { numbers }, [numbers.buffer], ({ done }: { done: number }) => told.push(done));
  expect(numbers).toHaveLength(0);
  expect(worker.open).toBe(1);
  expect([...(await answer).sums]).toEqual([1, 3, 7]);
  expect(told).toEqual([1, 2, 3]);
  expect(worker.open).toBe(0);
});

it('questions are answered in the order they were asked, however long each takes', async () => {
  const answers = await Promise.all([30, 0, 10].map((milliseconds) => worker.ask('wait', { milliseconds })));
  expect(answers.map(({ order }) => order)).toEqual([0, 1, 2]);
});

it('an error for the user keeps its exit code, a defect its stack, and the thread lives on', async () => {
  const refusal = await worker.ask('refuse', { message: 'no such band', exitCode: 3 }).catch((error) => error);
  expect(refusal).toBeInstanceOf(BandliftError);
  expect([refusal.message, refusal.exitCode]).toEqual(['no such band', 3]);
  const defect = await worker.ask('refuse', { message: 'a defect' }).catch((error) => error);
  expect(defect).not.toBeInstanceOf(BandliftError);
  expect(defect.message).toMatch(/Error: a defect\n\s+at .*thread\.mjs/);
  expect([...(await worker.ask('sum', { numbers: Float64Array.of(5) })).sums]).toEqual([5]);
});

it('closing rejects what is open and what comes later', async () => {
  const other = new WorkerClient<Requests, Replies>(pathToFileURL(script), 'another thread');
  const open = other.ask('wait', { milliseconds: 60_000 });
  const [closed] = await Promise.allSettled([open, other.close()]);
  expect(closed).toMatchObject({ status: 'rejected', reason: { message: 'another thread was closed' } });
  await expect(other.ask('wait', { milliseconds: 0 })).rejects.toThrow('another thread was closed');
});
