// Where nvcc is: CUDACXX, PATH, the usual places, or put together by scripts/cuda-toolchain.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** The one of scripts/cuda-toolchain. */
export const assembledNvcc = join(root, 'build/cuda-toolchain/bin/nvcc');

/** CUDA's major version of an nvcc; undefined where it does not run. */
export function nvccMajor(nvcc) {
  const result = spawnSync(nvcc, ['--version'], { encoding: 'utf8' });
  const match = /release (\d+)\./.exec(result.stdout ?? '');
  return match ? Number(match[1]) : undefined;
}

function onPath(name) {
  const folders = (process.env.PATH ?? '').split(':').filter(Boolean);
  return folders.map((folder) => join(folder, name)).find(existsSync);
}

/**
 * An installed nvcc of CUDA 12 or newer; undefined where there is none. What CUDACXX names is taken as it is, so that a
 * wrong one is told and not passed over.
 */
export function installedNvcc() {
  if (process.env.CUDACXX) return onPath(process.env.CUDACXX) ?? resolve(process.env.CUDACXX);
  const homes = [process.env.CUDA_HOME, process.env.CUDA_PATH, '/usr/local/cuda'].filter(Boolean);
  const places = [onPath('nvcc'), ...homes.map((home) => join(home, 'bin/nvcc'))].filter((path) => path !== undefined);
  return places.find((path) => existsSync(path) && (nvccMajor(path) ?? 0) >= 12);
}
