// Makes package/ and packs it: what is published, without what a checkout needs to build it. dist/ is a link in a checkout, which
// `npm pack` would leave out, so everything is compiled into a real folder, with types and with the addon as it is built.
//   npm run pack        -> package/bandlift-VERSION.tgz
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build, root } from './build.mjs';

if (process.argv.includes('--refuse')) {
  process.stderr.write('error: a checkout is packed by `npm run pack`, which compiles it into package/ first\n');
  process.exit(1);
}

const folder = join(root, 'package');
/** Fields that mean something to who installs it. */
const PUBLISHED = [
  'name',
  'version',
  'description',
  'license',
  'private',
  'type',
  'exports',
  'types',
  'engines',
  'dependencies',
];

function run(command, args, cwd) {
  const { status, error } = spawnSync(command, args, { cwd, stdio: ['ignore', 2, 2] });
  if (status === 0) return;
  process.stderr.write(`error: ${command} ${args.join(' ')} failed${error ? `: ${error.message}` : ''}\n`);
  process.exit(1);
}

/** Hand-written types are not compiled. */
function copyTypes(from, to) {
  for (const name of readdirSync(join(root, from), { recursive: true }))
    if (/\.d\.m?ts$/.test(name)) cpSync(join(root, from, name), join(to, from, name));
}

build();
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder);
const tsc = join(root, 'node_modules/typescript/bin/tsc');
const dist = join(folder, 'dist');
run(process.execPath, [tsc, '-p', 'tsconfig.package.json', '--outDir', dist], root);
for (const from of ['src', 'bindings']) copyTypes(from, dist);
const addons = ['cuda', 'release'].map((kind) => join(root, `build/${kind}/Release/bandlift.node`));
mkdirSync(join(folder, 'prebuilt'));
cpSync(addons.find(existsSync), join(folder, 'prebuilt/bandlift.node'));
cpSync(join(root, 'models'), join(folder, 'models'), { recursive: true });
for (const name of ['README.md', 'LICENSE', 'CHANGELOG.md']) cpSync(join(root, name), join(folder, name));
const whole = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const published = {
  ...Object.fromEntries(PUBLISHED.map((name) => [name, whole[name]])),
  bin: { bandlift: './dist/src/cli/main.js' },
  files: ['dist/', 'models/', 'prebuilt/', 'CHANGELOG.md'],
  os: ['linux'],
  cpu: [process.arch],
};
writeFileSync(join(folder, 'package.json'), `${JSON.stringify(published, null, 2)}\n`);
run('npm', ['pack', '--loglevel=error'], folder);
console.log(`package/${whole.name}-${whole.version}.tgz`);
