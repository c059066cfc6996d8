/** Every module of a folder, in the order of names: what is found there needs no list of files. */
import { readdirSync } from 'node:fs';

export async function importFolder<Module>(folder: URL, except: readonly string[] = []): Promise<Module[]> {
  const names = readdirSync(folder).filter((name) => /(?<!\.d)\.(ts|js)$/.test(name));
  const wanted = names.filter((name) => !except.includes(name.replace(/\.\w+$/, '')));
  return Promise.all(wanted.sort().map((name) => import(/* @vite-ignore */ new URL(name, folder).href)));
}
