/**
 * Training, validation and test patches such that no pixel is in two of them (docs/specification.md, section 7). Whole
 * scenes where there are two or more; at most one of them is cut into blocks, where whole scenes miss the wanted fractions
 * by far. A single scene is cut into blocks. Fractions count patches, not files.
 */
import { BandliftError } from '../base/errors.js';
import { Random } from '../base/random.js';
import { type Blocks, cutScene, gapBetween, type Part, type Placed } from './split_blocks.js';
import type { PatchSet, Split } from './types.js';

export interface SplitOptions {
  /** Fractions of all patches, each > 0, together < 1. */
  readonly validation: number;
  readonly test: number;
  readonly seed: number;
}

const PARTS: readonly Part[] = ['train', 'validation', 'test'];

/**
 * What cutting a scene costs against deviating from the wanted fractions (sum of deviations / patches): little where only
 * validation and test share it, much where training does, since neighbours in a scene look alike.
 */
const CUTS: readonly { readonly parts: readonly Part[]; readonly penalty: number }[] = [
  { parts: [], penalty: 0 },
  { parts: ['validation', 'test'], penalty: 0.05 },
  { parts: ['train', 'test'], penalty: 0.4 },
  { parts: ['train', 'validation'], penalty: 0.4 },
  { parts: PARTS, penalty: 0.6 },
];
/** Among many scenes, which one is cut matters little. */
const MAX_CUT_CANDIDATES = 32;

type Scene = readonly Placed[];
type PartCounts = Record<Part, number>;

interface Plan {
  readonly cost: number;
  readonly whole: Record<Part, Scene[]>;
  readonly cut: Scene | undefined;
  /** How many patches of the cut scene each of its parts should get. */
  readonly shares: ReadonlyMap<Part, number>;
}

/** Every patch of the set with its scene and place. */
function place(set: PatchSet): Placed[] {
  const placed: Placed[] = [];
  for (const { patches, scene, origins } of set.files)
    for (let p = 0; p < patches; p++)
      placed.push({ patch: placed.length, scene, origin: origins && [origins[2 * p]!, origins[2 * p + 1]!] });
  return placed;
}

function groupScenes(placed: readonly Placed[]): Placed[][] {
  const scenes = new Map<string, Placed[]>();
  for (const p of placed) {
    const scene = scenes.get(p.scene);
    if (scene) scene.push(p);
    else scenes.set(p.scene, [p]);
  }
  return [...scenes.values()];
}

/** Splits the patches of a set; the same for the same seed. Throws a BandliftError when three disjoint parts are impossible. */
export function splitPatches(set: PatchSet, options: SplitOptions): Split {
  const file = set.files.length === 1 ? set.files[0]!.path : `${set.files[0]!.path} and ${set.files.length - 1} more`;
  for (const name of ['validation', 'test'] as const)
    if (!(options[name] > 0 && options[name] < 1))
      throw new BandliftError('must be a fraction', {
        field: `${name} fraction`,
        found: options[name],
        expected: '> 0 and < 1',
      });
  if (options.validation + options.test >= 1)
    throw new BandliftError('leave nothing to train on', {
      field: 'validation and test fractions',
      found: options.validation + options.test,
      expected: '< 1 together',
    });
  if (set.count < PARTS.length)
    throw new BandliftError('too few patches for training, validation and test', {
      file,
      found: set.count,
      expected: `at least ${PARTS.length}`,
    });
  const placed = place(set);
  const scenes = groupScenes(placed);
  const { validation, test } = options;
  const wanted = {
    train: set.count * (1 - validation - test),
    validation: set.count * validation,
    test: set.count * test,
  };
  for (const plan of plans(scenes, wanted, options.seed)) {
    const blocks = plan.cut ? cutScene(plan.cut, set, plan.shares, options.seed) : undefined;
    if (plan.cut && !blocks) continue;
    const list = (part: Part) =>
      [...plan.whole[part].flat(), ...(blocks?.parts.get(part) ?? [])].map((p) => p.patch).sort((a, b) => a - b);
    const single = scenes.length === 1;
    return {
      method: !single ? 'scene' : blocks?.gap === undefined ? 'patch' : 'block',
      seed: options.seed,
      train: list('train'),
      validation: list('validation'),
      test: list('test'),
      guard: (blocks?.guard ?? []).map((p) => p.patch).sort((a, b) => a - b),
      description: describe(scenes.length, plan, blocks),
    };
  }
  throw new BandliftError('the patches overlap so much that training, validation and test cannot be kept apart', {
    file,
    found: `${set.count} patches of ${scenes.length} scene${scenes.length === 1 ? '' : 's'}`,
    expected: 'three that share no pixel',
    hint: 'cut patches with less overlap, or add scenes',
  });
}

/** Ways to share out the scenes, best first. */
function plans(scenes: readonly Scene[], wanted: PartCounts, seed: number): Plan[] {
  // the seed decides between scenes of the same size
  const shuffled = new Random(seed, 1).shuffle([...scenes]).sort((a, b) => b.length - a.length);
  const found: Plan[] = [];
  for (const { parts, penalty } of CUTS) {
    const candidates = parts.length === 0 ? [undefined] : shuffled.slice(0, MAX_CUT_CANDIDATES);
    for (const cut of candidates) {
      const plan = shareOut(shuffled, cut, parts, wanted);
      if (plan) found.push({ ...plan, cost: plan.cost + penalty });
    }
  }
  return found.sort((a, b) => a.cost - b.cost);
}

