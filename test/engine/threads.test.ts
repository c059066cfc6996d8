/** How many threads compute where a command does not say. */
import { afterEach, describe, expect, it } from 'vitest';
import { openDevice } from '../../src/engine/device.js';

const before = process.env.BANDLIFT_THREADS;
afterEach(() => {
  if (before === undefined) delete process.env.BANDLIFT_THREADS;
  else process.env.BANDLIFT_THREADS = before;
});

async function threadsOf(environment: string, threads?: number): Promise<number> {
  process.env.BANDLIFT_THREADS = environment;
  const { device } = await openDevice({ kind: 'cpu', ...(threads === undefined ? {} : { threads }) });
  const found = device.info().threads;
  device.dispose();
  return found;
}

describe('BANDLIFT_THREADS', () => {
  it('counts where no number is given, and only there', async () => {
    expect(await threadsOf('3')).toBe(3);
    expect(await threadsOf('3', 2)).toBe(2);
  });

  it.each(['0', '-1', 'two', '1.5', '1025'])('%s is refused', async (text) => {
    await expect(threadsOf(text)).rejects.toThrow(
      new RegExp(`BANDLIFT_THREADS: is not a number of threads; found ${text}, expected a whole number from 1 to 1024`),
    );
  });
});
