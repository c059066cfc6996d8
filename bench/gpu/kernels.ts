/**
 * Kernels: time of every instruction of the case tables' benchmarks, and what share it reaches of the rates measured on this
 * GPU: copying from memory to memory, and the product of large matrices (a 1 x 1 convolution of many channels).
 * An instruction's time is from its launch until the device is idle again, less that of one that does nothing to speak of.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { NativeDevice } from '../../bindings/addon.js';
import { projectRoot } from '../../src/base/version.js';
import { openDevice } from '../../src/engine/device.js';
import { GraphRunner } from '../../src/engine/graph_runner.js';
import { type Graph, GraphBuilder, nodeCost } from '../../src/graph/ir.js';
import { activation } from '../../src/graph/ops/activation.js';
import { conv2d } from '../../src/graph/ops/conv2d.js';
import { fill } from '../../src/graph/ops/fill.js';
import { globalMean } from '../../src/graph/ops/global_mean.js';
import { fillCase, type OpCase } from '../../test/cases/case.js';
import { differentiatedCase } from '../../test/cases/differentiated.js';
import { allCases } from '../../test/cases/index.js';
import { type BenchOptions, type Keep, median, short, withEnv } from './timing.js';

type Precision = BenchOptions['precisions'][number];

export interface Instruction {
  readonly label: string;
  readonly op: string;
  readonly seconds: number;
  readonly flops: number;
  readonly bytes: number;
}

export interface Peaks {
  /** Bytes read and written per second. */
  readonly copy: number;
  /** Operations per second by precision. */
  readonly product: Readonly<Record<string, number>>;
  readonly of: string;
}

const RUNS = 20;

/** Median seconds of each instruction; labels are those of the graph's nodes. */
async function instructionTimes(
  device: NativeDevice,
  graph: Graph,
  precision: Precision,
  feeds: ReadonlyMap<string, Float32Array | Float64Array>,
  runs: number,
): Promise<Instruction[]> {
  const runner = new GraphRunner(device, graph, precision);
  try {
    for (const { role, name } of graph.values)
      if ((role === 'parameter' || role === 'state') && feeds.has(name)) runner.set(name, feeds.get(name)!);
    const samples: { label: string; op: string; seconds: number }[][] = [];
    for (let run = 0; run < runs + 2; run++) {
      await runner.run(feeds);
      if (run >= 2) samples.push(runner.profile()); // the first ones choose engines
    }
    // a view is a node without an instruction
    const nodes = runner.graph.nodes.filter(({ op }) => op.name !== 'reshape');
    return nodes.map((node, i) => {
      const { label, op } = samples[0]![i]!;
      return { label, op, seconds: median(samples.map((s) => s[i]!.seconds)), ...nodeCost(runner.graph, node) };
    });
  } finally {
    runner.dispose();
  }
}

const noFeeds = new Map<string, Float32Array>();

/** Seconds of an instruction that writes one number: launch and waiting. */
async function emptyTime(device: NativeDevice, runs: number): Promise<number> {
  const builder = new GraphBuilder();
  builder.output('y', fill(builder, 1, [1, 1, 1, 1], 'nothing'));
  return (await instructionTimes(device, builder.build(), 'fp32', noFeeds, runs))[0]!.seconds;
}

async function ownCopyRate(device: NativeDevice, quick: boolean, runs: number): Promise<number> {
  const size = quick ? 16 : 4096; // 1 GiB of float32
  const builder = new GraphBuilder();
  const x = fill(builder, 1, [1, size, size, 16], 'fill');
  builder.output('mean', globalMean(builder, activation(builder, 'relu', x, 'copy'), 'mean'));
  const copy = (await instructionTimes(device, builder.build(), 'fp32', noFeeds, runs)).find(
    ({ label }) => label === 'copy',
  )!;
  return copy.bytes / copy.seconds;
}

async function ownProductRate(device: NativeDevice, precision: Precision, quick: boolean, runs: number) {
  const [side, channels] = quick ? [4, 16] : [128, 4096];
  const builder = new GraphBuilder();
  const x = builder.input('x', [1, side, side, channels]);
  const w = builder.parameter('w', [channels, channels, 1, 1]);
  const y = conv2d(builder, x, w, { bias: null, residual: null, activation: 'none', shuffle: 1 }, 'product');
  builder.output('mean', globalMean(builder, y, 'mean'));
  const random = (n: number) => Float32Array.from({ length: n }, () => Math.random() - 0.5);
  const feeds = new Map([
    ['x', random(side * side * channels)],
    ['w', random(channels * channels)],
  ]);
  const product = (await instructionTimes(device, builder.build(), precision, feeds, runs)).find(
    ({ label }) => label === 'product',
  )!;
  return product.flops / product.seconds;
}

