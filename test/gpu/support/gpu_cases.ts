/** Runs an operator's case table on the GPU beside the float64 reference, three times with other numbers each time. */
import { afterAll, beforeAll, it } from 'vitest';
import type { NativeDevice } from '../../../bindings/addon.js';
import { openDevice } from '../../../src/engine/device.js';
import { GraphRunner } from '../../../src/engine/graph_runner.js';
import type { Precision } from '../../../src/engine/precision.js';
import { type Graph, graphCost } from '../../../src/graph/ir.js';
import { fillCase, type OpCase, type OpCases } from '../../cases/case.js';
import { differentiatedCase } from '../../cases/differentiated.js';
import { expectClose, type Tolerance } from '../../support/allclose.js';
import { emulated, openGpu, sanitized } from './gpu.js';
import { ROUND, SPACING } from './rounding.js';
import { evaluateStored } from './stored_reference.js';

type Numbers = Float32Array | Float64Array;

/** Cases above this many operations are left to the native tests of the emulation and to a GPU. */
const EMULATED_FLOPS = 60e6;

/** The numbers of run k: the case's own, then moved along and scaled by a power of two, rounded as the precision does. */
function numbersOfRun(c: OpCase, graph: Graph, precision: Precision, k: number): Map<string, Numbers> {
  const round = ROUND[precision];
  const change = (numbers: Numbers): Numbers => {
    if (numbers instanceof Float64Array) return numbers; // counts and sums
    const n = numbers.length;
    const isMask = numbers.every((v) => v === 0 || v === 1);
    const scale = isMask ? 1 : [1, 0.5, 2][k]!;
    return Float32Array.from(numbers, (_, i) => round(scale * numbers[(i + 37 * k) % n]!));
  };
  return new Map([...fillCase(c, graph)].map(([name, numbers]) => [name, change(numbers)]));
}

/**
 * What a result may be off by, in spacings of the storage type at the largest result, where sums or slopes are made of
 * stored numbers that may themselves come out as their neighbours:
 * conv2d: sums of them, whose errors go both ways; cuDNN stores the sum once more before bias and residual;
 * activation: the slope y (1 - y) of a sigmoid near 1, where y is next to the last number below 1;
 * softmax_mixing: a difference of two sums over them.
 */
const OF_STORED: Readonly<Record<string, number>> = { conv2d: 0.25, activation: 2, softmax_mixing: 1 };

/**
 * The table's own tolerance for float32; a stored number may also come out as its neighbour (relative), and what is made of
 * such numbers be off (absolute). Below its normal numbers fp16 has steps of 2^-24. tf32 rounds in convolutions only.
 */
function toleranceOf(table: OpCases, precision: Precision, expected: ArrayLike<number>): Tolerance {
  const { tolerance, op } = table;
  if (precision === 'fp32' || (precision === 'tf32' && op !== 'conv2d')) return tolerance;
  let largest = 0;
  for (let i = 0; i < expected.length; i++) largest = Math.max(largest, Math.abs(expected[i]!));
  const spacing = SPACING[precision];
  return {
    absolute: tolerance.absolute + (OF_STORED[op] ?? 0) * spacing * largest + (precision === 'fp16' ? 2 ** -24 : 0),
    relative: tolerance.relative + spacing,
  };
}

async function compare(device: NativeDevice, table: OpCases, c: OpCase, precision: Precision): Promise<void> {
  const graph = differentiatedCase(c);
  const runner = new GraphRunner(device, graph, precision);
  try {
    for (let k = 0; k < 3; k++) {
      const feeds = numbersOfRun(c, graph, precision, k);
      const expected = evaluateStored(runner.graph, feeds);
      for (const { role, name } of graph.values)
        if (role === 'parameter' || role === 'state') runner.set(name, feeds.get(name)!);
      const actual = await runner.run(feeds);
      for (const [name, numbers] of expected)
        expectClose(actual.get(name)!, numbers, toleranceOf(table, precision, numbers), `run ${k + 1}: ${name}`);
    }
  } finally {
    runner.dispose();
  }
}

/** Realistic sizes, too slow for the reference: the CPU's kernels, which test/ops holds against it, stand in. */
async function compareWithCpu(
  devices: { gpu: NativeDevice; cpu: NativeDevice },
  table: OpCases,
  c: OpCase,
  precision: Precision,
): Promise<void> {
  const graph = differentiatedCase(c);
  const feeds = numbersOfRun(c, graph, precision, 0);
  const results = [];
  for (const [device, arithmetic] of [
    [devices.cpu, 'fp32'],
    [devices.gpu, precision],
  ] as const) {
    const runner = new GraphRunner(device, graph, arithmetic);
    try {
      for (const { role, name } of graph.values)
        if (role === 'parameter' || role === 'state') runner.set(name, feeds.get(name)!);
      results.push(await runner.run(feeds));
    } finally {
      runner.dispose();
    }
  }
  // nothing was rounded in between on the CPU, so that everything is made of numbers off by half a spacing
  const off = precision === 'fp32' || (precision === 'tf32' && table.op !== 'conv2d') ? 0 : SPACING[precision];
  for (const [name, expected] of results[0]!) {
    let largest = 0;
    for (const value of expected) largest = Math.max(largest, Math.abs(value));
    const { absolute, relative } = table.tolerance;
    const tolerance = { absolute: Math.max(absolute, 1e-5 * largest) + off * largest, relative: relative + off };
    expectClose(results[1]!.get(name)!, expected, tolerance, name);
  }
}

/** Declares the table's tests in one precision, convolutions by `provider`. */
export function testTable(table: OpCases, precision: Precision, provider: string): void {
  const devices = {} as { gpu: NativeDevice; cpu: NativeDevice };
  beforeAll(async () => {
    devices.gpu = (await openGpu(precision, provider)).device;
    devices.cpu = (await openDevice({ kind: 'cpu' })).device;
  });
  afterAll(() => {
    devices.gpu.dispose();
    devices.cpu.dispose();
  });
  const small = (c: OpCase) => !emulated || graphCost(differentiatedCase(c)).flops <= EMULATED_FLOPS;
  for (const c of table.cases) {
    if (c.bench !== true && small(c)) it(c.name, () => compare(devices.gpu, table, c, precision));
    if (c.bench === true && !emulated && !sanitized)
      it(`${c.name} beside the CPU`, () => compareWithCpu(devices, table, c, precision));
  }
}
