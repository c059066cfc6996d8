// What the scripts for GPUs share: what an addon says of this machine, and runs of test/gpu with counts of what passed.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
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

/** --out as the caller meant it: run.sh of the archive changes folders. */
export const outFile = (given, otherwise) =>
  given === undefined ? join(root, otherwise) : resolve(process.env.BANDLIFT_CALLED_FROM ?? '.', given);

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

/** Ends a process that is running too long, first kindly. */
function endAfter(child, seconds) {
  const timers = [
    setTimeout(() => child.kill('SIGTERM'), seconds * 1000),
    setTimeout(() => child.kill('SIGKILL'), (seconds + 10) * 1000),
  ];
  return () => timers.forEach(clearTimeout);
}

/** Runs a command to its end, or for `seconds`. */
function command([program, ...args], options, seconds) {
  return new Promise((resolve) => {
    const child = spawn(program, args, options);
    const stop = Number.isFinite(seconds) ? endAfter(child, seconds) : () => {};
    child.on('error', (error) => resolve({ status: null, why: error.message }));
    child.on('close', (status, signal) => {
      stop();
      resolve({ status, why: signal ? `stopped (${signal})` : `exit code ${status}` });
    });
  });
}

/** The lines that gpu_reporter.mjs wrote; the last one may be cut off. */
function readLog(file) {
  if (!existsSync(file)) return [];
  const whole = readFileSync(file, 'utf8').split('\n').slice(0, -1);
  return whole.map((line) => JSON.parse(line));
}

/**
 * Runs test/gpu (files matching `only`, for at most `seconds`); choices that are measured go into `folder`, not into the user's
 * cache, unless BANDLIFT_CACHE_DIR names one. `prefix` is a command to run it under, `args` are vitest's. Returns counts,
 * what failed, the slowest, and why tests were skipped.
 */
export async function runTests(folder, { only = [], env = {}, prefix = [], args = [], seconds = Infinity } = {}) {
  const log = join(folder, 'tests.jsonl');
  rmSync(log, { force: true });
  const vitest = [process.execPath, join(root, 'node_modules/vitest/vitest.mjs'), 'run', '-c', 'vitest.gpu.config.ts'];
  const reporters = ['--reporter=default', `--reporter=${join(root, 'scripts/gpu_reporter.mjs')}`];
  const caches = { BANDLIFT_CACHE_DIR: join(folder, 'cache'), BANDLIFT_TEST_LOG: log };
  const { status, why } = await command(
    [...prefix, ...vitest, ...reporters, ...args, ...only],
    {
      cwd: root,
      env: { ...caches, ...process.env, ...env, BANDLIFT_TEST_LOG: log },
      stdio: ['ignore', 'inherit', 'inherit'],
    },
    seconds,
  );
  const tests = readLog(log);
  const of = (...states) => tests.filter(({ state }) => states.includes(state));
  const failures = of('failed').map(({ name, errors }) => ({ name, errors }));
  if (status !== 0 && (failures.length === 0 || status === null)) failures.push({ name: 'vitest', errors: [why] });
  if (tests.length === 0) failures.push({ name: 'vitest', errors: ['no test ran'] });
  const skips = of('skipped').map(({ name }) => /\(skipped: (.*?)\)/.exec(name)?.[1] ?? `no reason: ${name}`);
  const slowest = of('passed', 'failed').sort((a, b) => b.seconds - a.seconds);
  return {
    ...{ passed: of('passed').length, failed: failures.length, skipped: of('skipped').length, failures },
    ...{
      skips: [...new Set(skips)],
      slowest: slowest.slice(0, 10).map(({ name, seconds: s }) => ({ name, seconds: s })),
    },
  };
}

/** Replaces `file` by `value` as JSON, whole or not at all. */
export function writeJson(file, value) {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(`${file}.tmp`, `${JSON.stringify(value, null, 1)}\n`);
  renameSync(`${file}.tmp`, file);
}
