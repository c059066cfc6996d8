// `npm run pack:gpu`: one archive with everything that test:gpu and bench:gpu need on a machine with an NVIDIA GPU and nothing
// else: Node, the addon of the packages with CUDA (where there is no apt to build it with: this machine's own), sources, tests,
// golden numbers and the packages they use. No registry, no network:
//   tar xf bandlift-gpu-*.tar.xz && bandlift-gpu/run.sh test | bench [options]
//   node scripts/pack_gpu.mjs [--no-build] [--addon FILE] [--out FOLDER] [--check]
// --check: everything but the archive.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { build, portableAddon } from './build.mjs';
import { cudaAddon, root, stop } from './gpu_run.mjs';

const LIMIT = 60e6;
const NETS = ['spectral_sr', 'spectral_unmixing', 'spatial_sr', 'spatial_lightweight'];
/** What the tests and the benchmark read of the checkout. */
const PARTS = [
  ...['package.json', 'LICENSE', 'tsconfig.json', 'vitest.gpu.config.ts', 'dist', 'src', 'bindings', 'configs'],
  ...['test/gpu', 'test/cases', 'test/support', 'test/predict/support.ts', 'bench/gpu', 'bench/peers'],
  ...NETS.map((net) => `test/golden/${net}.safetensors`),
  ...['scripts/gpu_run.mjs', 'scripts/gpu_reporter.mjs', 'scripts/test_gpu.mjs', 'scripts/bench_gpu.mjs'],
];
/** Packages that are needed to build only, or by parts of vite that nothing here reaches. */
const NOT_USED = [
  'cmake-js',
  'node-addon-api',
  'node-api-headers',
  'typescript',
  'lightningcss',
  'why-is-node-running',
];

const USAGE = 'usage: npm run pack:gpu -- [--no-build] [--check] [--addon FILE] [--out FOLDER]';
function readArguments() {
  const options = {
    'no-build': { type: 'boolean' },
    check: { type: 'boolean' },
    addon: { type: 'string' },
    out: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  };
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    return stop(`error: ${error.message.split('. ')[0]}; ${USAGE}`, 2);
  }
}
const values = readArguments();
if (values.help) {
  console.log(USAGE);
  process.exit(0);
}
const has = (command) => spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0;
const which = { cpu: process.arch, cuda: true };
const shipped = values['no-build'] ? existsSync(portableAddon(which)) : has('apt-get');
if (!values['no-build']) build(shipped ? { portable: [which] } : { cuda: true });
const addon = resolve(values.addon ?? (shipped ? portableAddon(which) : cudaAddon));
const folder = resolve(values.out ?? join(root, 'build/gpu-pack'));
const stage = join(folder, 'bandlift-gpu');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'], ...options });
  if (status !== 0) stop(`error: ${command} ${error ? error.message : `ended with exit code ${status}`}`, 1);
}

/** A program or library without its symbols, where there is a strip. */
function copyStripped(from, to) {
  mkdirSync(dirname(to), { recursive: true });
  cpSync(from, to, { dereference: true });
  if (has('strip')) run('strip', ['--strip-unneeded', to]);
}

/** The packages that `names` need, as folders of node_modules; optional ones only where they are installed. */
function closure(names) {
  const found = new Set();
  const visit = (name) => {
    const file = join(root, 'node_modules', name, 'package.json');
    if (found.has(name) || NOT_USED.includes(name) || !existsSync(file)) return;
    found.add(name);
    const { dependencies = {}, optionalDependencies = {} } = JSON.parse(readFileSync(file, 'utf8'));
    for (const next of [...Object.keys(dependencies), ...Object.keys(optionalDependencies)]) visit(next);
  };
  for (const name of names) visit(name);
  return [...found].sort();
}

/** Types, maps and texts are not read at run time. */
const read = (path) => !/(\.d\.[cm]?ts|\.map|\.md|\.flow)$/.test(path);

const size = (path) => {
  const stat = statSync(path);
  return stat.isDirectory() ? readdirSync(path).reduce((sum, name) => sum + size(join(path, name)), 0) : stat.size;
};
const mb = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

const RUN = `#!/bin/sh
# run.sh test | bench [options]: tests or measures bandlift on this machine's NVIDIA GPU; results in main/bench/results.
here=\${0%/*}
[ "$here" = "$0" ] && here=.
BANDLIFT_CALLED_FROM=$PWD; export BANDLIFT_CALLED_FROM # where a relative --out belongs
cd "$here/main" || exit 1
case "$1" in
  test | bench) what=$1; shift; exec ../node "scripts/\${what}_gpu.mjs" --no-build "$@" ;;
  *) echo "usage: run.sh test | bench [options]" >&2; exit 2 ;;
esac
`;

for (const file of [addon, join(root, 'dist/bench/gpu/bench.js')])
  if (!existsSync(file)) stop(`error: ${file} is missing: npm run build:cuda`, 1);
rmSync(stage, { recursive: true, force: true });
const main = join(stage, 'main');
// dist is a link
for (const part of PARTS)
  cpSync(realpathSync(join(root, part)), join(main, part), {
    recursive: true,
    filter: (path) => !/__pycache__/.test(path),
  });
copyStripped(process.execPath, join(stage, 'node'));
copyStripped(addon, join(main, 'build/cuda/Release/bandlift.node'));
const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
for (const name of closure([...Object.keys(dependencies), 'vitest']))
  cpSync(join(root, 'node_modules', name), join(main, 'node_modules', name), { recursive: true, filter: read });
// every test file loads from here alone
run(join(stage, 'node'), ['node_modules/vitest/vitest.mjs', 'list', '-c', 'vitest.gpu.config.ts'], {
  cwd: main,
  stdio: ['ignore', 'ignore', 'inherit'],
});
writeFileSync(join(stage, 'run.sh'), RUN);
chmodSync(join(stage, 'run.sh'), 0o755);

for (const part of ['node', 'main/build', 'main/node_modules', 'main/dist'])
  if (existsSync(join(stage, part))) console.log(`${part.padEnd(20)} ${mb(size(join(stage, part))).padStart(9)}`);
if (values.check) {
  rmSync(stage, { recursive: true });
  process.exit(0);
}
const xz = has('xz');
const archive = join(folder, `bandlift-gpu-${version}-linux-${process.arch}.tar.${xz ? 'xz' : 'gz'}`);
run('tar', ['-C', folder, xz ? '-cJf' : '-czf', `${archive}.tmp`, 'bandlift-gpu'], {
  env: { ...process.env, XZ_OPT: '-6 -T2' },
});
renameSync(`${archive}.tmp`, archive);
rmSync(stage, { recursive: true });
const bytes = statSync(archive).size;
console.log(`${archive}: ${mb(bytes)}`);
if (bytes > LIMIT) stop(`error: more than ${mb(LIMIT)}`, 1);
