/** Scenes that weigh the same in training, however many patches each has. */
import { Random } from '../base/random.js';
import { locate } from './patches.js';
import type { PatchSet } from './types.js';

/**
 * As many patches as are given, the same number of each scene to within one: those of a small scene come several times, those
 * of a large one in turn. The same for the same seed and epoch.
 */
export function balanceScenes(set: PatchSet, patches: readonly number[], seed: number, epoch: number): number[] {
  const scenes = new Map<string, number[]>();
  for (const patch of patches) {
    const { scene } = set.files[locate(set, patch).file]!;
    scenes.set(scene, [...(scenes.get(scene) ?? []), patch]);
  }
  const random = new Random(seed, 2_000_000 + epoch);
  const lists = random.shuffle([...scenes.values()]).map((list) => random.shuffle([...list]));
  return patches.map((_, i) => {
    const list = lists[i % lists.length]!;
    return list[Math.floor(i / lists.length) % list.length]!;
  });
}
