// Reads what cuobjdump tells of the GPU code in a binary.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

export function output(command, args, options = {}) {
  const result = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 29, ...options });
  if (result.error || result.status !== 0)
    throw new Error(`${command} ${args.join(' ')}: ${result.error?.message ?? result.stderr.trim()}`);
  return result.stdout;
}

/** 'tensor_kernel<__half, 64>' of 'void space::<unnamed>::tensor_kernel<__half, (int)64>(float*)'. */
function shortName(demangled) {
  const plain = demangled.replace(/\((?:int|bool|unsigned int|long)\)/g, '');
  return /(\w+(?:<[^()]*>)?)\(/.exec(plain.replaceAll('<unnamed>::', ''))?.[1] ?? demangled;
}

/** Collects `value` of each line that has one under the `key` that was told last. */
function grouped(text, pattern) {
  const groups = new Map();
  let group = '';
  for (const [, key, value] of text.matchAll(pattern)) {
    if (key !== undefined) group = key;
    if (!groups.has(group)) groups.set(group, []);
    if (value !== undefined) groups.get(group).push(value);
  }
  return groups;
}

/**
 * The kernels of `binary`, by mangled name: names (mangled -> short), local (GPU -> name -> bytes of a thread's stack and
 * spilled registers), ptx (names per GPU), tensorCores(GPU, names) (which of these multiply on tensor cores there).
 */
export function readCubins(folder, binary) {
  const env = { ...process.env, PATH: `${folder}:${process.env.PATH}` }; // cuobjdump starts nvdisasm
  const cuobjdump = (...args) => output(join(folder, 'cuobjdump'), [...args, binary], { env });

  const local = new Map();
  const usage = /^arch = (sm_\w+)|^ Function (\S+:\n.*STACK:\d+ .*LOCAL:\d+) /gm;
  for (const [sm, functions] of grouped(cuobjdump('--dump-resource-usage'), usage)) {
    const bytes = functions.map((text) => /^(\S+):\n.*STACK:(\d+) .*LOCAL:(\d+)/.exec(text));
    if (bytes.length > 0) local.set(sm, new Map(bytes.map(([, name, stack, spilled]) => [name, +stack + +spilled])));
  }
  const ptx = grouped(cuobjdump('--dump-ptx'), /^\.target (sm_\w+)|\.entry (\w+)\(/gm);
  const all = [...new Set([...local.values()].flatMap((map) => [...map.keys()]))].sort();
  const readable =
    all.length > 0
      ? output(join(folder, 'cu++filt'), [], { input: all.join('\n') })
          .trim()
          .split('\n')
      : [];
  return {
    names: new Map(all.map((name, i) => [name, shortName(readable[i])])),
    local,
    ptx,
    tensorCores(sm, kernels) {
      const sass = cuobjdump('--dump-sass', '--gpu-architecture', sm, '--function', kernels.join(','));
      const multiplying = grouped(sass, /^\t\tFunction : (\S+)|\b(HMMA)\./gm);
      return new Set([...multiplying].filter(([, found]) => found.length > 0).map(([name]) => name));
    },
  };
}
