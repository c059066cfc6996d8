// Dependencies point one way (docs/architecture.md): a folder of src/ may import only from folders to its right.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { root } from './build.mjs';

// folder -> what it may import (besides itself, errors.ts and random.ts)
const allowed = {
  graph: ['resample'],
  compiler: ['graph'],
  models: ['graph', 'resample'],
  losses: ['graph'],
  engine: ['models', 'losses', 'compiler', 'graph', 'io', 'support'],
  support: [],
  io: ['models', 'support'],
  spectra: ['support'],
  data: ['resample', 'spectra', 'io', 'support'],
  sample: ['prepare', 'scenes', 'resample', 'data', 'spectra', 'io', 'support'],
  checkpoint: ['engine', 'models', 'data', 'io', 'support'],
  resample: [],
  scenes: ['data', 'resample', 'spectra', 'io', 'support'],
  prepare: ['scenes', 'data', 'resample', 'spectra', 'io', 'support'],
  evaluate: ['checkpoint', 'engine', 'models', 'data', 'resample', 'spectra', 'io', 'support'],
  predict: [
    'checkpoint',
    'scenes',
    'engine',
    'compiler',
    'graph',
    'models',
    'data',
    'resample',
    'spectra',
    'io',
    'support',
  ],
  report: ['evaluate', 'spectra', 'io', 'support'],
  train: ['checkpoint', 'predict', 'evaluate', 'engine', 'losses', 'models', 'data', 'io', 'spectra', 'support'],
  cli: [
    'train',
    'checkpoint',
    'predict',
    'prepare',
    'scenes',
    'resample',
    'evaluate',
    'report',
    'sample',
    'engine',
    'compiler',
    'graph',
    'models',
    'losses',
    'data',
    'io',
    'spectra',
    'support',
  ],
};
const src = join(root, 'src');
let wrong = 0;
for (const entry of readdirSync(src, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || !entry.name.endsWith('.ts')) continue;
  const file = join(entry.parentPath, entry.name);
  const room = relative(src, file).split('/')[0];
  if (room.endsWith('.ts')) continue;
  for (const [, target] of readFileSync(file, 'utf8').matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)) {
    const path = relative(src, resolve(dirname(file), target));
    if (path.startsWith('../bindings')) {
      if (room === 'engine' || room === 'compiler' || room === 'cli') continue;
      console.log(`src/${relative(src, file)}: only engine/ and cli/ may import the bindings`);
      wrong++;
      continue;
    }
    const to = path.split('/')[0];
    if (to === room || to === 'errors.js' || to === 'random.js' || allowed[room]?.includes(to)) continue;
    console.log(
      `src/${relative(src, file)} imports ${path}: ${room}/ may import ${allowed[room]?.join(', ') || 'nothing'}`,
    );
    wrong++;
  }
}
console.log(wrong === 0 ? 'all imports point one way' : `${wrong} imports point the wrong way`);
process.exitCode = wrong === 0 ? 0 : 1;
