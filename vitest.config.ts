import { configDefaults, defineConfig } from 'vitest/config';

// Long cases: files called *.long.test.ts and groups declared by describeLong (test/support/long.ts).
const long = process.env.BANDLIFT_FULL === '1';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // test/gpu runs on a GPU, or an emulated one: vitest.gpu.config.ts
    exclude: [...configDefaults.exclude, 'test/gpu/**', ...(long ? [] : ['test/**/*.long.test.ts'])],
    pool: 'forks',
    // Two cores are the machine we plan for; the engine's threads take both.
    maxWorkers: 2,
    // the short tests run beside each other: one thread each is faster than two that wait for each other's core
    env: long ? {} : { BANDLIFT_THREADS: '1' },
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
