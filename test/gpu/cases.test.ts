/**
 * Every operator's case table on the GPU, in every precision. The second run of a program is recorded as a CUDA graph and
 * the third replays it, with other numbers each time.
 */
import { describe } from 'vitest';
import { allCases } from '../cases/index.js';
import { describeGpu, emulated, precisions, providers } from './support/gpu.js';
import { testTable } from './support/gpu_cases.js';

describeGpu('operators', () => {
  describe.each(precisions)('in %s', (precision) => {
    for (const table of allCases) {
      // providers matter to convolutions only; emulated, the stand-in for cuDNN is left to whole networks
      const tested = table.op === 'conv2d' && !emulated ? providers : ['own'];
      for (const provider of tested) {
        describe(table.op === 'conv2d' ? `conv2d by ${provider}` : table.op, () =>
          testTable(table, precision, provider),
        );
      }
    }
  });
});
