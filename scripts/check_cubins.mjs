// What can be told of the CUDA addon without a GPU: that it has machine code of every kernel for every GPU it is built for,
// that tensor cores are used, that no kernel keeps its variables in memory, and that it loads where nothing of CUDA is.
//   node scripts/check_cubins.mjs [bandlift.node]     ends with 'N passed, N failed'
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { root } from './build.mjs';
import { output, readCubins } from './cuda_cubins.mjs';
import { nvccMajor } from './cuda_toolkit.mjs';

const addon = resolve(process.argv[2] ?? join(root, 'build/cuda/Release/bandlift.node'));

/** Kernels that may use local memory, up to so many bytes of a thread: { kernel: /^name</, gpus: ['sm_70'], bytes, why }. */
const localMemoryAllowed = [];

/** Libraries every Linux has; the last three are part of libc since glibc 2.34. */
const librariesAllowed = /^(libstdc\+\+|libm|libgcc_s|libc|ld-linux[\w-]*|libdl|libpthread|librt)\.so\.\d+$/;

let passed = 0;
let failed = 0;

/** One line for a check; `wrong` lists what is not as it should be. */
function check(title, wrong, detail = '') {
  if (wrong.length === 0) passed++;
  else failed++;
  console.log(`${wrong.length === 0 ? 'passed' : 'FAILED'}: ${title}${detail && ` (${detail})`}`);
  for (const line of wrong.slice(0, 20)) console.log(`  ${line}`);
  if (wrong.length > 20) console.log(`  and ${wrong.length - 20} more`);
}

/** The nvcc that built the addon: cuobjdump lies beside it. */
function builder() {
  const cache = join(dirname(dirname(addon)), 'CMakeCache.txt');
  const nvcc = existsSync(cache) && /^CMAKE_CUDA_COMPILER:\w+=(.*)$/m.exec(readFileSync(cache, 'utf8'))?.[1];
  if (!nvcc) throw new Error(`${relative(root, cache)} names no nvcc: run \`npm run build:cuda\` first`);
  return nvcc;
}

/** Names of the kernels in the sources: the word before the parameters, launch bounds left out. */
function sourceKernels() {
  const names = new Set();
  for (const file of readdirSync(join(root, 'native'), { recursive: true })) {
    if (!/\.(cu|cuh|h)$/.test(file)) continue;
    const code = readFileSync(join(root, 'native', file), 'utf8').replace(/\/\/.*/g, '');
    for (const [, head] of code.matchAll(/__global__([^{;]*)[{;]/g)) {
      const plain = head.replace(/__launch_bounds__\((?:[^()]|\([^()]*\))*\)/, '');
      names.add(/(\w+)\s*\(/.exec(plain)?.[1] ?? `unreadable in ${file}: ${head.trim()}`);
    }
  }
  return [...names];
}

function checkCode(cubins, gpus) {
  const { names, local, ptx } = cubins;
  const missing = (have) => [...names].filter(([kernel]) => !have.includes(kernel)).map(([, name]) => name);
  const inAddon = new Set([...names.values()].map((name) => name.replace(/<.*/, '')));
  const written = sourceKernels();
  check(
    'every kernel of the sources is in the addon',
    written.length > 0 ? written.filter((name) => !inAddon.has(name)) : ['the sources have no kernels'],
    `${written.length} kernels, ${names.size} with their types`,
  );
  for (const sm of gpus) check(`${sm} has machine code of every kernel`, missing([...(local.get(sm)?.keys() ?? [])]));
  check(
    'no machine code for other GPUs',
    [...local.keys()].filter((sm) => !gpus.includes(sm)),
  );
  check('newer GPUs find PTX of every kernel (sm_90)', missing(ptx.get('sm_90') ?? []));
}

/** f16 kernels named tensor_* multiply on tensor cores everywhere, those of bf16 from sm_80 on, which first has it. */
function checkTensorCores(cubins, gpus) {
  for (const sm of gpus) {
    const wanted = Number(sm.slice(3)) >= 80 ? /^tensor_\w+<(__half|__nv_bfloat16)\b/ : /^tensor_\w+<__half\b/;
    const kernels = [...cubins.names.keys()].filter((kernel) => wanted.test(cubins.names.get(kernel)));
    const using = kernels.length > 0 ? cubins.tensorCores(sm, kernels) : new Set();
    check(
      `${sm} multiplies 16-bit numbers on tensor cores (HMMA)`,
      kernels.length > 0
        ? kernels.filter((kernel) => !using.has(kernel)).map((kernel) => cubins.names.get(kernel))
        : ['no kernel is named tensor_*'],
      `${kernels.length} kernels`,
    );
  }
}

function checkLocalMemory(cubins) {
  const needed = new Set();
  const wrong = [];
  for (const [sm, kernels] of cubins.local)
    for (const [kernel, bytes] of kernels) {
      if (bytes === 0) continue;
      const name = cubins.names.get(kernel);
      const allowed = localMemoryAllowed.find((a) => a.kernel.test(name) && a.gpus.includes(sm) && bytes <= a.bytes);
      if (allowed) needed.add(allowed);
      else wrong.push(`${name} on ${sm}: ${bytes} bytes of each thread`);
    }
  for (const allowed of localMemoryAllowed)
    if (!needed.has(allowed)) wrong.push(`${allowed.kernel} no longer needs what is allowed: take it off the list`);
  check('no kernel spills registers or has a stack', wrong, `${localMemoryAllowed.length} exceptions, with reasons`);
}

function checkLoading() {
  const libraries = [...output('readelf', ['-d', addon]).matchAll(/\(NEEDED\).*\[(.*)\]/g)].map(([, name]) => name);
  check(
    'no library of CUDA is needed to load it',
    libraries.length > 0
      ? libraries.filter((name) => !librariesAllowed.test(name))
      : ['readelf names no library at all'],
    libraries.join(', '),
  );
  // A process of its own: a crash of the loader must not end the checks.
  const ask = `JSON.stringify(require(${JSON.stringify(addon)}).cudaReport())`;
  const asked = spawnSync(process.execPath, ['-p', ask], { encoding: 'utf8' });
  if (asked.status !== 0) {
    const why = /^Error: .*/m.exec(asked.stderr)?.[0] ?? `it ended with ${asked.signal ?? asked.status}`;
    return check('it loads and tells what it finds', [why]);
  }
  const report = JSON.parse(asked.stdout);
  const wrong = report.built ? [] : ['it says that it was built without CUDA'];
  if (!report.devices.some((device) => device.usable) && !report.reason) wrong.push('no GPU, and no reason why');
  check('it loads and tells what it finds', wrong, report.reason || report.devices.map(({ name }) => name).join(', '));
}

function main() {
  const nvcc = builder();
  const gpus = ['sm_70', 'sm_75', 'sm_80', 'sm_86', 'sm_89', 'sm_90'];
  if (nvccMajor(nvcc) >= 13) console.log(`built by CUDA 13, which has no code for V100 (${gpus.shift()})`);
  const cubins = readCubins(dirname(nvcc), addon);
  checkCode(cubins, gpus);
  checkTensorCores(cubins, gpus);
  checkLocalMemory(cubins);
  checkLoading();
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed > 0 ? 1 : 0;
}

try {
  main();
} catch (error) {
  console.error(`error: ${error.message}`);
  process.exitCode = 1;
}
