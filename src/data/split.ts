/**
 * Training, validation and test patches such that no pixel is in two of them (domain.md 7). By scene when the scenes can be
 * shared out near the wanted fractions, else by contiguous blocks along the flight line; patches that overlap another part
 * are left out as a guard. Fractions count patches, not files.
 */
import { BandliftError } from '../errors.js';
import { Random } from '../random.js';
import { locate } from './patches.js';
import type { PatchSet, Split } from './types.js';

export interface SplitOptions {
  readonly validation: number;
  readonly test: number;
  readonly seed: number;
}

interface Placed {
  readonly patch: number;
  readonly scene: string;
  /** Row and column of the first pixel in the scene; undefined where the file does not say. */
  readonly origin?: readonly [number, number];
}

function place(set: PatchSet): Placed[] {
  return Array.from({ length: set.count }, (_, patch) => {
    const at = locate(set, patch);
    const file = set.files[at.file]!;
    const origin = file.origins ? ([file.origins[2 * at.patch]!, file.origins[2 * at.patch + 1]!] as const) : undefined;
    return { patch, scene: file.scene, ...(origin ? { origin } : {}) };
  });
}

function overlap(set: PatchSet, a: Placed, b: Placed): boolean {
  if (a.scene !== b.scene || !a.origin || !b.origin) return false;
  return Math.abs(a.origin[0] - b.origin[0]) < set.height && Math.abs(a.origin[1] - b.origin[1]) < set.width;
}

/** Whole scenes for test, then validation, as near to the wanted counts as scenes allow; undefined when one part stays empty. */
function byScene(placed: readonly Placed[], options: SplitOptions): Record<'train' | 'validation' | 'test', Placed[]> | undefined {
  const scenes = new Map<string, Placed[]>();
  for (const p of placed) scenes.set(p.scene, [...(scenes.get(p.scene) ?? []), p]);
  if (scenes.size < 3) return undefined;
  const left = new Random(options.seed, 1).shuffle([...scenes.values()]);
  const take = (wanted: number): Placed[] => {
    const taken: Placed[] = [];
    do {
      const missing = wanted - taken.length;
      // the scene that comes nearest to what is missing; the seed breaks ties
      left.sort((a, b) => Math.abs(a.length - missing) - Math.abs(b.length - missing));
      if (taken.length > 0 && Math.abs(left[0]!.length - missing) >= missing) break;
      taken.push(...left.shift()!);
    } while (left.length > 1 && taken.length < wanted);
    return taken;
  };
  const test = take(Math.max(1, Math.round(options.test * placed.length)));
  const validation = left.length > 1 ? take(Math.max(1, Math.round(options.validation * placed.length))) : [];
  const train = left.flat();
  if (train.length === 0 || validation.length === 0 || test.length === 0) return undefined;
  return { train, validation, test };
}

/** Contiguous runs along each scene's rows (or patch numbers): train | validation | test. */
function byBlock(placed: readonly Placed[], options: SplitOptions): Record<'train' | 'validation' | 'test', Placed[]> {
  const ordered = [...placed].sort(
    (a, b) =>
      (a.scene < b.scene ? -1 : a.scene > b.scene ? 1 : 0) ||
      (a.origin?.[0] ?? 0) - (b.origin?.[0] ?? 0) ||
      (a.origin?.[1] ?? 0) - (b.origin?.[1] ?? 0) ||
      a.patch - b.patch,
  );
  const n = ordered.length;
  const test = Math.min(n - 2, Math.max(1, Math.round(options.test * n)));
  const validation = Math.min(n - 1 - test, Math.max(1, Math.round(options.validation * n)));
  return { train: ordered.slice(0, n - test - validation), validation: ordered.slice(n - test - validation, n - test), test: ordered.slice(n - test) };
}

/** Splits the patches of a set. Needs at least 3 patches; deterministic for a seed. */
export function splitPatches(set: PatchSet, options: SplitOptions): Split {
  const wanted = 3;
  if (set.count < wanted)
    throw new BandliftError('too few patches for training, validation and test', {
      file: set.files.map((f) => f.path).join(', '),
      found: set.count,
      expected: `at least ${wanted}`,
    });
  const placed = place(set);
  const known = placed.every((p) => p.origin !== undefined);
  const scenes = byScene(placed, options);
  const parts = scenes ?? byBlock(placed, options);
  // a patch stays where it is unless it shares pixels with a part that is more precious: test, then validation
  const guard: Placed[] = [];
  const keep = (part: Placed[], others: Placed[]) =>
    part.filter((p) => {
      if (!others.some((o) => overlap(set, p, o))) return true;
      guard.push(p);
      return false;
    });
  const validation = keep(parts.validation, parts.test);
  const train = keep(parts.train, [...parts.test, ...validation]);
  if (train.length === 0 || validation.length === 0)
    throw new BandliftError('the patches overlap so much that no disjoint training and validation parts are left', {
      file: set.files.map((f) => f.path).join(', '),
      hint: 'cut patches with less overlap, or add scenes',
    });
  const method = scenes ? 'scene' : known ? 'block' : 'patch';
  const numbers = (list: readonly Placed[]) => list.map((p) => p.patch).sort((a, b) => a - b);
  return {
    method,
    seed: options.seed,
    train: numbers(train),
    validation: numbers(validation),
    test: numbers(parts.test),
    guard: numbers(guard),
    description: describe(method, new Set(placed.map((p) => p.scene)).size),
  };
}

function describe(method: Split['method'], scenes: number): string {
  if (method === 'scene') return `by scene: each of the ${scenes} scenes is in one part only`;
  const few = scenes < 3 ? ` (${scenes} scene${scenes === 1 ? '' : 's'})` : ` (${scenes} scenes, one too large to set aside)`;
  if (method === 'block') return `by contiguous blocks along the flight line${few}; overlapping patches are left out`;
  return `by contiguous runs of patch numbers${few}; the files do not say where patches lie, so overlap cannot be ruled out`;
}

/** Proves that a split belongs to the set and that no pixel is in two of its parts; throws otherwise. */
export function checkSplit(set: PatchSet, split: Split): void {
  const placed = place(set);
  const parts = { train: split.train, validation: split.validation, test: split.test };
  const seen = new Map<number, string>();
  for (const [name, patches] of Object.entries(parts)) {
    for (const patch of patches) {
      if (!placed[patch])
        throw new BandliftError('the split names a patch that the data does not have', { field: `split.${name}`, found: patch, expected: `0 to ${set.count - 1}` });
      if (seen.has(patch)) throw new BandliftError(`patch ${patch} is in two parts of the split`, { found: `${seen.get(patch)} and ${name}` });
      seen.set(patch, name);
    }
  }
  const all = [...seen.keys()].map((patch) => placed[patch]!).sort((a, b) => (a.origin?.[0] ?? 0) - (b.origin?.[0] ?? 0));
  for (let i = 0; i < all.length; i++) {
    for (let j = i + 1; j < all.length && (all[j]!.origin?.[0] ?? 0) - (all[i]!.origin?.[0] ?? 0) < set.height; j++) {
      const [a, b] = [all[i]!, all[j]!];
      if (seen.get(a.patch) !== seen.get(b.patch) && overlap(set, a, b))
        throw new BandliftError(`patches ${a.patch} (${seen.get(a.patch)}) and ${b.patch} (${seen.get(b.patch)}) share pixels of ${a.scene}`);
    }
  }
}
