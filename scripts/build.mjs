// Installs and builds whatever is missing or older than its sources. Needs nothing but Node: run it on a fresh clone.
//   node scripts/build.mjs [--tests] [--cuda] [--portable]
//     --tests also builds the native tests and benchmarks, --cuda the addon with the CUDA backend (its compiler too, where
//     there is none), --portable the addon of the packages, for glibc 2.28 and newer (--cuda --portable: with CUDA, in place
//     of this machine's own); --quiet says nothing where nothing is missing
// What was built is told up to date by the contents of its sources. One process builds, others wait for it; a checkout that
// cannot be written to runs what was built. Messages go to stderr, so that commands with --json keep stdout clean.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { lockBuild } from './build_lock.mjs';
import { compileTypeScript } from './compiled.mjs';
import { assembledNvcc, installedNvcc, nvccMajor } from './cuda_toolkit.mjs';
import { isUpToDate, packagesAreInstalled, sourcesOf, writeStamp } from './up_to_date.mjs';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
const addon = join(root, 'build/release/Release/bandlift.node');
const cudaAddon = join(root, 'build/cuda/Release/bandlift.node');
const portableName = ({ cpu, cuda }) => `portable-${cpu}${cuda ? '-cuda' : ''}`;
/** The addon of the package for a processor ('x64' or 'arm64'). */
export const portableAddon = (which) => join(root, 'build', portableName(which), 'Release/bandlift.node');

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
  if (!found('cmake')) stop('CMake is missing. Debian/Ubuntu: apt-get install cmake; RHEL/Rocky: dnf install cmake');
  if (!['c++', 'g++', 'clang++'].some(found) && !process.env.CXX)
    stop('a C++ compiler is missing. Debian/Ubuntu: apt-get install g++ make; RHEL/Rocky: dnf install gcc-c++ make');
  if (!found('ninja') && !found('make'))
    stop('make is missing. Debian/Ubuntu: apt-get install make; RHEL/Rocky: dnf install make');
}

/** cmake-js in build/<name>; build/<name>/.built then says from what. */
function buildAddon(title, name, sources, { nvcc, cxx, options = [] } = {}) {
  needBuildTools();
  const folder = join(root, 'build', name);
  forgetUselessBuild(folder, nvcc);
  mkdirSync(folder, { recursive: true });
  const cmakeJs = join(root, 'node_modules/cmake-js/bin/cmake-js');
  run(title, process.execPath, [cmakeJs, 'build', '-O', `build/${name}`, '--log-level', 'warn', ...options], {
    env: { ...process.env, ...(nvcc && { CUDACXX: nvcc }), ...(cxx && { CXX: cxx }) },
  });
  const made = join(folder, 'Release/bandlift.node');
  if (!existsSync(made)) stop(`the build made no ${made}`);
  writeStamp(join(folder, '.built'), sources);
}

const NATIVE = /\.(cpp|h|cu|cmake|txt)$/;
const nativeFolders = ['native', 'bindings', 'cmake', 'CMakeLists.txt'];

function installPackages() {
  if (packagesAreInstalled(root)) return undefined;
  return () =>
    run('installing packages (npm ci)', 'npm', ['ci', '--include=dev', '--no-fund', '--no-audit', '--loglevel=error']);
}

function buildNative() {
  const sources = sourcesOf(root, nativeFolders, NATIVE);
  if (existsSync(addon) && isUpToDate(join(root, 'build/release/.built'), sources)) return undefined;
  sources.content(); // as they are before the build
  return () => buildAddon('building the native engine (a minute or two, once)', 'release', sources);
}

function buildNativeTests() {
  const stamp = join(root, 'build/release/.tests-built');
  const sources = sourcesOf(root, [...nativeFolders, 'test/native', 'bench/native'], NATIVE);
  if (isUpToDate(stamp, sources)) return undefined;
  sources.content();
  return () => {
    run('configuring the native tests', 'cmake', ['-S', '.', '-B', 'build/release', '-DBANDLIFT_TESTS=ON']);
    run('building the native tests', 'cmake', ['--build', 'build/release', '--parallel', '2']);
    writeStamp(stamp, sources);
  };
}

/** The addon with both backends, in a folder of its own: the plain build stays free of CUDA. */
function buildCuda() {
  const sources = sourcesOf(root, nativeFolders, NATIVE);
  let nvcc = installedNvcc();
  const missing = nvcc === undefined && !existsSync(assembledNvcc);
  nvcc ??= assembledNvcc;
  if (!missing && existsSync(cudaAddon) && isUpToDate(join(root, 'build/cuda/.built'), sources)) return undefined;
  sources.content();
  return () => {
    if (missing) run('getting nvcc 12.4', join(root, 'scripts/cuda-toolchain'), []);
    const major = nvccMajor(nvcc);
    if (major === undefined) stop(`${nvcc} does not run, or is no nvcc: set CUDACXX to one of CUDA 12 or 13`);
    buildAddon('building the native engine with CUDA (a few minutes, once)', 'cuda', sources, {
      nvcc,
      options: ['--CDBANDLIFT_CUDA=ON'],
    });
    const gpus = process.env.CUDAARCHS
      ? `compute capability ${process.env.CUDAARCHS} (CUDAARCHS)`
      : `${major >= 13 ? 'sm_75' : 'V100 (sm_70)'} to H200 (sm_90)`;
    say(`build/cuda/Release/bandlift.node: CPU and CUDA ${major}, for ${gpus}`);
  };
}