async function measurePeaks(options: BenchOptions, runs: number): Promise<Peaks> {
  const product: Record<string, number> = {};
  let copy = 0;
  for (const precision of options.precisions) {
    const { device } = await openDevice({ kind: 'cuda', precision });
    try {
      if (copy === 0) copy = await ownCopyRate(device, options.quick, runs);
      product[precision] = await ownProductRate(device, precision, options.quick, runs);
    } finally {
      device.dispose();
    }
  }
  if (options.python === undefined) return { copy, product, of: 'bandlift' };
  const { stdout } = spawnSync(options.python, [join(projectRoot(), 'bench/peers/gpu_peak.py')], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const torch = JSON.parse(stdout || '{}') as Record<string, number>;
  for (const name of Object.keys(product)) product[name] = Math.max(product[name]!, torch[name] ?? 0);
  return { copy: Math.max(copy, torch.copy ?? 0), product, of: 'the better of bandlift and PyTorch' };
}

/** The cases that are timed: the realistic ones, or the last small one of each table. */
const timed = (cases: readonly OpCase[], quick: boolean) =>
  quick ? cases.filter((c) => c.bench !== true).slice(-1) : cases.filter((c) => c.bench === true);

export async function benchKernels(options: BenchOptions, keep: Keep): Promise<void> {
  const runs = options.quick ? 1 : RUNS;
  await withEnv({ BANDLIFT_PROFILE: '1' }, async () => {
    const peaks = await measurePeaks(options, runs);
    console.log(`peaks (${peaks.of}): copy ${short(peaks.copy / 1e9)} GB/s`);
    for (const [name, rate] of Object.entries(peaks.product))
      console.log(`  product ${name} ${short(rate / 1e12)} TFLOP/s`);
    const rows: object[] = [];
    const add = (row: object) => {
      rows.push(row);
      keep({ peaks, rows });
    };
    for (const precision of options.precisions)
      for (const provider of options.providers) await benchTables(options, precision, provider, peaks, runs, add);
  });
}

async function benchTables(
  options: BenchOptions,
  precision: Precision,
  provider: string,
  peaks: Peaks,
  runs: number,
  add: (row: object) => void,
): Promise<void> {
  // what is not a convolution does not depend on who computes those
  const tables = allCases.filter(
    ({ op }) => options.wanted(op) && (op === 'conv2d' || provider === options.providers[0]),
  );
  await withEnv({ BANDLIFT_CONV: provider }, async () => {
    const { device } = await openDevice({ kind: 'cuda', precision });
    try {
      const empty = await emptyTime(device, runs);
      for (const { op, cases } of tables)
        for (const c of timed(cases, options.quick)) {
          const graph = differentiatedCase(c);
          for (const i of await instructionTimes(device, graph, precision, fillCase(c, graph), runs)) {
            const seconds = Math.max(i.seconds - empty, 1e-9);
            const row = {
              ...{ table: op, case: c.name, precision, provider: op === 'conv2d' ? provider : '' },
              ...{ instruction: i.op, label: i.label, microseconds: 1e6 * seconds },
              ...{ tflops: i.flops / seconds / 1e12, gbPerSecond: i.bytes / seconds / 1e9 },
              ofCopy: i.bytes / seconds / peaks.copy,
              ofProduct: i.flops / seconds / peaks.product[precision]!,
            };
            add(row);
            console.log(
              `${precision} ${provider.padEnd(5)} ${i.op.padEnd(24)} ${c.name.slice(0, 48).padEnd(48)} ${short(row.microseconds).padStart(8)} us ` +
                `${short(row.tflops).padStart(7)} TFLOP/s (${short(100 * row.ofProduct)} %) ${short(row.gbPerSecond).padStart(6)} GB/s (${short(100 * row.ofCopy)} %)`,
            );
          }
        }
    } finally {
      device.dispose();
    }
  });
}
