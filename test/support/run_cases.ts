/** Runs one operator's case table on the device beside the float64 reference: forward and vector-Jacobian product. */
import { afterAll, beforeAll, describe, it } from 'vitest';
import type { NativeDevice } from '../../bindings/addon.js';
import { openDevice } from '../../src/engine/device.js';
import { GraphRunner } from '../../src/engine/graph_runner.js';
import { fillCase, type OpCases } from '../cases/case.js';
import { differentiatedCase } from '../cases/differentiated.js';
import { expectClose } from './allclose.js';
import { evaluateGraph } from './reference.js';

export function testOp(table: OpCases): void {
  describe(`${table.op} on the device`, () => {
    let device: NativeDevice;
    beforeAll(async () => {
      device = (await openDevice({ kind: 'cpu' })).device;
    });
    afterAll(() => device.dispose());
    for (const c of table.cases) {
      if (c.bench === true) continue;
      it(c.name, async () => {
        const graph = differentiatedCase(c);
        const feeds = fillCase(c, graph);
        // gradient sums start from something, so that overwriting instead of adding is caught
        const expected = evaluateGraph(graph, feeds);
        const runner = new GraphRunner(device, graph);
        try {
          for (const value of graph.values) {
            if (value.role === 'parameter' || value.role === 'state') runner.set(value.name, feeds.get(value.name)!);
          }
          const actual = await runner.run(feeds);
          for (const [name, numbers] of expected) expectClose(actual.get(name)!, numbers, table.tolerance, name);
        } finally {
          runner.dispose();
        }
      });
    }
  });
}
