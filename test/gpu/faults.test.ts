/** Faults that only a kernel can see: told with the instruction's name, and the device works afterwards. */
import { expect, it } from 'vitest';
import { GraphRunner } from '../../src/engine/graph_runner.js';
import { GraphBuilder } from '../../src/graph/ir.js';
import { resample } from '../../src/graph/ops/resample.js';
import { bicubicTaps } from '../../src/resample/taps.js';
import { expectClose } from '../support/allclose.js';
import { evaluateGraph } from '../support/reference.js';
import { describeGpu, openGpu } from './support/gpu.js';

describeGpu('faults on the GPU', () => {
  it('a resampling table that points outside names its instruction, first, recorded and replayed', async () => {
    const builder = new GraphBuilder();
    const x = builder.input('x', [1, 6, 6, 3]);
    builder.output('y', resample(builder, x, bicubicTaps(6, 15), bicubicTaps(6, 15), null, 'upsample to 15 x 15'));
    const graph = builder.build();
    const table = graph.values.find(({ role }) => role === 'constant')!;
    const good = table.data!;
    const bad = Float32Array.from(good);
    bad[bad.length - table.shape[3]] = 1000; // the last row's first source pixel
    const feeds = new Map([['x', Float32Array.from({ length: 108 }, (_, i) => Math.sin(i))]]);
    const expected = evaluateGraph(graph, feeds).get('y')!;

    const { device } = await openGpu('fp32');
    const runner = new GraphRunner(device, graph);
    try {
      for (let run = 1; run <= 3; run++) {
        runner.set(table.name, bad);
        const error = await runner.run(feeds).then(
          () => undefined,
          (caught: Error & { code?: string }) => caught,
        );
        expect(error?.code, `run ${run}`).toBe('ERR_SHAPE');
        expect(error?.message).toMatch(/upsample to 15 x 15.*table points outside/);
        runner.set(table.name, good);
        const y = (await runner.run(feeds)).get('y')!;
        // resample's own tolerance (test/cases/resample.ts)
        expectClose(y, expected, { absolute: 1e-5, relative: 1e-5 }, `after fault ${run}`);
      }
    } finally {
      runner.dispose();
      device.dispose();
    }
  });
});
