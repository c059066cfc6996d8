/** Which scenes of a list are whose, and what their results are called. */
import { resolve } from 'node:path';
import { BandliftError, EXIT } from '../base/errors.js';
import { headerOf, isHeaderName } from '../raster/envi_pair.js';
import { sceneName } from '../scenes/envi_scene.js';

/** Part `index` (from 1) of `count`. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

export interface ListedScene {
  readonly path: string;
  readonly name: string;
}

/** '2/8'. Errors: BandliftError (usage). */
export function parseShard(text: string): Shard {
  const [, index, count] = /^(\d+)\/(\d+)$/.exec(text.trim())?.map(Number) ?? [];
  if (index === undefined || count === undefined || index < 1 || index > count)
    throw new BandliftError(
      'not a valid shard',
      { field: '--shard', found: text, expected: 'i/n with i from 1 to n, e.g. 2/8' },
      EXIT.usage,
    );
  return { index, count };
}

/** The header that a path stands for; the path itself where there is none, which is told when it is opened. */
function headerPathOf(path: string): string {
  if (isHeaderName(path)) return resolve(path);
  try {
    return resolve(headerOf(path));
  } catch {
    return resolve(path);
  }
}

/** Whether two paths are of one cube: the same file, or a header and its data file. */
const sameCube = (a: string, b: string): boolean =>
  resolve(a) === resolve(b) || (headerPathOf(a) === headerPathOf(b) && isHeaderName(a) !== isHeaderName(b));

/**
 * The scenes of a list in its order, a header and its data file counting once; of a shard every n-th. Errors: BandliftError
 * where two scenes would write the same file, whichever shard they are in.
 */
export function listScenes(paths: readonly string[], shard?: Shard): ListedScene[] {
  const byName = new Map<string, ListedScene>();
  for (const path of paths) {
    const name = sceneName(path);
    const other = byName.get(name);
    if (other && !sameCube(path, other.path))
      throw new BandliftError(
        'two scenes have the same name and would write the same file',
        { file: path, found: other.path, hint: 'rename one or give them different --out folders' },
        EXIT.usage,
      );
    if (!other) byName.set(name, { path, name });
  }
  const scenes = [...byName.values()];
  return shard ? scenes.filter((_, i) => i % shard.count === shard.index - 1) : scenes;
}
