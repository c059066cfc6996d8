/**
 * `npm run new:operator` in a copy of the sources: what it writes builds as it is, its cases pass on the CPU and on CUDA
 * under emulation, and a network with it predicts the same by tiles as whole. One build serves all: the emulated one.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { projectRoot } from '../../src/base/version.js';
import { temporaryFolder } from '../support/temporary.js';

const NAME = 'soft_curve';
const COPIED = ['src', 'native', 'bindings', 'cmake', 'test', 'bench', 'scripts'];
const FILES = ['CMakeLists.txt', 'package.json', 'tsconfig.json', 'vitest.config.ts', 'vitest.gpu.config.ts'];

/** Rows of a scene in two tiles, through a convolution before and behind the operator. */
const TILED = `
import { expect, it } from 'vitest';
import { openDevice } from '../../src/engine/device.js';
import { GraphRunner } from '../../src/engine/graph_runner.js';
import { Random } from '../../src/base/random.js';
import { elements, type Graph, GraphBuilder } from '../../src/graph/ir.js';
import { conv2d } from '../../src/graph/ops/conv2d.js';
import { softCurve } from '../../src/graph/ops/soft_curve.js';
import { segmentGraph } from '../../src/tiling/segments.js';
import { tileGraph } from '../../src/tiling/tile_graph.js';

const random = new Random(5);
const numbers = (count: number) => Float32Array.from({ length: count }, () => random.normal());
const WEIGHT = [3, 3, 3, 3] as const;
const [first, second] = [numbers(81), numbers(81)];
const scene = numbers(11 * 7 * 3);

it('soft_curve: two tiles make the whole', async () => {
  const b = new GraphBuilder();
  const x = conv2d(b, b.input('x', [1, 11, 7, 3]), b.parameter('first', WEIGHT), {}, 'before');
  b.output('y', conv2d(b, softCurve(b, x, 0.75, -0.5, 'curve'), b.parameter('second', WEIGHT), {}, 'behind'));
  const whole = b.build();
  const { device } = await openDevice({ kind: 'cpu' });
  const run = async (graph: Graph, feeds: Map<string, Float32Array>) => {
    const runner = new GraphRunner(device, graph);
    runner.set('first', first);
    runner.set('second', second);
    const results = await runner.run(feeds);
    runner.dispose();
    return results;
  };
  const expected = (await run(whole, new Map([['x', scene]]))).get('y')!;
  const segmented = segmentGraph(whole);
  expect(segmented.segments).toHaveLength(1);
  const rows: number[] = [];
  for (const [y0, y1] of [[0, 5], [5, 11]] as const) {
    const wanted = new Map([[whole.outputs.get('y')!, { y0, y1, x0: 0, x1: 7 }]]);
    const tile = tileGraph(segmented, segmented.segments[0]!, wanted);
    const [read] = tile.reads;
    // two kernels of 3: two rows more than are wanted, none beyond the scene
    expect([read!.region.y0, read!.region.y1]).toEqual([Math.max(0, y0 - 2), Math.min(11, y1 + 2)]);
    const part = scene.slice(read!.region.y0 * 21, read!.region.y1 * 21);
    const feeds = new Map([[read!.name, part], ...tile.tables.map(({ name, data }) => [name, data] as const)]);
    const [write] = tile.writes;
    const result = (await run(tile.graph, feeds)).get(write!.name)!;
    expect(result).toHaveLength(elements(write!.shape));
    rows.push(...result.slice((y0 - write!.region.y0) * 21, (y1 - write!.region.y0) * 21));
  }
  const largest = Math.max(...expected.map(Math.abs));
  // sums of 27 products in another order
  rows.forEach((value, i) => expect(Math.abs(value - expected[i]!)).toBeLessThanOrEqual(1e-5 * largest));
  expect(rows).toHaveLength(expected.length);
  device.dispose();
});
`;

