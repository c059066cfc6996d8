/** Random crops of stored patches that are larger than what a network is trained on. */
import { locate } from './patches.js';
import type { PatchSet } from './types.js';

/**
 * The tiles that may be read from anywhere in their stored patch: those of stored patches whose tiles are all among `train`,
 * so that no crop reaches into a pixel of another part of the split.
 */
export function movableTiles(set: PatchSet, train: readonly number[]): Set<number> {
  const stored = new Map<string, number[]>();
  for (const patch of train) {
    const { file, patch: number } = locate(set, patch);
    const key = `${file}:${number}`;
    const list = stored.get(key);
    if (list) list.push(patch);
    else stored.set(key, [patch]);
  }
  const whole = [...stored].filter(([key, list]) => {
    const { tiles } = set.files[Number(key.split(':')[0])]!;
    return tiles !== undefined && list.length === tiles.rows * tiles.columns;
  });
  return new Set(whole.flatMap(([, list]) => list));
}
