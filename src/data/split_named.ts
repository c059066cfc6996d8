/** A split by the names of scenes, for data whose parts the user knows better: overlapping lines, one site to test on. */
import { BandliftError, EXIT } from '../base/errors.js';
import type { PatchSet, Split } from './types.js';

/** 'a, b' -> ['a', 'b'] */
const names = (list: string): string[] =>
  list
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');

/** Validation and test scenes by name; all others are trained on. Errors: a usage error for names that no file has. */
export function splitByNames(set: PatchSet, validation: string, test: string, seed: number): Split {
  const known = new Set(set.files.map((file) => file.scene));
  const parts = { validation: names(validation), test: names(test) };
  for (const [part, list] of Object.entries(parts)) {
    const field = part === 'test' ? '--test-scenes' : '--val-scenes';
    const expected = `some of ${[...known].slice(0, 12).join(', ')}`;
    if (list.length === 0) throw new BandliftError('both lists of scenes are needed', { field, expected }, EXIT.usage);
    const wrong = list.find((name) => !known.has(name));
    if (wrong !== undefined) throw new BandliftError('no such scene', { field, found: wrong, expected }, EXIT.usage);
  }
  const both = parts.test.find((name) => parts.validation.includes(name));
  if (both !== undefined)
    throw new BandliftError(
      'a scene is in two parts of the split',
      { field: '--test-scenes', found: both },
      EXIT.usage,
    );
  const split = { train: [] as number[], validation: [] as number[], test: [] as number[] };
  let patch = 0;
  for (const { scene, patches } of set.files) {
    const part = parts.test.includes(scene) ? 'test' : parts.validation.includes(scene) ? 'validation' : 'train';
    for (let p = 0; p < patches; p++) split[part].push(patch++);
  }
  if (split.train.length === 0)
    throw new BandliftError('the lists of scenes leave nothing to train on', { field: '--val-scenes' }, EXIT.usage);
  const description = `by scene, as asked: ${parts.validation.join(', ')} for validation, ${parts.test.join(', ')} for test`;
  return { method: 'scene', seed, ...split, guard: [], description };
}
