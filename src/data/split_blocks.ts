/**
 * Cuts the patches of one scene into contiguous blocks, one for each part, with a guard band between them: patches nearer
 * to another part than half a patch are left out, or, where that would cost too many, only those that overlap one.
 */
import { Random } from '../base/random.js';

export type Part = 'train' | 'validation' | 'test';

export interface Placed {
  /** Number in the set. */
  readonly patch: number;
  readonly scene: string;
  /** Row and column of the first pixel in the scene; undefined where the file does not say. */
  readonly origin: readonly [row: number, column: number] | undefined;
}

export interface PatchSize {
  readonly height: number;
  readonly width: number;
}

export interface Blocks {
  readonly parts: ReadonlyMap<Part, readonly Placed[]>;
  readonly guard: readonly Placed[];
  /** Pixels between patches of different parts, at least; undefined where origins are unknown. */
  readonly gap: number | undefined;
}

/** Share of a scene's patches that a guard band may cost. */
const MAX_GUARD = 0.35;
/** Where contiguous runs do not work out, three disjoint patches are searched for among this many. */
const MAX_SEARCH = 200;

/** Pixels between two patches, along the axis that parts them most; negative when they share pixels. */
export function gapBetween(a: Placed, b: Placed, size: PatchSize): number {
  return Math.max(
    Math.abs(a.origin![0] - b.origin![0]) - size.height,
    Math.abs(a.origin![1] - b.origin![1]) - size.width,
  );
}

/** Whole numbers >= 1 that add up to `total`, near the wanted ones; `total` >= their number. */
export function apportion(wanted: readonly number[], total: number): number[] {
  const sum = wanted.reduce((a, b) => a + b, 0) || 1;
  const exact = wanted.map((w) => (w / sum) * total);
  const counts = exact.map((e) => Math.max(1, Math.floor(e)));
  const spare = () => total - counts.reduce((a, b) => a + b, 0);
  const best = (score: (i: number) => number) => counts.reduce((top, _, i) => (score(i) > score(top) ? i : top), 0);
  while (spare() > 0) counts[best((i) => exact[i]! - counts[i]!)]!++;
  while (spare() < 0) counts[best((i) => (counts[i]! > 1 ? counts[i]! - exact[i]! : -Infinity))]!--;
  return counts;
}

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length <= 1) return [[...items]];
  return items.flatMap((item, i) => permutations(items.filter((_, j) => j !== i)).map((rest) => [item, ...rest]));
}

/**
 * Cuts a scene so that every part gets at least one patch, near `wanted` (in any unit). The seed decides between cuts that
 * are equally good. Undefined when the patches overlap so much that there are not enough disjoint ones.
 */
export function cutScene(
  scene: readonly Placed[],
  size: PatchSize,
  wanted: ReadonlyMap<Part, number>,
  seed: number,
): Blocks | undefined {
  if (scene.length < wanted.size) return undefined;
  const names = [...wanted.keys()];
  const counts = new Map(names.map((name, i) => [name, apportion([...wanted.values()], scene.length)[i]!]));
  const orders = new Random(seed, 11).shuffle(permutations(names));
  if (scene.some((p) => p.origin === undefined))
    return { ...runs(byNumber(scene), orders[0]!, counts, undefined), guard: [], gap: undefined };
  const half = Math.max(1, Math.floor(Math.min(size.height, size.width) / 2));
  for (const gap of [half, 0]) {
    let best: (Blocks & { cost: number }) | undefined;
    for (const axis of [0, 1] as const) {
      const sorted = byNumber(scene).sort(
        (a, b) => a.origin![axis] - b.origin![axis] || a.origin![1 - axis]! - b.origin![1 - axis]!,
      );
      for (const order of orders)
        for (const snap of [axis, undefined]) {
          const blocks = separate(runs(sorted, order, counts, snap).parts, size, gap);
          if (!blocks || (gap > 0 && blocks.guard.length > MAX_GUARD * scene.length)) continue;
          const off = names.map((name) =>
            name === 'train' ? 0 : Math.abs(blocks.parts.get(name)!.length - counts.get(name)!),
          );
          const cost = off.reduce((a, b) => a + b, 0) + blocks.guard.length / 2;
          if (!best || cost < best.cost) best = { ...blocks, cost };
        }
    }
    if (best) return { parts: best.parts, guard: best.guard, gap: best.gap };
  }
  return grow(scene, size, names, counts);
}

