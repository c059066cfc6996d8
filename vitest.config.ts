import { configDefaults, defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

// Long cases: files called *.long.test.ts and groups declared by describeLong (test/support/long.ts).
const long = process.env.BANDLIFT_FULL === '1';

/** Long files first: one of them started last would keep one core waiting for it. */
class LongFilesFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isLong = ({ moduleId }: TestSpecification) => moduleId.includes('.long.test.');
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // test/gpu runs on a GPU, or an emulated one: vitest.gpu.config.ts
    exclude: [...configDefaults.exclude, 'test/gpu/**', ...(long ? [] : ['test/**/*.long.test.ts'])],
    pool: 'forks',
    // Two cores are the machine we plan for. Two files run beside each other with one thread of the engine each, which is
    // faster than two threads each that wait for each other's core.
    maxWorkers: 2,
    env: { BANDLIFT_THREADS: '1' },
    sequence: { sequencer: LongFilesFirst },
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
