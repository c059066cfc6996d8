import { defineConfig } from 'vitest/config';

/** The tests that need a GPU, real or emulated: one process at a time, for there is one device. */
export default defineConfig({
  test: {
    include: ['test/gpu/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: process.env.BANDLIFT_GPU_WORKERS === undefined ? 1 : Number(process.env.BANDLIFT_GPU_WORKERS),
    testTimeout: 600_000,
    hookTimeout: 120_000,
  },
});
