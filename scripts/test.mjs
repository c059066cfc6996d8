// The test command of the README: builds, then lint, types, native tests, unit tests, pipeline check; prints one summary
// line 'N passed, N failed, N skipped'. A skip is printed with its reason; with BANDLIFT_REQUIRE_ALL=1 (continuous
// integration) every skip but a missing GPU is a failure.
//   node scripts/test.mjs [--full] [--asan]     --full adds what takes long (test/support/long.ts), --asan the sanitizers,
//                                               emulated CUDA and Clang
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build, portableAddon, root } from './build.mjs';

const full = process.argv.includes('--full') || process.env.CI === 'true';
const asan = process.argv.includes('--asan') || process.env.CI === 'true';
const total = { passed: 0, failed: 0, skipped: 0 };
const summary = [];
/** What failed, told once more at the end, where it is found. */
const failures = [];
/** Lines of a failed program that are told again. */
const TOLD = 30;

function stage(name, counts, seconds) {
  for (const key of Object.keys(total)) total[key] += counts[key] ?? 0;
  summary.push(
    `${name.padEnd(28)} ${counts.passed ?? 0} passed, ${counts.failed ?? 0} failed, ${counts.skipped ?? 0} skipped  (${seconds.toFixed(0)} s)`,
  );
}

function run(name, command, args, { env = {}, count } = {}) {
  console.log(`\n== ${name}`);
  const started = Date.now();
  const result = spawnSync(command, args, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  const { stdout = '', stderr = '' } = result;
  process.stdout.write(stdout);
  process.stderr.write(stderr);
  let counts = count?.(stdout) ?? {
    passed: result.status === 0 ? 1 : 0,
    failed: result.status === 0 ? 0 : 1,
  };
  if (result.status !== 0 && !counts.failed) counts = { ...counts, failed: 1 };
  if (counts.failed > 0) {
    const ended = result.signal === null ? `exit ${result.status}` : `signal ${result.signal}`;
    const lines = `${stdout}\n${stderr}`.split('\n').filter((line) => line.trim() !== '');
    failures.push(`-- ${name}: ${result.error?.message ?? ended}\n${lines.slice(-TOLD).join('\n')}`);
  }
  stage(name, counts, (Date.now() - started) / 1000);
}

/** 'N passed, N failed' of native tests and of the checks of the CUDA build, from each of `programs` side by side. */
const countOf = (programs) => (text) => {
  const found = [...text.matchAll(/^(\d+) passed, (\d+) failed$/gm)];
  const sum = (group) => found.reduce((all, match) => all + Number(match[group]), 0);
  return { passed: sum(1), failed: sum(2) + (found.length === programs ? 0 : 1) };
};
const nativeCount = countOf(1);

/** The halves of a test program side by side on two cores, and how each ended. */
const inHalves = (program) =>
  `"${program}" 1/2 & first=$!; "${program}" 2/2; second=$?; wait $first; echo "the halves ended with $? and $second"`;

/** Why tests were skipped: the titles of skipped groups say so. */
function printSkips(data) {
  const reasons = new Map();
  for (const test of data.testResults.flatMap((file) => file.assertionResults)) {
    if (test.status === 'passed' || test.status === 'failed') continue;
    const reason = /\(skipped: (.*?)\)/.exec(test.fullName)?.[1] ?? `no reason given: ${test.fullName}`;
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  }
  for (const [reason, count] of reasons) console.log(`skipped: ${count} tests, ${reason}`);
}

// the addon of the packages (npm run prebuild -- --cuda), else this machine's own (npm run build:cuda)
const shipped = { cpu: process.arch, cuda: true };
const portable = existsSync(join(portableAddon(shipped), '../../.built'));
const cuda = portable || existsSync(join(root, 'build/cuda/.built'));
build({ tests: true, ...(portable ? { portable: [shipped] } : { cuda }) });
const withCuda = portable ? portableAddon(shipped) : join(root, 'build/cuda/Release/bandlift.node');
const node = process.execPath;
const bin = (path) => join(root, 'node_modules', path);
const scratch = mkdtempSync(join(tmpdir(), 'bandlift-test-'));

run('lint', node, [bin('@biomejs/biome/bin/biome'), 'check', '.']);
run('clang-format', node, ['scripts/clang_format.mjs']);
run('types', node, [bin('typescript/bin/tsc'), '-p', 'tsconfig.json', '--noEmit', '--incremental', 'false']);
run('imports point one way', node, ['scripts/check_imports.mjs']);
run('instruction-set symbols', node, ['scripts/check_isa_symbols.mjs']);
run('native tests', 'sh', ['-c', inHalves(join(root, 'build/release/native_tests'))], { count: countOf(2) });
if (cuda) {
  run('CUDA build', node, ['scripts/check_cubins.mjs', withCuda], { count: nativeCount });
  const archive = ['scripts/pack_gpu.mjs', '--no-build', '--check', '--addon', withCuda, '--out', scratch];
  run('archive for GPU machines', node, archive);
} else {
  console.log('\n== CUDA build: there is none (npm run prebuild -- --cuda, or npm run build:cuda)');
  if (process.env.BANDLIFT_REQUIRE_ALL === '1') stage('CUDA build', { failed: 1 }, 0);
}
if (asan) {
  run('sanitizer build', 'sh', [
    '-c',
    'cmake -S . -B build/asan -DBANDLIFT_ASAN=ON -DBANDLIFT_TESTS=ON -DBANDLIFT_ADDON=OFF >/dev/null && cmake --build build/asan --parallel 2 >/dev/null',
  ]);
  run('native tests, sanitizers', 'sh', ['-c', inHalves(join(root, 'build/asan/native_tests'))], {
    count: countOf(2),
    env: { ASAN_OPTIONS: 'detect_leaks=1', UBSAN_OPTIONS: 'print_stacktrace=1' },
  });
  run('emulated CUDA build', 'sh', [
    '-c',
    'cmake -S . -B build/emulated-asan -DBANDLIFT_EMULATED=ON -DBANDLIFT_ASAN=ON -DBANDLIFT_ADDON=OFF >/dev/null && cmake --build build/emulated-asan --parallel 2 >/dev/null',
  ]);
  // the CUDA sources as C++ (test/native/emulation), half of the tests on each of two cores
  const emulated = join(root, 'build/emulated-asan/emulated_tests');
  run('CUDA kernels, emulated', 'sh', ['-c', inHalves(emulated)], {
    count: countOf(2),
    env: { ASAN_OPTIONS: 'detect_leaks=1', UBSAN_OPTIONS: 'print_stacktrace=1' },
  });
} else console.log('\n== sanitizers, emulated CUDA and Clang: not asked for (npm test -- --asan)');

/** A run of vitest: `args` start it, and take where it writes its report. */
function runVitest(name, args, env = {}) {
  console.log(`\n== ${name}`);
  const report = join(scratch, `${name.replaceAll(/\W+/g, '_')}.json`);
  const started = Date.now();
  const result = spawnSync(node, [...args, '--reporter=default', '--reporter=json', `--outputFile.json=${report}`], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const counts = { passed: 0, failed: 0, skipped: 0 };
  if (existsSync(report)) {
    const data = JSON.parse(readFileSync(report, 'utf8'));
    counts.passed = data.numPassedTests;
    counts.failed =
      data.numFailedTests + (data.numFailedTestSuites > 0 && data.numFailedTests === 0 ? data.numFailedTestSuites : 0);
    counts.skipped = data.numPendingTests + data.numTodoTests;
    printSkips(data);
    for (const file of data.testResults) {
      for (const test of file.assertionResults.filter(({ status }) => status === 'failed'))
        failures.push(`-- ${file.name}: ${test.fullName}\n${(test.failureMessages?.[0] ?? '').slice(0, 2000)}`);
      // a file that could not be loaded has no tests
      if (file.status === 'failed' && file.assertionResults.length === 0)
        failures.push(`-- ${file.name}\n${(file.message ?? '').slice(0, 2000)}`);
    }
  }
  if (result.status !== 0 && counts.failed === 0) counts.failed = 1;
  stage(name, counts, (Date.now() - started) / 1000);
}

/** The README promises Clang too: addon and native tests, plain and with sanitizers; a warning is an error. */
function testClang() {
  const names = ['clang++', ...[14, 15, 16, 17, 18, 19, 20, 21].map((version) => `clang++-${version}`)];
  const clang = names.find((name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0);
  if (clang === undefined) {
    console.log('\n== Clang: there is none (apt-get install clang)');
    if (process.env.BANDLIFT_REQUIRE_ALL === '1') stage('Clang', { failed: 1 }, 0);
    return;
  }
  for (const [folder, kind, options] of [
    ['clang', 'Clang', '-DBANDLIFT_ADDON=ON'],
    ['clang-asan', 'Clang sanitizer', '-DBANDLIFT_ADDON=OFF -DBANDLIFT_ASAN=ON'],
  ]) {
    const tests = `build/${folder}/native_tests`;
    const targets = folder === 'clang' ? 'native_tests bandlift' : 'native_tests';
    run(`${kind} build`, 'sh', [
      '-c',
      `cmake -S . -B build/${folder} -DCMAKE_CXX_COMPILER=${clang} -DCMAKE_CXX_FLAGS=-Werror -DBANDLIFT_TESTS=ON ${options} >/dev/null && cmake --build build/${folder} --target ${targets} --parallel 2 >/dev/null`,
    ]);
    run(`${kind} native tests`, 'sh', ['-c', inHalves(tests)], {
      count: countOf(2),
      env: { ASAN_OPTIONS: 'detect_leaks=1', UBSAN_OPTIONS: 'print_stacktrace=1' },
    });
  }
  runVitest('Clang golden numbers', [bin('vitest/vitest.mjs'), 'run', 'test/engine/golden_isas.test.ts'], {
    BANDLIFT_ADDON: join(root, 'build/clang/bandlift.node'),
  });
}

runVitest('unit tests', [bin('vitest/vitest.mjs'), 'run'], full ? { BANDLIFT_FULL: '1' } : {});
if (!full) console.log('\n== long cases: not asked for (npm run test:full)');
if (asan) testClang();
if (asan) run('the GPU tests, emulated', node, ['scripts/emulated.mjs'], { count: nativeCount });
rmSync(scratch, { recursive: true, force: true });

// the addon without CUDA: the tests above load the one with it, where it was built
run('pipeline check', node, ['scripts/bandlift.mjs', 'check-pipeline'], {
  env: { BANDLIFT_ADDON: join(root, 'build/release/Release/bandlift.node') },
});

if (failures.length > 0) console.log(`\n== what failed\n${failures.join('\n\n')}`);
console.log(`\n${summary.join('\n')}\n`);
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = total.failed > 0 ? 1 : 0;
