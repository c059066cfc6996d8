// What the scripts for GPUs share: what an addon says of this machine, and runs of test/gpu with counts of what passed.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
export const cudaAddon = join(root, 'build/cuda/Release/bandlift.node');

/** Ends the process with one line. Exit code 2: nothing was wrong but the machine. */
export function stop(text, code = 2) {
  process.stderr.write(`${text}\n`);
  process.exit(code);
}

/** The folder of the cuDNN that came with the Python on PATH (its PyTorch's, say); '' where there is none. */
function cudnnOfPython() {
  const program = [
    'import glob, os, sysconfig',
    "found = glob.glob(os.path.join(sysconfig.get_paths()['purelib'], 'nvidia', '*', 'lib', 'libcudnn.so.9'))",
    "print(os.path.dirname(found[0]) if found else '')",
  ];
  const python = process.env.BANDLIFT_PEERS_PYTHON ?? 'python3';
  return spawnSync(python, ['-c', program.join('\n')], { encoding: 'utf8' }).stdout?.trim() ?? '';
}

/** The addon's cudaReport, with libraries; stops without a GPU, saying `otherwise`. */
export async function openAddon(path, otherwise) {
  if (!existsSync(path)) stop(`error: ${path} is missing: npm run build:cuda`, 1);
  process.env.BANDLIFT_ADDON = path;
  const { libraryFolders } = await import(join(root, 'dist/bindings/load.js'));
  const addon = createRequire(import.meta.url)(path);
  const report = addon.cudaReport(libraryFolders());
  const reason = report.built ? report.reason : 'this addon was built without CUDA';
  if (reason !== '') stop(`no GPU: ${reason}. ${otherwise}`);
  const cudnn = report.libraries.find(({ name }) => name === 'cuDNN');
  if (process.env.BANDLIFT_CUDNN !== undefined || cudnn.path !== '') return report;
  const folder = cudnnOfPython();
  if (folder === '') return report;
  process.env.BANDLIFT_CUDNN = folder;
  return addon.cudaReport(libraryFolders());
}

/** "nvidia_h200" for file names. */
export const slug = (name) => name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '_');

/** The machine's part of a result file. */
export function machineOf(report) {
  const gpu = report.devices.find(({ usable }) => usable);
  const query = spawnSync('nvidia-smi', ['--query-gpu=driver_version', '--format=csv,noheader', `--id=${gpu.index}`], {
    encoding: 'utf8',
  });
  const library = (name) => report.libraries.find((found) => found.name === name)?.version || 'none';
  return {
    gpu: gpu.name,
    compute_capability: gpu.computeCapability,
    memory_bytes: gpu.memoryBytes,
    driver: query.status === 0 ? query.stdout.trim() : '',
    driver_cuda: report.driver,
    cuda_runtime: report.runtime,
    cudnn: library('cuDNN'),
    node: process.versions.node,
    bandlift: JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version,
    date: new Date().toISOString(),
  };
}

/** A folder that is removed when `body` is done. */
export async function withFolder(body) {
  const folder = mkdtempSync(join(tmpdir(), 'bandlift-gpu-'));
  try {
    return await body(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Runs test/gpu (files matching `only`); choices that are measured go into `folder`, not into the user's
 * cache. `prefix` is a command to run it under. Returns counts, what failed, and why tests were skipped.
 */
export function runTests(folder, { only = [], env = {}, prefix = [] } = {}) {
  const file = join(folder, 'vitest.json');
  rmSync(file, { force: true });
  const command = [
    ...prefix,
    process.execPath,
    join(root, 'node_modules/vitest/vitest.mjs'),
    ...['run', '-c', 'vitest.gpu.config.ts', '--reporter=default', '--reporter=json', `--outputFile.json=${file}`],
    ...only,
  ];
  const { status } = spawnSync(command[0], command.slice(1), {
    cwd: root,
    env: { ...process.env, BANDLIFT_CACHE_DIR: join(folder, 'cache'), ...env },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (!existsSync(file)) return { passed: 0, failed: 1, skipped: 0, failures: ['the tests did not run'], skips: [] };
  const data = JSON.parse(readFileSync(file, 'utf8'));
  const tests = data.testResults.flatMap(({ assertionResults }) => assertionResults);
  const failures = tests.filter((test) => test.status === 'failed').map((test) => test.fullName);
  // a file that cannot be loaded has no tests
  for (const { name, status: result, assertionResults, message } of data.testResults)
    if (result === 'failed' && assertionResults.length === 0) failures.push(`${name}: ${message}`);
  if (status !== 0 && failures.length === 0) failures.push(`vitest ended with exit code ${status}`);
  const skipped = tests.filter(({ status: result }) => result !== 'passed' && result !== 'failed');
  const reasons = skipped.map(({ fullName }) => /\(skipped: (.*?)\)/.exec(fullName)?.[1] ?? `no reason: ${fullName}`);
  return {
    passed: data.numPassedTests,
    failed: failures.length,
    skipped: skipped.length,
    failures,
    skips: [...new Set(reasons)],
  };
}
