// Dependencies point one way (docs/architecture.md): the rooms of src/ have an order, and a file imports only from its own room
// and from rooms above it in this list. No two files import each other, directly or around a circle, not even for types.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { root } from './build.mjs';

const ROOMS = [
  'base', // errors, files, locks, workers
  'resample', // tables of taps
  'graph', // operators
  'compiler', // graph -> program
  'io', // files of weights
  'models', // networks
  'ranks', // processes that train together
  'engine', // sessions on a device
  'fit', // closed-form fits
  'tiling', // a graph cut into segments and tiles
  'spectra', // sensors
  'raster', // ENVI and TIFF
  'data', // patches
  'scenes', // rasters on the ground
  'prepare', // scenes -> patches
  'checkpoint',
  'metrics', // numbers of a prediction
  'evaluate',
  'report',
  'predict',
  'fitted', // models in closed form over scenes: the default one, its contest, calibration
  'train',
  'sample', // the generated scene
  'verify', // the checks of `bandlift verify`
  'view', // the viewer: a local server and its page
  'library', // what a program imports
  'cli',
  'index.ts', // the library's faces
  'graph.ts',
];
/** Rooms that may import the bindings, which are not in src/. */
const NATIVE = ['ranks', 'engine', 'compiler', 'tiling', 'fit', 'cli', 'graph.ts'];

const src = join(root, 'src');
const files = readdirSync(src, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && /\.m?ts$|\.mjs$/.test(entry.name))
  .map((entry) => relative(src, join(entry.parentPath, entry.name)));
const known = new Set(files);
const roomOf = (file) => file.split('/')[0];

/** The file that an import names, from src/. */
function imported(file, target) {
  const path = relative(src, resolve(dirname(join(src, file)), target));
  return known.has(path) ? path : path.replace(/\.js$/, '.ts');
}

let wrong = 0;
function complain(text) {
  console.log(text);
  wrong++;
}

const imports = new Map();
for (const file of files) {
  const room = roomOf(file);
  if (!ROOMS.includes(room)) complain(`src/${file}: ${room} is not in the order of rooms`);
  const own = new Set();
  for (const [, target] of readFileSync(join(src, file), 'utf8').matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)) {
    const path = imported(file, target);
    if (path.startsWith('../')) {
      if (!NATIVE.includes(room)) complain(`src/${file} imports ${target}: only ${NATIVE.join(', ')} may`);
      continue;
    }
    own.add(path);
    if (ROOMS.indexOf(roomOf(path)) > ROOMS.indexOf(room))
      complain(`src/${file} imports ${path}: ${roomOf(path)}/ stands after ${room}/`);
  }
  imports.set(file, own);
}

/** Walks the imports depth first; what is met again on the way down closes a circle. */
const finished = new Set();
function walk(file, way) {
  if (way.includes(file)) return complain(`circle: ${[...way.slice(way.indexOf(file)), file].join(' -> ')}`);
  if (finished.has(file)) return;
  for (const next of imports.get(file) ?? []) walk(next, [...way, file]);
  finished.add(file);
}
for (const file of files) walk(file, []);

console.log(wrong === 0 ? 'all imports point one way' : `${wrong} imports point the wrong way`);
process.exitCode = wrong === 0 ? 0 : 1;
