// Installs and builds whatever is missing or older than its sources. Needs nothing but Node: run it on a fresh clone.
//   node scripts/build.mjs [--tests]      --tests also builds the native tests and benchmarks
// Messages go to stderr, so that commands with --json keep stdout clean.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
const addon = join(root, 'build/release/Release/bandlift.node');

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

/** CMake refuses a build folder that was moved with its checkout: it is made anew. */
function forgetMovedBuild(folder) {
  const cache = join(folder, 'CMakeCache.txt');
  if (!existsSync(cache)) return;
  const made = /^CMAKE_CACHEFILE_DIR:INTERNAL=(.*)$/m.exec(readFileSync(cache, 'utf8'))?.[1];
  if (made !== folder) rmSync(folder, { recursive: true });
}

function buildNative(tests) {
  const sources = newest(['native', 'bindings', 'CMakeLists.txt'], /\.(cpp|h|txt)$/);
  const stamp = join(root, 'build/release/.built');
  const testStamp = join(root, 'build/release/.tests-built');
  const testSources = Math.max(sources, newest(['test/native', 'bench/native'], /\.(cpp|h)$/));
  const addonReady = existsSync(addon) && modified(stamp) >= sources;
  if (addonReady && (!tests || modified(testStamp) >= testSources)) return;
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
  forgetMovedBuild(join(root, 'build/release'));
  mkdirSync(join(root, 'build/release'), { recursive: true });
  const started = new Date();
  run('building the native engine (a minute or two, once)', process.execPath, [
    join(root, 'node_modules/cmake-js/bin/cmake-js'),
    'build',
    '-O',
    'build/release',
    '--log-level',
    'warn',
  ]);
  if (!existsSync(addon)) stop(`the build made no ${addon}`);
  markBuilt(stamp, started);
  if (!tests) return;
  run('configuring the native tests', 'cmake', ['-S', '.', '-B', 'build/release', '-DBANDLIFT_TESTS=ON']);
  run('building the native tests', 'cmake', ['--build', 'build/release', '--parallel', '2']);
  markBuilt(testStamp, started);
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

export function build({ tests = false } = {}) {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 17))
    stop(`Node ${process.versions.node} is too old: bandlift needs Node 20.17 or newer`);
  installPackages();
  buildNative(tests);
  buildTypeScript();
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  build({ tests: process.argv.includes('--tests') });
  say('everything is built');
}
