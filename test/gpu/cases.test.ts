/**
 * Every operator's case table on the GPU, in every precision. The second run of a program is recorded as a CUDA graph and
 * the third replays it, with other numbers each time.
 */
import { describe, it } from 'vitest';
import { allCases } from '../cases/index.js';
import { describeGpu, emulated, precisions, providers, sanitized } from './support/gpu.js';
import { compareWithCpu, testTable } from './support/gpu_cases.js';

describeGpu('operators', () => {
  describe.each(precisions)('in %s', (precision) => {
    for (const table of allCases) {
      const tested = table.op === 'conv2d' ? providers : ['own']; // nothing else depends on who computes convolutions
      for (const provider of tested) {
        describe(table.op === 'conv2d' ? `conv2d by ${provider}` : table.op, () =>
          testTable(table, precision, provider),
        );
      }
    }
  });

  // minutes of emulation
  if (!emulated && !sanitized)
    describe('of realistic size, in every precision, beside the CPU', () => {
      for (const table of allCases)
        for (const c of table.cases.filter(({ bench }) => bench === true))
          it(`${table.op} ${c.name}`, () => compareWithCpu(table, c));
    });
});
