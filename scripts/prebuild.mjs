// Makes package/: the tarballs that are published, and their sums. bandlift-VERSION.tgz holds compiled TypeScript with types and
// the packages it needs, so that it is installed without a registry, and runs nothing when it is; the addon is in
// bandlift-linux-CPU-VERSION.tgz, built for glibc 2.28 and newer.
//   npm run prebuild [-- --cuda] [--arm64] [--local]
//     --cuda   the x64 addon with CUDA, for V100 to H200 (nvcc of scripts/cuda-toolchain, or CUDACXX)
//     --arm64  the package for arm64 too, without CUDA (a cross compiler: apt-get install g++-12-aarch64-linux-gnu)
//     --local  the addon as this checkout builds it for itself: for machines with the same or a newer C library only
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { build, portableAddon, root } from './build.mjs';

/** npm's own limit is higher; a login node's quota is not. */
const LIMIT = 60e6;
const FLOOR = '2.28';
const folder = join(root, 'package');
/** Fields that mean something to who installs it. */
const PUBLISHED = [
  ...['name', 'version', 'description', 'license', 'private', 'type', 'exports', 'types', 'engines', 'dependencies'],
];

function stop(text, code = 1) {
  process.stderr.write(`error: ${text}\n`);
  process.exit(code);
}

function run(command, args, cwd) {
  const { status, error } = spawnSync(command, args, { cwd, stdio: ['ignore', 2, 2] });
  if (status !== 0) stop(`${command} ${args.join(' ')} failed${error ? `: ${error.message}` : ''}`);
}

