/**
 * Finds and loads the native addon: BANDLIFT_ADDON, then the one of an installed package, or the builds of a checkout. Every failure is remembered and told
 * at once, with what to do.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Addon } from './addon.js';

let loaded: { addon: Addon; path: string } | undefined;

function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const file = join(folder, 'package.json');
    if (existsSync(file) && JSON.parse(readFileSync(file, 'utf8')).name === 'bandlift') return folder;
    const parent = dirname(folder);
    if (parent === folder) throw new Error('bandlift is not inside its own package');
    folder = parent;
  }
}

/** The build with CUDA comes first: it is the same engine with more devices. One of other sources than the plain build is left. */
function candidates(): string[] {
  const asked = process.env.BANDLIFT_ADDON;
  if (asked) return [asked];
  const packed = join(packageRoot(), 'prebuilt/bandlift.node');
  if (existsSync(packed)) return [packed];
  const [plain, cuda] = ['release', 'cuda'].map((kind) => join(packageRoot(), `build/${kind}/Release/bandlift.node`));
  if (!existsSync(cuda!)) return [plain!];
  const sources = (path: string): string | undefined => {
    try {
      return JSON.parse(readFileSync(join(path, '../../.built'), 'utf8')).content;
    } catch {
      return undefined; // built by hand
    }
  };
  const [ofPlain, ofCuda] = [sources(plain!), sources(cuda!)];
  return ofPlain === undefined || ofCuda === undefined || ofPlain === ofCuda ? [cuda!, plain!] : [plain!];
}

/** Folders of node_modules that may hold cuDNN or NCCL: side packages named after them. */
export function libraryFolders(): string[] {
  // beside an installed package are the others
  const above = dirname(packageRoot());
  const modules = basename(above) === 'node_modules' ? above : join(packageRoot(), 'node_modules');
  if (!existsSync(modules)) return [];
  const packages = readdirSync(modules).flatMap((name) =>
    name.startsWith('@') ? readdirSync(join(modules, name)).map((inner) => join(name, inner)) : [name],
  );
  return packages.filter((name) => /cudnn|nccl/i.test(name)).map((name) => join(modules, name));
}

/** The addon; loaded once per process (and once per worker). */
export function loadAddon(): Addon {
  if (loaded) return loaded.addon;
  const require = createRequire(import.meta.url);
  const failures: string[] = [];
  for (const path of candidates()) {
    if (!existsSync(path)) {
      failures.push(`${path}: not there`);
      continue;
    }
    try {
      loaded = { addon: require(path) as Addon, path };
      return loaded.addon;
    } catch (error) {
      failures.push(`${path}: ${(error as Error).message.split('\n')[0]}`);
    }
  }
  throw new Error(`the native addon could not be loaded (${failures.join('; ')}); run \`npm run build\``);
}

/** The file the addon came from; undefined before loadAddon(). */
export function addonPath(): string | undefined {
  return loaded?.path;
}
