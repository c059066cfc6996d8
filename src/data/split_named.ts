/** A split by the names of scenes, for data whose parts the user knows better: overlapping lines, one site to test on. */
import { BandliftError, EXIT } from '../base/errors.js';
import { splitPatches } from './split.js';
import type { PatchSet, Split } from './types.js';

/** 'a, b' -> ['a', 'b'] */
const names = (list: string): string[] =>
  list
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');

/** The set without some of its scenes, and the numbers of its patches in the whole. */
function without(set: PatchSet, scenes: readonly string[]): { rest: PatchSet; numbers: number[] } {
  const numbers: number[] = [];
  let patch = 0;
  for (const file of set.files) {
    for (let p = 0; p < file.patches; p++, patch++) if (!scenes.includes(file.scene)) numbers.push(patch);
  }
  const files = set.files.filter(({ scene }) => !scenes.includes(scene));
  return { rest: { ...set, files, count: numbers.length }, numbers };
}

/**
 * Leaves scenes out for the test; validation is a share of the patches of the others. These are split as ever, and the part
 * that would be their own test is trained on: it shares no pixel with validation.
 */
function leaveOut(set: PatchSet, test: readonly string[], validation: number, seed: number): Split {
  const { rest, numbers } = without(set, test);
  if (rest.count === 0)
    throw new BandliftError('the list of scenes leaves nothing to train on', { field: '--test-scenes' }, EXIT.usage);
  const own = splitPatches(rest, { validation, test: Math.min(validation, (1 - validation) / 2), seed });
  const whole = (patches: readonly number[]) => patches.map((p) => numbers[p]!).sort((a, b) => a - b);
  const kept = new Set(numbers);
  const sceneOf = rest.files.flatMap(({ scene, patches }) => new Array<string>(patches).fill(scene));
  const cut = new Set(own.validation.map((p) => sceneOf[p]!));
  // a guard is needed beside validation alone
  const guard = own.guard.filter((p) => cut.has(sceneOf[p]!));
  const freed = own.guard.filter((p) => !cut.has(sceneOf[p]!));
  return {
    method: own.method,
    seed,
    train: whole([...own.train, ...own.test, ...freed]),
    validation: whole(own.validation),
    test: Array.from({ length: set.count }, (_, p) => p).filter((p) => !kept.has(p)),
    guard: whole(guard),
    description: `${test.join(', ')} for test, as asked; the others for training and validation, none of whose pixels are trained on`,
  };
}

/**
 * Validation and test scenes by name; all others are trained on. With test scenes alone, validation is the share
 * `validationShare` of the patches of the others. Errors: a usage error for names that no file has.
 */
export function splitByNames(
  set: PatchSet,
  validation: string,
  test: string,
  seed: number,
  validationShare: number,
): Split {
  const known = new Set(set.files.map((file) => file.scene));
  const parts = { validation: names(validation), test: names(test) };
  for (const [part, list] of Object.entries(parts)) {
    const field = part === 'test' ? '--test-scenes' : '--val-scenes';
    const expected = `some of ${[...known].slice(0, 12).join(', ')}`;
    if (list.length === 0 && part === 'test')
      throw new BandliftError(
        'scenes for the test are needed beside those for validation',
        { field, expected },
        EXIT.usage,
      );
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
  if (parts.validation.length === 0) return leaveOut(set, parts.test, validationShare, seed);
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
