// `npm run test:gpu`, on a machine with an NVIDIA GPU: test/gpu on the addon with CUDA part by part, the operators' cases once
// more under compute-sanitizer, results into bench/results/gpu_tests_<gpu>.json, which is written anew after each part.
//   node scripts/test_gpu.mjs [--no-build] [--addon FILE] [--out FILE] [--only PART,...] [--precision fp32,...] [--name PATTERN]
//                             [--limit SECONDS] [--no-sanitizer]
// Parts are the files of test/gpu, 'measured' (training with engines of convolutions chosen by measurement; elsewhere cuDNN's
// first proposal is taken, which takes minutes less), 'memcheck' and 'racecheck'. What --limit cuts off counts as failed.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import {
  cudaAddon,
  machineOf,
  openAddon,
  outFile,
  root,
  runTests,
  slug,
  stop,
  withFolder,
  writeJson,
} from './gpu_run.mjs';

/** Whatever tells most in the least time comes first. */
const FIRST = ['rounding', 'faults', 'cases', 'golden', 'training', 'memory'];
const FILES = readdirSync(join(root, 'test/gpu'))
  .filter((name) => name.endsWith('.test.ts'))
  .map((name) => name.slice(0, -'.test.ts'.length));
const TOOLS = ['memcheck', 'racecheck'];
const PARTS = [...FIRST, ...FILES.filter((name) => !FIRST.includes(name)), 'measured', ...TOOLS];

const { values } = parseArgs({
  options: {
    'no-build': { type: 'boolean' },
    'no-sanitizer': { type: 'boolean' },
    addon: { type: 'string' },
    out: { type: 'string' },
    only: { type: 'string' },
    precision: { type: 'string' },
    name: { type: 'string' },
    limit: { type: 'string' },
  },
});
const asked = values.only?.split(',') ?? PARTS;
for (const part of asked) if (!PARTS.includes(part)) stop(`error: no part '${part}'; there are ${PARTS.join(', ')}`, 1);
const limit = values.limit === undefined ? Infinity : Number(values.limit);
if (!(limit > 0)) stop(`error: --limit is '${values.limit}', expected a number of seconds`, 1);
const started = performance.now();
const passed = () => (performance.now() - started) / 1000;

if (!values['no-build']) (await import('./build.mjs')).build({ cuda: true });
const addon = resolve(values.addon ?? cudaAddon);
const machine = machineOf(await openAddon(addon, 'Nothing was tested.'));
const out = outFile(values.out, `bench/results/gpu_tests_${slug(machine.gpu)}.json`);
console.log(`${machine.gpu}, driver ${machine.driver || 'of an unknown version'}, cuDNN ${machine.cudnn}`);

/** Errors that compute-sanitizer counted in all processes, from its log files. */
function countErrors(folder) {
  const texts = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8'));
  const found = texts.flatMap((text) => [...text.matchAll(/(?:ERROR|RACECHECK) SUMMARY: (\d+) (?:errors?|hazards?)/g)]);
  const errors = found.reduce((sum, match) => sum + Number(match[1]), 0);
  const first = texts
    .flatMap((text) => text.split('\n'))
    .filter((line) => /=========\s+(Invalid|Error|Race|Program hit)/.test(line));
  return { processes: found.length, errors, first: first.slice(0, 5) };
}

const hasSanitizer = () => spawnSync('compute-sanitizer', ['--version'], { stdio: 'ignore' }).status === 0;

/** memcheck or racecheck over the operators' cases; kernels are a hundred times slower then. */
async function sanitize(tool, scratch, options) {
  if (!hasSanitizer())
    return { ran: false, reason: 'compute-sanitizer is not on PATH (it comes with the CUDA toolkit)' };
  const logs = join(scratch, tool);
  mkdirSync(logs);
  const counts = await runTests(scratch, {
    ...options,
    only: ['test/gpu/cases.test.ts'],
    env: { ...options.env, BANDLIFT_SANITIZED: '1' },
    prefix: ['compute-sanitizer', '--tool', tool, '--target-processes', 'all', '--log-file', join(logs, '%p.log')],
  });
  const sanitizer = countErrors(logs);
  for (const line of sanitizer.first) console.log(line);
  // no summary at all: the tool did not work on this machine
  const problem = sanitizer.errors > 0 ? `${sanitizer.errors} errors` : sanitizer.processes === 0 ? 'no summary' : '';
  if (problem) counts.failures.push({ name: tool, errors: [problem, ...sanitizer.first] });
  return { ...counts, failed: counts.failures.length, sanitizer };
}

function runPart(part, scratch) {
  const env = {
    BANDLIFT_ADDON: addon,
    ...(part === 'measured' ? {} : { BANDLIFT_MEASURE: '0' }),
    ...(values.precision ? { BANDLIFT_GPU_PRECISIONS: values.precision } : {}),
  };
  const options = { env, args: values.name ? ['-t', values.name] : [], seconds: limit - passed() };
  if (TOOLS.includes(part)) return sanitize(part, scratch, options);
  return runTests(scratch, { ...options, only: [`test/gpu/${part === 'measured' ? 'training' : part}.test.ts`] });
}

const result = { machine, passed: 0, failed: 0, skipped: 0, parts: {} };
await withFolder(async (scratch) => {
  for (const part of PARTS) {
    if (!asked.includes(part) || (TOOLS.includes(part) && values['no-sanitizer'])) continue;
    const from = passed();
    if (from >= limit) {
      result.parts[part] = { ran: false, reason: `not begun within ${limit} s`, failed: 1 };
      result.failed++;
      continue;
    }
    console.log(`\n== ${part}`);
    const counts = await runPart(part, scratch);
    result.parts[part] = { ran: true, ...counts, seconds: passed() - from };
    for (const what of ['passed', 'failed', 'skipped']) result[what] += counts[what] ?? 0;
    writeJson(out, result);
  }
});
writeJson(out, result);

for (const [part, { ran, reason, failures = [], skips = [] }] of Object.entries(result.parts)) {
  if (!ran) console.log(`${part} did not run: ${reason}`);
  for (const { name, errors } of failures) console.log(`FAIL ${part}: ${name}: ${errors[0] ?? ''}`);
  for (const skip of skips) console.log(`${part}: skipped: ${skip}`);
}
console.log(`written: ${out}\n${result.passed} passed, ${result.failed} failed, ${result.skipped} skipped`);
process.exitCode = result.failed > 0 ? 1 : 0;
