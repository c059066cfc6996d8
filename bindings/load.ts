/**
 * Finds and loads the native addon: BANDLIFT_ADDON, then the build in this checkout. Every failure is remembered and told
 * at once, with what to do.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
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

function candidates(): string[] {
  const asked = process.env.BANDLIFT_ADDON;
  return asked ? [asked] : [join(packageRoot(), 'build/release/Release/bandlift.node')];
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
