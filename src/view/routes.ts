/** What the page may ask for. Nothing here names a file: scenes have numbers, and the parts of the page are listed. */
import { readFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BandliftError } from '../base/errors.js';
import { version } from '../base/version.js';
import { PAGE } from './html.js';
import { paint, png, type Range } from './picture.js';
import { STYLE } from './style.js';
import { SHARES, TILE, type ViewedScene } from './viewed_scene.js';

export interface Answer {
  readonly type: string;
  readonly body: Uint8Array | string;
  readonly headers?: Record<string, string>;
}

type Query = URLSearchParams;

const wrong = (field: string, found: string | null, expected: string) =>
  new BandliftError('is wrong', { field, found: found ?? 'nothing', expected });

function whole(query: Query, name: string): number {
  const text = query.get(name);
  if (text === null || !/^\d{1,9}$/.test(text)) throw wrong(name, text, 'a whole number');
  return Number(text);
}

function wholes(query: Query, name: string): number[] {
  const text = query.get(name);
  if (text === null || !/^\d{1,6}(,\d{1,6}){0,2}$/.test(text)) throw wrong(name, text, 'one to three whole numbers');
  return text.split(',').map(Number);
}

/** low,high of each band. */
function ranges(query: Query, bands: number): Range[] {
  const text = query.get('ranges');
  const numbers = (text ?? '').split(',').map(Number);
  if (text === null || numbers.length !== 2 * bands || !numbers.every(Number.isFinite))
    throw wrong('ranges', text, `${2 * bands} numbers`);
  return Array.from({ length: bands }, (_, k) => {
    const [low, high] = [numbers[2 * k]!, numbers[2 * k + 1]!];
    return [low, high > low ? high : low + 1];
  });
}

/** Of scenes of the same name each has its folder's before it, and its number where that is the same, too. */
function nameOf(scenes: readonly ViewedScene[], { scene, id }: ViewedScene): string {
  const long = (one: ViewedScene['scene']) => `${basename(dirname(resolve(one.path)))}/${one.name}`;
  const others = scenes.filter((other) => other.id !== id).map((other) => other.scene);
  if (!others.some(({ name }) => name === scene.name)) return scene.name;
  return others.some((other) => long(other) === long(scene)) ? `${long(scene)} (${id + 1})` : long(scene);
}

const json = (value: unknown): Answer => ({ type: 'application/json', body: JSON.stringify(value) });

async function tile(scene: ViewedScene, query: Query): Promise<Answer> {
  const bands = wholes(query, 'bands');
  const format = query.get('format') ?? 'png';
  if (format !== 'png' && format !== 'float32') throw wrong('format', format, 'png or float32');
  const stretch = format === 'png' ? ranges(query, bands.length) : [];
  const { width, height, values } = await scene.tile(
    whole(query, 'level'),
    whole(query, 'x'),
    whole(query, 'y'),
    bands,
  );
  const headers = { 'X-Tile-Size': `${width} ${height}`, 'Cache-Control': 'private, max-age=600' };
  if (format === 'float32')
    return {
      type: 'application/octet-stream',
      body: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
      headers,
    };
  if (bands.length === 2) throw wrong('bands', query.get('bands'), 'one or three');
  return { type: 'image/png', body: await png(paint(values, stretch), width, height), headers };
}

async function spectrum(scene: ViewedScene, query: Query): Promise<Answer> {
  const window = { x: whole(query, 'x'), y: whole(query, 'y'), width: 1, height: 1 };
  if (query.has('width')) window.width = whole(query, 'width');
  if (query.has('height')) window.height = whole(query, 'height');
  return json(await scene.spectrum(window));
}

/** The page's own code, compiled beside this file; the server gives these and nothing else. */
export const SCRIPTS = ['main', 'ask', 'state', 'places', 'canvas', 'plot', 'table', 'pins', 'controls', 'colours'];
const folder = join(dirname(fileURLToPath(import.meta.url)), 'page');

/** What stands at `path`; undefined where nothing does. Throws a BandliftError for a question that is wrong. */
export async function answer(scenes: readonly ViewedScene[], path: string, query: Query): Promise<Answer | undefined> {
  if (path === '') return { type: 'text/html; charset=utf-8', body: PAGE };
  if (path === 'style.css') return { type: 'text/css; charset=utf-8', body: STYLE };
  const script = /^page\/(\w+)\.js$/.exec(path)?.[1];
  if (script !== undefined && SCRIPTS.includes(script))
    return { type: 'text/javascript; charset=utf-8', body: await readFile(join(folder, `${script}.js`)) };
  if (path === 'api/session')
    return json({
      version: version(),
      tile: TILE,
      shares: SHARES,
      scenes: scenes.map((scene) => scene.describe(nameOf(scenes, scene))),
    });
  const about = { 'api/tile': tile, 'api/spectrum': spectrum, 'api/stretch': stretch }[path];
  if (about === undefined) return undefined;
  const number = whole(query, 'scene');
  const scene = scenes[number];
  if (scene === undefined) throw wrong('scene', `${number}`, `0 to ${scenes.length - 1}`);
  return about(scene, query);
}

async function stretch(scene: ViewedScene, query: Query): Promise<Answer> {
  const found: number[][] = [];
  for (const band of wholes(query, 'bands')) found.push(await scene.stretch(band));
  return json(found);
}
