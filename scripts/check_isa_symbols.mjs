// Kernels are compiled once per instruction set (native/cpu/isa.h). A function that two of these copies define under the
// same name (an inline function of the standard library, a template) is kept once by the linker, and that one copy may hold
// AVX-512 instructions that a machine with AVX2 cannot run. So the objects for AVX2 and AVX-512 must define nothing outside
// their own namespace but the factory functions bandlift::make_cpu_*.
//   node scripts/check_isa_symbols.mjs
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { root } from './build.mjs';

const build = join(root, 'build/release');
const isas = ['avx2', 'avx512'];

/** Object files below the build folder of one instruction set. */
function objects(isa) {
  const folder = join(build, `CMakeFiles/bandlift_cpu_${isa}.dir`);
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true })
    .filter((name) => name.endsWith('.o'))
    .map((name) => join(folder, name));
}

/** Symbols that `file` defines and other object files can see: global or weak code and data. */
function definedSymbols(file) {
  const result = spawnSync('nm', ['--defined-only', '--extern-only', file], {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  if (result.error || result.status !== 0)
    throw new Error(`nm ${file}: ${result.error?.message ?? result.stderr.trim()}`);
  return result.stdout
    .split('\n')
    .map((line) => /^[0-9a-f]* *([A-Za-z]) (.+)$/.exec(line))
    .filter((match) => match !== null)
    .map(([, kind, name]) => ({ kind, name }));
}

/**
 * Mangled names (Itanium C++ ABI): _ZN, after letters for a type's table or a local variable, then the namespaces, each
 * with its length in front. Type information of the interface bandlift::Backend is allowed: data, equal in every copy.
 */
function belongs(name, isa) {
  const space = `cpu_${isa}`;
  const scope = `8bandlift(${space.length}${space}|\\d+make_cpu_)`;
  return new RegExp(`^_Z(T[VISTv]|GV)?Z*N[VK]*${scope}`).test(name) || /^_ZT[IS]N8bandlift7BackendE$/.test(name);
}

/** The name as written in C++, where c++filt is there to tell it. */
function readable(name) {
  const result = spawnSync('c++filt', [name], { encoding: 'utf8' });
  return result.status === 0 ? result.stdout.trim() : name;
}

function main() {
  if (process.arch !== 'x64') {
    console.log(`nothing to check: ${process.arch} has one instruction set in this build`);
    return 0;
  }
  if (spawnSync('nm', ['--version'], { stdio: 'ignore' }).error) {
    console.log('skipped: nm is not installed (apt-get install binutils)');
    return process.env.BANDLIFT_REQUIRE_ALL === '1' ? 1 : 0;
  }
  let wrong = 0;
  let files = 0;
  for (const isa of isas) {
    const found = objects(isa);
    if (found.length === 0) {
      console.log(`no object files of bandlift_cpu_${isa} below ${relative(root, build)}; run \`npm run build\` first`);
      return 1;
    }
    for (const file of found) {
      files++;
      for (const { kind, name } of definedSymbols(file)) {
        if (belongs(name, isa)) continue;
        console.log(`${relative(root, file)}: defines ${readable(name)} (${kind}) outside bandlift::cpu_${isa}`);
        wrong++;
      }
    }
  }
  console.log(
    wrong === 0
      ? `${files} object files define symbols of their own namespace only`
      : `${wrong} symbols could reach a machine without their instruction set`,
  );
  return wrong === 0 ? 0 : 1;
}

process.exitCode = main();
