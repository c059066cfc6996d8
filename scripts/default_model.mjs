// The model that comes with bandlift: measures the candidates on real data, or fits and writes the chosen one and its card.
//   npm run contest [-- FOLDER]          prints the tables of docs/accuracy.md
//   npm run train:default [-- FOLDER]    also writes models/oli_reflectance.safetensors and docs/models/oli_reflectance.md
// FOLDER holds the data that the model card lists; without it ../shared/data beside the checkout.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { build, root } from './build.mjs';

const [what, given] = process.argv.slice(2);
const folder = given === undefined ? join(root, '../shared/data') : resolve(given);
if (!existsSync(folder)) {
  console.error(
    `error: ${folder}: no such folder; give the one with the data that docs/models/oli_reflectance.md lists`,
  );
  process.exit(2);
}
build();
const { status } = spawnSync(process.execPath, ['dist/bench/default_model.js', what, folder], {
  cwd: root,
  stdio: 'inherit',
});
process.exit(status ?? 1);
