/**
 * Operators of the case tables that are marked `bench`: time, GFLOP/s, GB/s and share of this machine's measured peak.
 * The numbers of operations and bytes come from the operator's own file; time is that of the instructions on the device.
 *   npm run bench -- [--op NAME] [--quick] [--json FILE]
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import Benchmark from 'benchmark';
import { projectRoot } from '../src/base/version.js';
import { openDevice } from '../src/engine/device.js';
import { GraphRunner } from '../src/engine/graph_runner.js';
import { graphCost } from '../src/graph/ir.js';
import { fillCase } from '../test/cases/case.js';
import { differentiatedCase } from '../test/cases/differentiated.js';
import { allCases } from '../test/cases/index.js';

const { values } = parseArgs({
  options: { op: { type: 'string' }, quick: { type: 'boolean' }, json: { type: 'string' } },
});
process.env.BANDLIFT_PROFILE = '1';

interface Machine {
  cpu: string;
  gflops: number;
  copy_gb_per_s: number;
}
const machine = JSON.parse(
  execFileSync(join(projectRoot(), 'build/release/machine_bench'), { encoding: 'utf8' }),
) as Machine;
console.log(`${machine.cpu}: peak ${machine.gflops} GFLOP/s, copy ${machine.copy_gb_per_s} GB/s (measured now)`);

/** Larger than the last-level cache of most processors. */
const CACHED_BYTES = 64 * 2 ** 20;
const median = (x: number[]) => [...x].sort((a, b) => a - b)[Math.floor(x.length / 2)]!;
const { device } = await openDevice({ kind: 'cpu' });
const rows = [];
for (const table of allCases) {
  if (values.op && table.op !== values.op) continue;
  // the quick run keeps every benchmark alive on a small case of the same table
  const cases = values.quick ? table.cases.filter((c) => !c.bench).slice(-1) : table.cases.filter((c) => c.bench);
  for (const c of cases) {
    const graph = differentiatedCase(c);
    const feeds = fillCase(c, graph);
    const runner = new GraphRunner(device, graph);
    for (const value of graph.values)
      if (value.role === 'parameter' || value.role === 'state') runner.set(value.name, feeds.get(value.name)!);
    const seconds: number[] = [];
    const bench = new Benchmark(c.name, {
      defer: true,
      async: true,
      minSamples: values.quick ? 1 : 5,
      maxTime: values.quick ? 0.05 : 2,
      fn(deferred: { resolve(): void }) {
        runner.run(feeds).then(
          () => {
            seconds.push(runner.profile().reduce((sum, i) => sum + i.seconds, 0));
            deferred.resolve();
          },
          (error) => {
            console.error(`error: ${table.op} ${c.name}: ${(error as Error).message}`);
            process.exit(1);
          },
        );
      },
    });
    await new Promise<void>((resolve) => bench.on('complete', () => resolve()).run());
    const cost = graphCost(graph);
    const time = median(seconds);
    const row = {
      op: table.op,
      case: c.name,
      milliseconds: time * 1e3,
      gflops: cost.flops / time / 1e9,
      gbPerSecond: cost.bytes / time / 1e9,
      // a small tensor stays in the caches: its bytes per second say nothing about memory
      ofPeak: Math.max(
        cost.flops / time / 1e9 / machine.gflops,
        cost.bytes < CACHED_BYTES ? 0 : cost.bytes / time / 1e9 / machine.copy_gb_per_s,
      ),
      samples: seconds.length,
    };
    rows.push(row);
    console.log(
      `${table.op.padEnd(20)} ${c.name.padEnd(48)} ${row.milliseconds.toFixed(3).padStart(10)} ms ${row.gflops.toFixed(1).padStart(8)} GFLOP/s ` +
        `${row.gbPerSecond.toFixed(1).padStart(6)} GB/s  ${(100 * row.ofPeak).toFixed(0).padStart(4)} % of peak`,
    );
    runner.dispose();
  }
}
device.dispose();
if (values.json) writeFileSync(values.json, `${JSON.stringify({ machine, rows }, null, 1)}\n`);