/**
 * The addon of the packages: against Debian 11's C library, with libstdc++ inside. nvcc is the one of scripts/cuda-toolchain,
 * which has V100, unless CUDACXX names another.
 */
const buildPortable = (which) => () => {
  const { cpu, cuda } = which;
  const name = portableName(which);
  const sources = sourcesOf(root, nativeFolders, NATIVE);
  if (existsSync(portableAddon(which)) && isUpToDate(join(root, 'build', name, '.built'), sources)) return undefined;
  sources.content();
  return () => {
    run(`getting the C library that packages are built for (${cpu})`, join(root, 'scripts/sysroot'), [cpu]);
    const nvcc = !cuda ? undefined : process.env.CUDACXX ? installedNvcc() : assembledNvcc;
    if (nvcc === assembledNvcc && !existsSync(nvcc)) run('getting nvcc 12.4', join(root, 'scripts/cuda-toolchain'), []);
    const cross = cpu === process.arch ? [] : ['--CDCMAKE_SYSTEM_NAME=Linux', '--CDCMAKE_SYSTEM_PROCESSOR=aarch64'];
    buildAddon(`building the addon of the package for ${cpu}${cuda ? ', with CUDA' : ''}`, name, sources, {
      nvcc,
      cxx: join(root, `build/sysroot-${cpu}/bin/c++`),
      options: ['--CDBANDLIFT_PORTABLE=ON', ...(cuda ? ['--CDBANDLIFT_CUDA=ON'] : []), ...cross],
    });
  };
};

function buildTypeScript() {
  const sources = sourcesOf(
    root,
    ['src', 'bindings', 'bench', 'test/cases', 'tsconfig.json', 'tsconfig.build.json', 'package-lock.json'],
    /\.(ts|mjs|json)$/,
  );
  if (isUpToDate(join(root, 'dist/.built'), sources)) return undefined;
  const content = sources.content();
  return () =>
    compileTypeScript(
      root,
      content,
      (args) => run('compiling TypeScript', process.execPath, args),
      (folder) => writeStamp(join(folder, '.built'), sources),
    );
}

/** Each looks what is there, and returns what is to be done where it is not up to date. */
const steps = ({ tests, cuda, portable = [] }) => [
  installPackages,
  buildNative,
  ...(tests ? [buildNativeTests] : []),
  ...(cuda ? [buildCuda] : []),
  ...portable.map(buildPortable),
  buildTypeScript,
];

/** Why bandlift cannot run here; undefined where it can. */
function unsupported() {
  if (process.platform !== 'linux')
    return `bandlift runs on Linux (x86-64 or arm64), this is ${process.platform}: use a Linux machine or a container`;
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 17))
    return `Node ${process.versions.node} is too old: bandlift needs Node 20.17 or newer`;
  return undefined;
}

const isUpToDateFor = (parts) => steps(parts).every((step) => step() === undefined);

/** Whether the command line can run as it is; found out in a few hundredths of a second. */
export const isBuilt = () => unsupported() === undefined && isUpToDateFor({});

export function build(parts = {}) {
  const reason = unsupported();
  if (reason !== undefined) stop(reason);
  if (isUpToDateFor(parts)) return;
  const lock = lockBuild(root, say, stop);
  if (lock === undefined) return useOldBuild();
  for (const step of steps(parts)) step()?.(); // looks again: another process may have done it meanwhile
  lock.release();
}

/** In a checkout that is not the user's. */
function useOldBuild() {
  const built = [addon, join(root, 'dist/src/cli/main.js'), join(root, 'node_modules')];
  const missing = built.find((path) => !existsSync(path));
  if (missing !== undefined)
    stop(`${missing} is missing, and this checkout cannot be written to; ask its owner to run \`npm run build\``);
  say(
    'warning: the sources have changed since bandlift was built, and this checkout cannot be written to; what was built is run',
  );
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  // a job scheduler sends it to every process of a job; without a listener Node opens a debugger
  process.on('SIGUSR1', () => process.exit(130));
  const [tests, cuda, portable] = ['--tests', '--cuda', '--portable'].map((flag) => process.argv.includes(flag));
  build({ tests, ...(portable ? { portable: [{ cpu: process.arch, cuda }] } : { cuda }) });
  if (!process.argv.includes('--quiet')) say('everything is built');
}
