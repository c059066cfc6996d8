// Installs and builds whatever is missing or older than its sources. Needs nothing but Node: run it on a fresh clone.
//   node scripts/build.mjs [--tests] [--cuda]      --tests also builds the native tests and benchmarks, --cuda the addon
//                                                  with the CUDA backend (its compiler too, where there is none);
//                                                  --quiet says nothing where nothing is missing
// Messages go to stderr, so that commands with --json keep stdout clean.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { assembledNvcc, installedNvcc, nvccMajor } from './cuda_toolkit.mjs';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
const addon = join(root, 'build/release/Release/bandlift.node');
const cudaAddon = join(root, 'build/cuda/Release/bandlift.node');

const say = (text) => process.stderr.write(`${text}\n`);

/** Ends the process with one line that says what is missing and how to get it. */
function stop(text) {
  say(`error: ${text}`);
  process.exit(1);
}

function run(title, command, args, options = {}) {
  say(`${title} ...`);
  const result = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2], ...options });
  if (result.error) stop(`${title}: cannot start ${command}: ${result.error.message}`);
  if (result.signal) process.exit(130);
  if (result.status !== 0)
    stop(`${title} failed (${command} ${args.join(' ')}, exit ${result.status}); the messages above say why`);
}

const found = (command) => spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0;

/** Newest modification time below the given files and folders, of names that match. */
function newest(paths, pattern) {
  let time = 0;
  const visit = (path) => {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (!stat) return;
    if (stat.isDirectory()) for (const name of readdirSync(path)) visit(join(path, name));
    else if (pattern.test(path)) time = Math.max(time, stat.mtimeMs);
  };
  for (const path of paths) visit(join(root, path));
  return time;
}

/** Marks a finished build with the time it started, so that a source edited meanwhile counts as newer. */
function markBuilt(stamp, started) {
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, '');
  utimesSync(stamp, started, started);
}

const modified = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;

function installPackages() {
  const installed = join(root, 'node_modules/.package-lock.json');
  if (modified(installed) > 0 && modified(installed) >= modified(join(root, 'package-lock.json'))) return;
  run('installing packages (npm ci)', 'npm', ['ci', '--no-fund', '--no-audit', '--loglevel=error']);
}

/**
 * CMake refuses a build folder that was moved with its checkout, cmake-js one whose configuration failed, and neither
 * changes its compiler: such a folder is made anew.
 */
function forgetUselessBuild(folder, nvcc) {
  if (!existsSync(folder)) return;
  const file = join(folder, 'CMakeCache.txt');
  const cache = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const made = /^CMAKE_CACHEFILE_DIR:INTERNAL=(.*)$/m.exec(cache)?.[1];
  const compiler = /^CMAKE_CUDA_COMPILER:\w+=(.*)$/m.exec(cache)?.[1];
  const configured = ['build.ninja', 'Makefile'].some((name) => existsSync(join(folder, name)));
  if (made !== folder || !configured || compiler !== nvcc) rmSync(folder, { recursive: true });
}

function needBuildTools() {
  if (!found('cmake'))
    stop(
      'CMake is missing. Debian/Ubuntu: apt-get install cmake; RHEL/Rocky: dnf install cmake; macOS: brew install cmake',
    );
  if (!['c++', 'g++', 'clang++'].some(found) && !process.env.CXX)
    stop(
      'a C++ compiler is missing. Debian/Ubuntu: apt-get install g++ make; RHEL/Rocky: dnf install gcc-c++ make; macOS: xcode-select --install',
    );
  if (!found('ninja') && !found('make'))
    stop('make is missing. Debian/Ubuntu: apt-get install make; RHEL/Rocky: dnf install make');
}

/** cmake-js in build/<name>; build/<name>/.built then has the time the build started. */
function buildAddon(title, name, { nvcc, options = [] } = {}) {
  needBuildTools();
  const folder = join(root, 'build', name);
  forgetUselessBuild(folder, nvcc);
  mkdirSync(folder, { recursive: true });
  const started = new Date();
  const cmakeJs = join(root, 'node_modules/cmake-js/bin/cmake-js');
  run(title, process.execPath, [cmakeJs, 'build', '-O', `build/${name}`, '--log-level', 'warn', ...options], {
    env: nvcc ? { ...process.env, CUDACXX: nvcc } : process.env,
  });
  const made = join(folder, 'Release/bandlift.node');
  if (!existsSync(made)) stop(`the build made no ${made}`);
  markBuilt(join(folder, '.built'), started);
}

const nativeSources = () => newest(['native', 'bindings', 'cmake', 'CMakeLists.txt'], /\.(cpp|h|cu|cmake|txt)$/);

function buildNative(tests) {
  const sources = nativeSources();
  const testStamp = join(root, 'build/release/.tests-built');
  const testSources = Math.max(sources, newest(['test/native', 'bench/native'], /\.(cpp|h)$/));
  const addonReady = existsSync(addon) && modified(join(root, 'build/release/.built')) >= sources;
  if (addonReady && (!tests || modified(testStamp) >= testSources)) return;
  const started = new Date();
  buildAddon('building the native engine (a minute or two, once)', 'release');
  if (!tests) return;
  run('configuring the native tests', 'cmake', ['-S', '.', '-B', 'build/release', '-DBANDLIFT_TESTS=ON']);
  run('building the native tests', 'cmake', ['--build', 'build/release', '--parallel', '2']);
  markBuilt(testStamp, started);
}

/** The addon with both backends, in a folder of its own: the plain build stays free of CUDA. */
function buildCuda() {
  let nvcc = installedNvcc();
  if (nvcc === undefined) {
    if (!existsSync(assembledNvcc)) run('getting nvcc 12.4', join(root, 'scripts/cuda-toolchain'), []);
    nvcc = assembledNvcc;
  }
  const major = nvccMajor(nvcc);
  if (major === undefined) stop(`${nvcc} does not run, or is no nvcc: set CUDACXX to one of CUDA 12 or 13`);
  if (existsSync(cudaAddon) && modified(join(root, 'build/cuda/.built')) >= nativeSources()) return;
  buildAddon('building the native engine with CUDA (a few minutes, once)', 'cuda', {
    nvcc,
    options: ['--CDBANDLIFT_CUDA=ON'],
  });
  say(
    `build/cuda/Release/bandlift.node: CPU and CUDA ${major}, for ${major >= 13 ? 'sm_75' : 'V100 (sm_70)'} to H200 (sm_90)`,
  );
}

function buildTypeScript() {
  const sources = newest(
    ['src', 'bindings', 'bench', 'tsconfig.json', 'tsconfig.build.json', 'package-lock.json'],
    /\.(ts|json)$/,
  );
  const stamp = join(root, 'dist/.built');
  if (modified(stamp) >= sources) return;
  const started = new Date();
  run('compiling TypeScript', process.execPath, [
    join(root, 'node_modules/typescript/bin/tsc'),
    '-p',
    'tsconfig.build.json',
  ]);
  markBuilt(stamp, started);
}

export function build({ tests = false, cuda = false } = {}) {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 17))
    stop(`Node ${process.versions.node} is too old: bandlift needs Node 20.17 or newer`);
  installPackages();
  buildNative(tests);
  if (cuda) buildCuda();
  buildTypeScript();
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  // a job scheduler sends it to every process of a job; without a listener Node opens a debugger
  process.on('SIGUSR1', () => process.exit(130));
  build({ tests: process.argv.includes('--tests'), cuda: process.argv.includes('--cuda') });
  if (!process.argv.includes('--quiet')) say('everything is built');
}