const byNumber = (scene: readonly Placed[]) => [...scene].sort((a, b) => a.patch - b.patch);

/** Contiguous runs of a sorted list; with `snap`, cuts move to the nearest change of that coordinate. */
function runs(
  sorted: readonly Placed[],
  order: readonly Part[],
  counts: ReadonlyMap<Part, number>,
  snap: 0 | 1 | undefined,
) {
  const parts = new Map<Part, Placed[]>();
  let start = 0;
  let wantedEnd = 0;
  order.forEach((name, i) => {
    wantedEnd += counts.get(name)!;
    const after = order.length - 1 - i;
    let end = after === 0 ? sorted.length : wantedEnd;
    if (snap !== undefined && after > 0) {
      const isLine = (at: number) => sorted[at]!.origin![snap] !== sorted[at - 1]!.origin![snap];
      const lines = sorted.map((_, at) => at).filter((at) => at > start && at <= sorted.length - after && isLine(at));
      const nearest = lines.sort((a, b) => Math.abs(a - wantedEnd) - Math.abs(b - wantedEnd))[0];
      end = nearest ?? end;
    }
    end = Math.max(start + 1, Math.min(end, sorted.length - after));
    parts.set(name, sorted.slice(start, end));
    start = end;
  });
  return { parts };
}

/** Leaves out patches that are nearer than `gap` to another part, from train first, then validation. */
function separate(parts: ReadonlyMap<Part, readonly Placed[]>, size: PatchSize, gap: number): Blocks | undefined {
  const guard: Placed[] = [];
  const kept = new Map<Part, readonly Placed[]>();
  for (const name of ['test', 'validation', 'train'] as const) {
    const own = parts.get(name);
    if (!own) continue;
    const near = nearness([...kept.values()].flat(), size, gap);
    const keep = own.filter((p) => {
      if (!near(p)) return true;
      guard.push(p);
      return false;
    });
    if (keep.length === 0) return undefined;
    kept.set(name, keep);
  }
  return { parts: kept, guard, gap };
}

/** Whether a patch is nearer than `gap` to any of the others, by a search among those near in rows. */
function nearness(others: readonly Placed[], size: PatchSize, gap: number): (p: Placed) => boolean {
  const sorted = [...others].sort((a, b) => a.origin![0] - b.origin![0]);
  const reach = size.height + gap;
  return (p) => {
    let low = 0;
    let high = sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sorted[middle]!.origin![0] <= p.origin![0] - reach) low = middle + 1;
      else high = middle;
    }
    for (let i = low; i < sorted.length && sorted[i]!.origin![0] < p.origin![0] + reach; i++)
      if (gapBetween(p, sorted[i]!, size) < gap) return true;
    return false;
  };
}

/** The last resort: one patch for each part, mutually disjoint, and whatever else overlaps a single part only. */
function grow(
  scene: readonly Placed[],
  size: PatchSize,
  names: readonly Part[],
  counts: ReadonlyMap<Part, number>,
): Blocks | undefined {
  const pool = byNumber(scene).slice(0, MAX_SEARCH);
  const disjoint = (a: Placed, b: Placed) => gapBetween(a, b, size) >= 0;
  const search = (found: readonly Placed[], from: number): readonly Placed[] | undefined => {
    if (found.length === names.length) return found;
    for (let i = from; i < pool.length; i++) {
      if (!found.every((f) => disjoint(f, pool[i]!))) continue;
      const more = search([...found, pool[i]!], i + 1);
      if (more) return more;
    }
    return undefined;
  };
  const first = search([], 0);
  if (!first) return undefined;
  const parts = new Map(names.map((name, i) => [name, [first[i]!]]));
  const guard: Placed[] = [];
  for (const p of byNumber(scene)) {
    if (first.includes(p)) continue;
    const touched = names.filter((name) => parts.get(name)!.some((q) => !disjoint(p, q)));
    const hungriest = [...names].sort(
      (a, b) => parts.get(a)!.length / counts.get(a)! - parts.get(b)!.length / counts.get(b)!,
    )[0]!;
    if (touched.length > 1) guard.push(p);
    else parts.get(touched[0] ?? hungriest)!.push(p);
  }
  return { parts, guard, gap: 0 };
}