/** npm runs a script of this name before `npm run build` too, which is no wish for packages; its title says what was typed. */
function isHookOfBuild() {
  if (process.env.npm_lifecycle_event !== 'prebuild') return false;
  try {
    const parent = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${process.ppid}/status`, 'utf8'))[1];
    const titles = [process.ppid, parent].map((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8'));
    return titles.some((title) => /^npm (run|run-script|rum|urn) build\b/.test(title.replaceAll('\0', ' ')));
  } catch {
    return false;
  }
}

function readArguments() {
  const flag = { type: 'boolean', default: false };
  try {
    return parseArgs({ options: { cuda: flag, arm64: flag, local: flag, refuse: flag } }).values;
  } catch (error) {
    return stop(`${error.message.split('. ')[0]}; usage: npm run prebuild [-- --cuda] [--arm64] [--local]`, 2);
  }
}

const whole = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const writeJson = (file, value) => writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`);

/** Hand-written types are not compiled. */
function copyTypes(from, to) {
  for (const name of readdirSync(join(root, from), { recursive: true }))
    if (/\.d\.m?ts$/.test(name)) cpSync(join(root, from, name), join(to, from, name));
}

/** Packs a folder of package/; the name of its tarball. */
function pack(name) {
  const { name: full, version } = JSON.parse(readFileSync(join(folder, name, 'package.json'), 'utf8'));
  run('npm', ['pack', '--loglevel=error', '--pack-destination', folder], join(folder, name));
  const tarball = `${full.replace('@', '').replace('/', '-')}-${version}.tgz`;
  const { size } = statSync(join(folder, tarball));
  if (size > LIMIT) stop(`package/${tarball} has ${(size / 1e6).toFixed(1)} MB, more than ${LIMIT / 1e6} MB`);
  return tarball;
}

/** What the checkout has installed for use, not for building, as it lies there. */
function bundle(into) {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const isOwnFile = (path) => (part) =>
    !relative(path, part).split('/').includes('node_modules') && !part.endsWith('.map');
  for (const [path, { dev }] of Object.entries(packages)) {
    const from = join(root, path);
    if (path !== '' && !dev && existsSync(from))
      cpSync(from, join(into, path), { recursive: true, filter: isOwnFile(from) });
  }
}

function packMain() {
  const into = join(folder, 'bandlift');
  mkdirSync(into);
  const dist = join(into, 'dist');
  run(process.execPath, [
    join(root, 'node_modules/typescript/bin/tsc'),
    '-p',
    'tsconfig.package.json',
    '--outDir',
    dist,
  ]);
  for (const from of ['src', 'bindings']) copyTypes(from, dist);
  for (const name of ['README.md', 'LICENSE', 'CHANGELOG.md']) cpSync(join(root, name), join(into, name));
  if (existsSync(join(root, 'models'))) cpSync(join(root, 'models'), join(into, 'models'), { recursive: true });
  bundle(into);
  writeJson(join(into, 'package.json'), {
    ...Object.fromEntries(PUBLISHED.map((name) => [name, whole[name]])),
    optionalDependencies: Object.fromEntries(['x64', 'arm64'].map((cpu) => [`@bandlift/linux-${cpu}`, whole.version])),
    bundleDependencies: Object.keys(whole.dependencies),
    bin: { bandlift: './dist/src/cli/main.js' },
    files: ['dist/', 'models/', 'CHANGELOG.md'],
    os: ['linux'],
  });
  return pack('bandlift');
}

const NOTICE = (cuda) => `# Parts of others in bandlift.node

- libstdc++ and libgcc of GCC 12, linked statically: GPL 3 with the GCC Runtime Library Exception 3.1.
${cuda ? "- The CUDA runtime (libcudart_static) of NVIDIA, linked statically: NVIDIA's End User License Agreement of the CUDA toolkit.\n" : ''}`;

async function packPlatform(cpu, addon, { cuda, local }) {
  const { readNeeds, highestVersion } = await import(join(root, 'dist/bindings/shared_object.js'));
  const needs = readNeeds(readFileSync(addon));
  if (needs.arch !== cpu) stop(`${addon} is for ${needs.arch}, not for ${cpu}`);
  const into = join(folder, `linux-${cpu}`);
  mkdirSync(into);
  cpSync(addon, join(into, 'bandlift.node'));
  cpSync(join(root, 'LICENSE'), join(into, 'LICENSE'));
  writeFileSync(join(into, 'NOTICE'), NOTICE(cuda));
  const holds = cuda ? 'CPU and CUDA code' : 'CPU code';
  writeFileSync(
    join(into, 'README.md'),
    `# @bandlift/linux-${cpu}\n\nThe native engine of bandlift for Linux on ${cpu}: ${holds}. npm installs it with \`bandlift\`.\n`,
  );
  writeJson(join(into, 'package.json'), {
    name: `@bandlift/linux-${cpu}`,
    version: whole.version,
    description: `The native engine of bandlift for Linux on ${cpu}: ${holds}`,
    license: whole.license,
    private: whole.private,
    engines: whole.engines,
    files: ['bandlift.node', 'NOTICE'],
    main: 'bandlift.node',
    os: ['linux'],
    cpu: [cpu],
    libc: ['glibc'],
    config: { glibc: `>=${local ? highestVersion(needs, 'GLIBC') : FLOOR}` },
  });
  return pack(`linux-${cpu}`);
}

/** The addon that the checkout runs itself. */
const ownAddon = () =>
  ['cuda', 'release'].map((kind) => join(root, `build/${kind}/Release/bandlift.node`)).find(existsSync);

const values = readArguments();
if (values.refuse) stop('a checkout is packed by `npm run prebuild`, which compiles it into package/ first');
if (isHookOfBuild()) process.exit(0);
if (values.arm64 && values.local) stop('--local has the addon of this machine alone: leave --arm64 out', 2);
const addons = values.local
  ? [[process.arch, ownAddon]]
  : [
      [process.arch, () => portableAddon({ cpu: process.arch, cuda: values.cuda })],
      ...(values.arm64 && process.arch !== 'arm64' ? [['arm64', () => portableAddon({ cpu: 'arm64' })]] : []),
    ];
build(
  values.local
    ? { cuda: values.cuda }
    : { portable: addons.map(([cpu]) => ({ cpu, cuda: values.cuda && cpu === process.arch })) },
);
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder);
const tarballs = [packMain()];
for (const [cpu, addon] of addons) {
  const cuda = values.local ? addon().includes('/cuda/') : values.cuda && cpu === process.arch;
  tarballs.push(await packPlatform(cpu, addon(), { cuda, local: values.local }));
  if (!cuda)
    process.stderr.write(`@bandlift/linux-${cpu} has no CUDA code${cpu === 'x64' ? ' (--cuda adds it)' : ''}\n`);
}
const sum = (name) =>
  createHash('sha256')
    .update(readFileSync(join(folder, name)))
    .digest('hex');
// as sha256sum --check reads it
writeFileSync(join(folder, 'SHA256SUMS'), tarballs.map((name) => `${sum(name)}  ${name}\n`).join(''));
for (const name of [...tarballs, 'SHA256SUMS']) console.log(`package/${name}`);
