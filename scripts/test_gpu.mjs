// `npm run test:gpu`, on a machine with an NVIDIA GPU: test/gpu on the addon with CUDA, the operators' cases once more under
// compute-sanitizer, results into bench/results/gpu_tests_<gpu>.json.
//   node scripts/test_gpu.mjs [--no-build] [--no-sanitizer] [--addon FILE] [--out FILE]
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { cudaAddon, machineOf, openAddon, root, runTests, slug, withFolder } from './gpu_run.mjs';

const { values } = parseArgs({
  options: {
    'no-build': { type: 'boolean' },
    'no-sanitizer': { type: 'boolean' },
    addon: { type: 'string' },
    out: { type: 'string' },
  },
});
if (!values['no-build']) (await import('./build.mjs')).build({ cuda: true });
const addon = resolve(values.addon ?? cudaAddon);
const report = await openAddon(addon, 'Nothing was tested.');
const machine = machineOf(report);
console.log(`${machine.gpu}, driver ${machine.driver || 'of an unknown version'}, cuDNN ${machine.cudnn}`);

/** Errors that compute-sanitizer counted in all processes, from its log files. */
function countErrors(folder) {
  const texts = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8'));
  const found = texts.flatMap((text) => [...text.matchAll(/(?:ERROR|RACECHECK) SUMMARY: (\d+) (?:errors?|hazards?)/g)]);
  const errors = found.reduce((sum, match) => sum + Number(match[1]), 0);
  const first = texts
    .flatMap((text) => text.split('\n'))
    .filter((line) => /=========\s+(Invalid|Error|Race)/.test(line));
  return { processes: found.length, errors, first: first.slice(0, 5) };
}

/** memcheck and racecheck over the operators' cases; kernels are a hundred times slower then. */
function sanitize(scratch) {
  if (values['no-sanitizer']) return { ran: false, reason: 'not asked for' };
  if (spawnSync('compute-sanitizer', ['--version'], { stdio: 'ignore' }).status !== 0)
    return { ran: false, reason: 'compute-sanitizer is not on PATH (it comes with the CUDA toolkit)' };
  const tools = {};
  for (const tool of ['memcheck', 'racecheck']) {
    console.log(`\n== compute-sanitizer --tool ${tool}`);
    const logs = join(scratch, tool);
    mkdirSync(logs);
    const counts = runTests(scratch, {
      only: ['test/gpu/cases.test.ts'],
      env: { BANDLIFT_SANITIZED: '1', BANDLIFT_CONV: 'own' },
      prefix: ['compute-sanitizer', '--tool', tool, '--target-processes', 'all', '--log-file', join(logs, '%p.log')],
    });
    const { processes, errors, first } = countErrors(logs);
    for (const line of first) console.log(line);
    // no summary at all: the tool did not work on this machine
    tools[tool] = { ...counts, processes, errors, ok: counts.failed === 0 && errors === 0 && processes > 0 };
  }
  return { ran: true, ...tools };
}

const result = await withFolder((scratch) => {
  const tests = runTests(scratch, { env: { BANDLIFT_ADDON: addon } });
  return { machine, ...tests, sanitizer: sanitize(scratch) };
});
const out = values.out ?? join(root, `bench/results/gpu_tests_${slug(machine.gpu)}.json`);
mkdirSync(dirname(out), { recursive: true });
writeFileSync(`${out}.tmp`, `${JSON.stringify(result, null, 1)}\n`);
renameSync(`${out}.tmp`, out);

for (const failure of result.failures) console.log(`FAIL ${failure}`);
for (const reason of result.skips) console.log(`skipped: ${reason}`);
const { sanitizer } = result;
if (!sanitizer.ran) console.log(`compute-sanitizer did not run: ${sanitizer.reason}`);
else
  for (const tool of ['memcheck', 'racecheck'])
    console.log(
      `${tool}: ${sanitizer[tool].errors} errors in ${sanitizer[tool].processes} processes, ${sanitizer[tool].failed} tests failed`,
    );
const bad = result.failed > 0 || (sanitizer.ran && !(sanitizer.memcheck.ok && sanitizer.racecheck.ok));
console.log(
  `${existsSync(out) ? `written: ${out}\n` : ''}${result.passed} passed, ${result.failed} failed, ${result.skipped} skipped`,
);
process.exitCode = bad ? 1 : 0;
