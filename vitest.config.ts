import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/gpu/**'], // on a GPU, or an emulated one: vitest.gpu.config.ts
    pool: 'forks',
    // Two cores are the machine we plan for; the engine's threads take both.
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
