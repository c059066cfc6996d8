// Writes the six files of a new operator as a small one that works: y = a x + b x^2, forward and backward, on the CPU and on
// CUDA, with its reference and its cases. Build, run its cases, then change it (docs/adding_an_operator.md).
//   npm run new:operator -- NAME          NAME in small letters and underscores: saturation, band_norm
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const templates = join(root, 'scripts/new_operator');

/** Template of each file. */
const FILES = {
  'graph.ts.txt': (name) => `src/graph/ops/${name}.ts`,
  'formula.h.txt': (name) => `native/ops/${name}/${name}.h`,
  'cpu.cpp.txt': (name) => `native/ops/${name}/${name}_cpu.cpp`,
  'cuda.cu.txt': (name) => `native/ops/${name}/${name}_cuda.cu`,
  'reference.ts.txt': (name) => `test/support/reference/${name}.ts`,
  'cases.ts.txt': (name) => `test/cases/${name}.ts`,
};

function fail(message) {
  console.error(`error: ${message}`);
  process.exit(2);
}

/** Instructions that are there already: a second one of the same name would not compile. */
function instructions() {
  const folder = join(root, 'native/ops');
  const headers = readdirSync(folder).map((op) => join(folder, op, `${op}.h`));
  return headers
    .filter((header) => existsSync(header))
    .flatMap((header) => [...readFileSync(header, 'utf8').matchAll(/\bOP(?:_WITH_WORKSPACE)?\((\w+),/g)])
    .map(([, name]) => name);
}

function main([name, ...more]) {
  if (name === undefined || more.length > 0) fail('expected one name: npm run new:operator -- NAME');
  if (!/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/.test(name))
    fail(`the name is '${name}', expected small letters, digits and single underscores, as in band_norm`);
  const used = instructions().find((one) => [name, `${name}_forward`, `${name}_backward`].includes(one));
  if (used !== undefined) fail(`there is an instruction '${used}' already: choose another name`);
  const files = Object.entries(FILES).map(([template, path]) => [template, path(name)]);
  for (const [, path] of files) if (existsSync(join(root, path))) fail(`${path} exists: choose another name`);

  const pascal = name.replace(/(^|_)(\w)/g, (_, _start, letter) => letter.toUpperCase());
  const camel = pascal[0].toLowerCase() + pascal.slice(1);
  const names = { NAME: name.toUpperCase(), name, camel, Pascal: pascal };
  for (const [template, path] of files) {
    const text = readFileSync(join(templates, template), 'utf8');
    mkdirSync(dirname(join(root, path)), { recursive: true });
    const filled = text.replace(/<(NAME|name|camel|Pascal)>/g, (_, key) => names[key]);
    writeFileSync(join(root, path), filled, { flag: 'wx' });
    console.log(path);
  }
  console.log(
    `\nnext: git add -A; npm run format; npm run build; npx vitest run test/ops test/compiler test/bindings -t ${name}`,
  );
}

main(process.argv.slice(2));