describe('npm run new:operator', () => {
  const root = temporaryFolder();
  const addon = join(root, 'build/emulated/bandlift.node');

  function run(command: string, args: string[], env: Record<string, string> = {}): string {
    const options = { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28, env: { ...process.env, ...env } } as const;
    const { status, stdout, stderr } = spawnSync(command, args, options);
    if (status !== 0) throw new Error(`${command} ${args.join(' ')}: exit ${status}\n${stdout}\n${stderr}`);
    return stdout;
  }

  /** Names of the tests that passed; none may fail, and what `-t` leaves out is not counted. */
  function vitest(filter: string, files: string[], options: string[] = [], env: Record<string, string> = {}): string[] {
    const report = join(root, 'report.json');
    const program = join(root, 'node_modules/vitest/vitest.mjs');
    const output = ['--reporter=json', `--outputFile=${report}`, '-t', filter, ...options];
    run(process.execPath, [program, 'run', ...files, ...output], { ...env, BANDLIFT_ADDON: addon });
    const { testResults, numFailedTests } = JSON.parse(readFileSync(report, 'utf8'));
    expect(numFailedTests).toBe(0);
    const tests = testResults.flatMap((file: { assertionResults: unknown[] }) => file.assertionResults);
    return tests
      .filter((one: { status: string }) => one.status === 'passed')
      .map((one: { fullName: string }) => one.fullName);
  }

  beforeAll(() => {
    for (const name of [...COPIED, ...FILES]) cpSync(join(projectRoot(), name), join(root, name), { recursive: true });
    symlinkSync(join(projectRoot(), 'node_modules'), join(root, 'node_modules'));
    const written = run(process.execPath, ['scripts/new_operator.mjs', NAME]).trim().split('\n');
    // six files and the line that says what next
    expect(written.filter((line) => existsSync(join(root, line)) && line !== '')).toHaveLength(6);
    const ccache = spawnSync('ccache', ['--version']).status === 0 ? ['-DCMAKE_CXX_COMPILER_LAUNCHER=ccache'] : [];
    const options = ['-DBANDLIFT_EMULATED=ON', '-DBANDLIFT_ADDON=ON', ...ccache];
    run('cmake', ['-S', '.', '-B', 'build/emulated', ...options]);
    run('cmake', ['--build', 'build/emulated', '--target', 'bandlift', '--parallel', '2']);
  }, 3_600_000);

  it('writes an operator whose cases pass on the CPU', () => {
    const passed = vitest(`${NAME} on the device`, ['test/ops/cases.test.ts']);
    expect(passed.map((name) => name.replace(/^.*on the device /, ''))).toEqual([
      '[1,1,1,1]',
      '[1,1,1,340]',
      '[1,5,7,1]',
      '[3,1,13,7]',
      '[3,11,5,17]',
      '[2,7,3,37]',
    ]);
  });

  it('whose gradient rule agrees with finite differences, and whose lines agree with src/graph', () => {
    expect(vitest(`gradient rule of ${NAME}`, ['test/compiler/autodiff.test.ts'])).toHaveLength(6);
    expect(vitest(NAME, ['test/bindings/instructions.test.ts'])).toHaveLength(4);
  });

  it('whose cases pass on CUDA under emulation, in every precision', () => {
    const env = { BANDLIFT_GPU_WORKERS: '1', BANDLIFT_MEASURE: '0' };
    const passed = vitest(NAME, ['test/gpu/cases.test.ts'], ['--config', 'vitest.gpu.config.ts'], env);
    for (const precision of ['fp32', 'tf32', 'bf16', 'fp16'])
      expect(passed.filter((name) => name.includes(`in ${precision} `)).length, precision).toBeGreaterThanOrEqual(6);
  });

  it('and that predicts the same by tiles as whole', () => {
    writeFileSync(join(root, 'test/ops/tiled.test.ts'), TILED);
    expect(vitest('two tiles make the whole', ['test/ops/tiled.test.ts'])).toHaveLength(1);
  });

  it('refuses a name that is taken or cannot be one', () => {
    const refusal = (name: string) => {
      const { status, stderr } = spawnSync(process.execPath, ['scripts/new_operator.mjs', name], {
        cwd: root,
        encoding: 'utf8',
      });
      return [status, stderr.trim()];
    };
    expect(refusal(NAME)).toEqual([2, `error: there is an instruction '${NAME}_forward' already: choose another name`]);
    expect(refusal('resample')).toEqual([2, "error: there is an instruction 'resample' already: choose another name"]);
    expect(refusal('BandNorm')).toEqual([
      2,
      "error: the name is 'BandNorm', expected small letters, digits and single underscores, as in band_norm",
    ]);
  });
});
