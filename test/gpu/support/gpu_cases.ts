/** Runs an operator's case table on the GPU beside the float64 reference, three times with other numbers each time. */
import { afterAll, beforeAll, it } from 'vitest';
import type { NativeDevice } from '../../../bindings/addon.js';
import { openDevice } from '../../../src/engine/device.js';
import { GraphRunner } from '../../../src/engine/graph_runner.js';
import type { Precision } from '../../../src/engine/precision.js';
import { elements, type Graph, graphCost } from '../../../src/graph/ir.js';
import { fillCase, type OpCase, type OpCases } from '../../cases/case.js';
import { differentiatedCase } from '../../cases/differentiated.js';
import { expectClose, type Tolerance } from '../../support/allclose.js';
import { emulated, openGpu, precisions, providers } from './gpu.js';
import { relativeError } from './recorded.js';
import { ROUND, SPACING } from './rounding.js';
import { evaluateStored } from './stored_reference.js';

type Numbers = Float32Array | Float64Array;

/** Cases above this many operations are left to the native tests of the emulation and to a GPU; the stand-in is slower. */
const EMULATED_FLOPS: Readonly<Record<string, number>> = { own: 60e6, cudnn: 2e6 };

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
 * The table's own tolerance for float32; a stored number may also come out as its neighbour (relative), and what is made of
 * such numbers be off (absolute). Below its normal numbers fp16 has steps of 2^-24. tf32 rounds in convolutions only.
 */
function toleranceOf(table: OpCases, precision: Precision, expected: ArrayLike<number>): Tolerance {
  const { tolerance, op, storedSpacings = 0 } = table;
  if (precision === 'fp32' || (precision === 'tf32' && op !== 'conv2d')) return tolerance;
  let largest = 0;
  for (let i = 0; i < expected.length; i++) largest = Math.max(largest, Math.abs(expected[i]!));
  const spacing = SPACING[precision];
  return {
    absolute: tolerance.absolute + storedSpacings * spacing * largest + (precision === 'fp16' ? 2 ** -24 : 0),
    relative: tolerance.relative + spacing,
  };
}

/**
 * cuDNN may store the sum before bias, residual and ReLU: of 16-bit results that are 0 within rounding, a share of about half
 * a spacing, some pass the ReLU here and not there, with all of their gradient. Then only the whole can be compared: it is
 * off by the root of that share, one result at least of the `results` there are.
 */
interface StoredTwice {
  readonly spacing: number;
  readonly results: number;
}

function expectNear(
  actual: Numbers,
  expected: Numbers,
  tolerance: Tolerance,
  what: string,
  twice: StoredTwice | undefined,
): void {
  if (twice === undefined) {
    expectClose(actual, expected, tolerance, what);
    return;
  }
  const error = relativeError(actual, expected, tolerance.absolute * Math.sqrt(expected.length));
  const allowed = 2 * Math.sqrt(twice.spacing / 2 + 1 / twice.results);
  if (!(error <= allowed)) throw new Error(`${what}: off by ${error} of its length, allowed ${allowed}`);
}

function storedTwice(graph: Graph, table: OpCases, precision: Precision, provider: string): StoredTwice | undefined {
  const half = precision === 'bf16' || precision === 'fp16';
  if (table.op !== 'conv2d' || provider !== 'cudnn' || !half) return undefined;
  const [first] = graph.outputs.values();
  return { spacing: SPACING[precision], results: elements(graph.values[first!]!.shape) };
}

async function compare(
  device: NativeDevice,
  table: OpCases,
  c: OpCase,
  precision: Precision,
  provider: string,
): Promise<void> {
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
        expectNear(
          actual.get(name)!,
          numbers,
          toleranceOf(table, precision, numbers),
          `run ${k + 1}: ${name}`,
          storedTwice(graph, table, precision, provider),
        );
    }
  } finally {
    runner.dispose();
  }
}

/** Declares the table's tests in one precision, convolutions by `provider`. */
export function testTable(table: OpCases, precision: Precision, provider: string): void {
  let device: NativeDevice;
  beforeAll(async () => {
    device = (await openGpu(precision, provider)).device;
  });
  afterAll(() => device.dispose());
  const small = (c: OpCase) => !emulated || graphCost(differentiatedCase(c)).flops <= EMULATED_FLOPS[provider]!;
  for (const c of table.cases)
    if (c.bench !== true && small(c)) it(c.name, () => compare(device, table, c, precision, provider));
}

async function outputsOf(
  device: NativeDevice,
  graph: Graph,
  feeds: ReadonlyMap<string, Numbers>,
  precision: Precision,
) {
  const runner = new GraphRunner(device, graph, precision);
  try {
    for (const { role, name } of graph.values)
      if (role === 'parameter' || role === 'state') runner.set(name, feeds.get(name)!);
    return await runner.run(feeds);
  } finally {
    runner.dispose();
  }
}

/**
 * Realistic sizes, too slow for the reference: the CPU's kernels, which test/ops holds against it, stand in. The numbers are
 * those of bf16, which all precisions hold.
 */
export async function compareWithCpu(table: OpCases, c: OpCase): Promise<void> {
  const graph = differentiatedCase(c);
  const feeds = numbersOfRun(c, graph, 'bf16', 0);
  const cpu = (await openDevice({ kind: 'cpu' })).device;
  const expected = await outputsOf(cpu, graph, feeds, 'fp32');
  cpu.dispose();
  for (const precision of precisions)
    for (const provider of table.op === 'conv2d' ? providers : ['own']) {
      const { device } = await openGpu(precision, provider);
      try {
        const actual = await outputsOf(device, graph, feeds, precision);
        // the CPU rounded nothing in between, so that sums are made of numbers off by half a spacing of 16 bits or tf32
        const off = precision === 'fp32' || (precision === 'tf32' && table.op !== 'conv2d') ? 0 : SPACING[precision];
        for (const [name, numbers] of expected) {
          let largest = 0;
          for (const value of numbers) largest = Math.max(largest, Math.abs(value));
          // 1e-4: float32 sums over 65,536 pixels in another order; 2^-24: the smallest number of fp16
          const least = (off + 1e-4) * largest + (precision === 'fp16' ? 2 ** -24 : 0);
          const tolerance = {
            absolute: Math.max(table.tolerance.absolute, least),
            relative: table.tolerance.relative + off,
          };
          const what = `${precision} by ${provider}: ${name}`;
          expectNear(actual.get(name)!, numbers, tolerance, what, storedTwice(graph, table, precision, provider));
        }
      } finally {
        device.dispose();
      }
    }
}
