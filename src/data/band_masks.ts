/**
 * Which bands of a patch carry data. Sensors lack bands of a common grid and have bad ones of their own: then the patches of a
 * set differ, and what is computed of spectra takes a mask for each patch.
 */
import { BandliftError } from '../base/errors.js';
import { storedBands } from './assemble.js';
import { locate } from './patches.js';
import type { PatchSet } from './types.js';

/** [bands], 1 = good and counted in this set, of a patch of a set. */
export function bandsOf(set: PatchSet, patch: number): Uint8Array {
  const { file, patch: stored } = locate(set, patch);
  const good = storedBands(set.files[file]!, stored);
  return Uint8Array.from({ length: set.outBands }, (_, b) => (good?.[b] ?? 1) & (set.counted?.[b] ?? 1));
}

/** [bands], 1 = good in one of these patches. */
export function bandsOfAny(set: PatchSet, patches: readonly number[]): Uint8Array {
  if (set.bandMasks !== true) return set.files[0]!.goodBands ?? new Uint8Array(set.outBands).fill(1);
  const any = new Uint8Array(set.outBands);
  for (const patch of patches) {
    const good = bandsOf(set, patch);
    for (let b = 0; b < any.length; b++) any[b]! |= good[b]!;
  }
  return any;
}

/** [bands], 1 = good in one of all patches. */
export const bandsOfSet = (set: PatchSet): Uint8Array =>
  bandsOfAny(
    set,
    Array.from({ length: set.count }, (_, patch) => patch),
  );

/** Which of these patches have all of the bands. */
export const patchesWithAll = (set: PatchSet, patches: readonly number[], bands: ArrayLike<number>): number[] =>
  set.bandMasks === true
    ? patches.filter((patch) => bandsOf(set, patch).every((good, b) => good === 1 || bands[b] === 0))
    : [...patches];

/** Throws where something needs the same bands of all patches. */
export function requireSameBands(set: PatchSet, what: string): void {
  if (set.bandMasks !== true) return;
  throw new BandliftError(`${what} needs the same good bands in all patches`, {
    file: set.files[0]!.path,
    field: 'good_bands, band_mask',
    hint: 'train it on the scenes of one sensor',
  });
}
