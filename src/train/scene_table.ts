/** The final test scene by scene: angles of every method, over all bands and over those away from water vapour. */
import { alignRows } from '../base/text_table.js';
import { locate } from '../data/patches.js';
import type { PatchSet } from '../data/types.js';
import type { MethodResult } from '../metrics/types.js';

export interface SceneRows {
  readonly scene: string;
  readonly rows: readonly MethodResult[];
}

/** Patches by the scene they are of, in the order of the patches. */
export function byScene(set: PatchSet, patches: readonly number[]): Map<string, number[]> {
  const scenes = new Map<string, number[]>();
  for (const patch of patches) {
    const { scene } = set.files[locate(set, patch).file]!;
    const list = scenes.get(scene);
    if (list) list.push(patch);
    else scenes.set(scene, [patch]);
  }
  return scenes;
}

/** A line for each scene and one for their mean; 'all / clear' degrees of each method. */
export function sceneTable(scenes: readonly SceneRows[]): string {
  const methods = scenes[0]!.rows.map(({ label }) => label);
  const angles = scenes.map(({ rows }) =>
    rows.map(({ regions }) => [regions.all?.samDeg ?? Number.NaN, regions.clear?.samDeg ?? Number.NaN] as const),
  );
  const mean = methods.map((_, m) =>
    [0, 1].map((k) => angles.reduce((sum, of) => sum + of[m]![k]!, 0) / angles.length),
  );
  const cell = ([all, clear]: readonly number[]) =>
    `${all!.toFixed(3)} / ${Number.isNaN(clear!) ? '-' : clear!.toFixed(3)}`;
  const rows = [
    ['SAM deg, all / clear bands', ...methods],
    ...scenes.map(({ scene }, i) => [scene, ...angles[i]!.map(cell)]),
    ...(scenes.length > 1 ? [['mean of the scenes', ...mean.map(cell)]] : []),
  ];
  return alignRows(rows).join('\n');
}
