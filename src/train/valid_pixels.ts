/** Splits that can be trained, validated and tested on: a loss over no pixel at all is NaN, and says nothing of the model. */

import { BandliftError } from '../base/errors.js';
import type { PatchReader } from '../data/loader.js';
import { locate } from '../data/patches.js';
import type { PatchSet, Split } from '../data/types.js';

const PARTS = ['train', 'validation', 'test'] as const;
const NAMES = { train: 'training', validation: 'validation', test: 'test' } as const;

/** Throws a BandliftError when a part of the split has no valid pixel. Reads each part up to its first valid patch. */
export async function checkValidPixels(reader: PatchReader, split: Split): Promise<void> {
  for (const part of PARTS) {
    const patches = split[part];
    if (patches.length === 0 || (await hasValidPixel(reader, patches))) continue;
    throw new BandliftError(`no pixel of the ${NAMES[part]} split is valid`, {
      file: scenesOf(reader.set, patches),
      field: `split.${part}`,
      found: `${patches.length} patch${patches.length === 1 ? '' : 'es'} that mask or nodata leave nothing of`,
      hint:
        part === 'train'
          ? "check 'mask' and nodata"
          : `check 'mask' and nodata, or choose other scenes with --${part === 'test' ? 'test' : 'val'}-scenes`,
    });
  }
}

async function hasValidPixel(reader: PatchReader, patches: readonly number[]): Promise<boolean> {
  for await (const batch of reader.batches({ patches, batchSize: 1, prefetch: 1, mask: true })) {
    const found = batch.validPixels > 0;
    batch.release();
    if (found) return true;
  }
  return false;
}

/** 'a, b and 3 more' */
function scenesOf(set: PatchSet, patches: readonly number[]): string {
  const files = [...new Set(patches.map((patch) => set.files[locate(set, patch).file]!.path))];
  const more = files.length - 2;
  return more > 0 ? `${files.slice(0, 2).join(', ')} and ${more} more` : files.join(' and ');
}