/** Gives every scene but `cut` to the part that misses most; `cut` then fills up its parts. Undefined if a part stays empty. */
function shareOut(
  scenes: readonly Scene[],
  cut: Scene | undefined,
  cutParts: readonly Part[],
  wanted: PartCounts,
): Plan | undefined {
  if (cut && cut.length < cutParts.length) return undefined;
  const missing = { ...wanted };
  const whole: Record<Part, Scene[]> = { train: [], validation: [], test: [] };
  const rest = scenes.filter((scene) => scene !== cut);
  rest.forEach((scene, i) => {
    const empty = PARTS.filter((part) => whole[part].length === 0 && !cutParts.includes(part));
    // the last scenes go to the parts that have none yet
    const choice = empty.length >= rest.length - i ? empty : PARTS;
    const part = choice.reduce<Part | undefined>(
      (top, p) => (top === undefined || missing[p] > missing[top] ? p : top),
      undefined,
    );
    if (part === undefined) return;
    whole[part].push(scene);
    missing[part] -= scene.length;
  });
  if (PARTS.some((part) => whole[part].length === 0 && !cutParts.includes(part))) return undefined;
  const need = cutParts.map((part) => Math.max(missing[part], 1e-6));
  const sum = need.reduce((a, b) => a + b, 0);
  const shares = new Map(cutParts.map((part, i) => [part, (need[i]! / sum) * (cut?.length ?? 0)]));
  const total = wanted.train + wanted.validation + wanted.test;
  const off = PARTS.map((part) =>
    Math.abs(missing[part] - Math.max(shares.get(part) ?? 0, cutParts.includes(part) ? 1 : 0)),
  );
  return { cost: off.reduce((a, b) => a + b, 0) / total, whole, cut, shares };
}

function describe(scenes: number, { cut }: Plan, blocks: Blocks | undefined): string {
  if (!cut || !blocks) return `by scene: each of the ${scenes} scenes is in one part only`;
  const names = [...blocks.parts.keys()].sort((a, b) => PARTS.indexOf(a) - PARTS.indexOf(b));
  const into = `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
  const left = `${blocks.guard.length} patch${blocks.guard.length === 1 ? '' : 'es'} left out`;
  const how =
    blocks.gap === undefined
      ? `contiguous runs of patch numbers for ${into}; the file does not say where patches lie, so overlap cannot be ruled out`
      : blocks.gap > 0
        ? `contiguous blocks for ${into}, at least ${blocks.gap} pixels apart (${left})`
        : `contiguous blocks for ${into}, which share no pixel but may touch: patches that overlap two blocks are left out (${blocks.guard.length}), and a gap between the blocks would cost too many more`;
  return scenes === 1
    ? `a single scene, cut into ${how}`
    : `by scene, of ${scenes} scenes; only ${cut[0]!.scene} is cut, into ${how}`;
}

/** Proves that a split belongs to the set and that, as far as origins are known, no pixel is in two of its parts. */
export function checkSplit(set: PatchSet, split: Split): void {
  const placed = place(set);
  const part = new Map<number, Part>();
  const wrong = (message: string, detail: { field?: string; found?: string | number; expected?: string } = {}) => {
    throw new BandliftError(message, { ...detail, hint: 'is it the split of other data?' });
  };
  for (const name of [...PARTS, 'guard'] as const) {
    if (name !== 'guard' && split[name].length === 0) wrong('holds no patches', { field: `split.${name}` });
    for (const patch of split[name]) {
      if (!placed[patch])
        wrong('names a patch that the data does not have', {
          field: `split.${name}`,
          found: patch,
          expected: `0 to ${set.count - 1}`,
        });
      if (name === 'guard') {
        if (part.has(patch))
          wrong(`patch ${patch} is left out and in a part`, { field: 'split.guard', found: part.get(patch)! });
        continue;
      }
      if (part.has(patch))
        wrong(`patch ${patch} is in two parts`, { field: 'split', found: `${part.get(patch)} and ${name}` });
      part.set(patch, name);
    }
  }
  const known = [...part.keys()].map((patch) => placed[patch]!).filter((p) => p.origin);
  for (const scene of groupScenes(known)) {
    scene.sort((a, b) => a.origin![0] - b.origin![0]);
    scene.forEach((a, i) => {
      for (let j = i + 1; j < scene.length && scene[j]!.origin![0] - a.origin![0] < set.height; j++) {
        const b = scene[j]!;
        if (part.get(a.patch) !== part.get(b.patch) && gapBetween(a, b, set) < 0)
          wrong(
            `patches ${a.patch} (${part.get(a.patch)}) and ${b.patch} (${part.get(b.patch)}) share pixels of ${a.scene}`,
            { field: 'split' },
          );
      }
    });
  }
}
