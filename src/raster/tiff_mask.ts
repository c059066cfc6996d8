/**
 * Masks inside of GeoTIFF files: a directory of its own with one bit a pixel (GDAL's GDAL_TIFF_INTERNAL_MASK), 0 where the
 * image holds no data. TIFF 6.0 calls it a transparency mask: bit 2 of NewSubfileType.
 */
import { BandliftError } from '../base/errors.js';
import type { OpenFile } from '../base/files.js';
import { readTiffTags, type TiffTags } from './tiff_tags.js';

const MASK = 4;
const REDUCED = 1;
/** Bits of a byte from the least significant on; nobody writes masks so, but the format allows it. */
const REVERSED = 2;
/** More directories than overviews and masks of any file; a longer chain is a loop. */
const MOST_DIRECTORIES = 64;

/** The directory of the mask of the full image; undefined where the file has none. Throws for one that cannot be read. */
export async function findMask(file: OpenFile): Promise<TiffTags | undefined> {
  const image = await readTiffTags(file);
  const sizeOf = async (tags: TiffTags) => `${await tags.numbers('width')} x ${await tags.numbers('height')}`;
  for (let at = image.next, n = 0; at !== 0 && n < MOST_DIRECTORIES; n++) {
    const tags = await readTiffTags(file, at);
    const kind = (await tags.numbers('subfileType'))?.[0] ?? 0;
    if ((kind & MASK) !== 0 && (kind & REDUCED) === 0 && (await sizeOf(tags)) === (await sizeOf(image))) {
      const samples = (await tags.numbers('samplesPerPixel'))?.[0] ?? 1;
      const order = (await tags.numbers('fillOrder'))?.[0] ?? 1;
      if (samples !== 1 || order === REVERSED)
        throw new BandliftError('has a mask of a kind that is not read', {
          file: file.path,
          found: samples === 1 ? 'FillOrder 2' : `${samples} masks`,
          expected: 'one mask for all bands',
          hint: 'gdal_translate -mask none IN OUT leaves it out; write nodata instead',
        });
      return tags;
    }
    at = tags.next;
  }
  return undefined;
}

/** Clears `valid` [height, width] where the mask is 0. `bytes` hold eight pixels each, the first of them pixel `first` of its row. */
export function applyMask(
  bytes: ArrayLike<number>,
  packed: boolean,
  first: number,
  valid: Uint8Array,
  width: number,
): void {
  const rowBytes = packed ? bytes.length / (valid.length / width) : width;
  for (let p = 0; p < valid.length; p++) {
    const [y, x] = [Math.floor(p / width), p % width];
    const bit = first + x;
    const set = packed ? (bytes[y * rowBytes + (bit >> 3)]! >> (7 - (bit & 7))) & 1 : bytes[p]!;
    if (set === 0) valid[p] = 0;
  }
}
