/**
 * What a prediction keeps between its passes over the scene: maps (rasters of float32 that are written tile by tile and read
 * with halo), which pixels are valid, and how far it has come. All in one folder, so that an interrupted prediction goes on
 * from there; removed at the end.
 */
import { open, readFile, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomic } from '../base/atomic.js';
import { fileError, writeError } from '../base/files.js';
import { makeFolder } from '../base/folders.js';
import { RasterFile } from './raster_file.js';

const count = z.int().min(0);

const stateSchema = z.strictObject({
  format: z.literal(2),
  /** What the prediction is made of; another key means that nothing of this state can be used. */
  key: z.string(),
  /** The segment being computed, and how many of its tiles are done. */
  segment: count,
  tiles: count,
  /** Sums over the valid pixels of those tiles, and their number, for each mean of the segment. */
  sums: z.array(z.array(z.number())),
  /** Means of earlier segments by value. */
  means: z.record(z.string(), z.array(z.number())),
  /** Every pixel of the result is on the disk: its header, and what was counted. */
  result: z.nullable(
    z.strictObject({
      header: z.string(),
      counts: z.strictObject({
        pixels: count,
        nodata: count,
        clamped: count,
        notFinite: count,
        bounded: count.default(0),
      }),
    }),
  ),
});

export type PassState = z.infer<typeof stateSchema>;

/** Name of the raster of valid pixels. */
export const VALID = 'valid';

export class Scratch {
  readonly folder: string;
  readonly resumed: boolean;
  state: PassState;
  readonly #rasters = new Map<string, RasterFile>();

  private constructor(folder: string, state: PassState, resumed: boolean) {
    this.folder = folder;
    this.state = state;
    this.resumed = resumed;
  }

  /** Goes on from the state in `folder` if it has this key, else begins with an empty folder. */
  static async open(folder: string, key: string): Promise<Scratch> {
    const old = await readScratch(folder);
    return old?.key === key ? new Scratch(folder, old, old.segment + old.tiles > 0) : Scratch.begin(folder, key);
  }

  /** Begins with an empty folder. */
  static async begin(folder: string, key: string): Promise<Scratch> {
    try {
      await rm(folder, { recursive: true, force: true });
      makeFolder(folder);
    } catch (error) {
      throw fileError(error, folder);
    }
    const state = { format: 2 as const, key, segment: 0, tiles: 0, sums: [], means: {}, result: null };
    return new Scratch(folder, state, false);
  }

  /** The raster of this name, made when it is not there. `size`: bytes of one number (4: float32, 1: uint8). */
  async raster(name: string, height: number, width: number, channels: number, size: 1 | 4): Promise<RasterFile> {
    const known = this.#rasters.get(name);
    if (known !== undefined) return known;
    const path = join(this.folder, `${name}.raw`);
    const bytes = height * width * channels * size;
    try {
      const handle = await open(path, 'a+');
      await handle.close();
      await truncate(path, bytes);
      const raster = new RasterFile(await open(path, 'r+'), path, width, channels * size);
      this.#rasters.set(name, raster);
      return raster;
    } catch (error) {
      throw writeError(error, path, bytes);
    }
  }

  /** Brings the rasters to the disk, then the state that says so. */
  async save(): Promise<void> {
    for (const raster of this.#rasters.values()) await raster.sync();
    await writeFileAtomic(join(this.folder, 'state.json'), `${JSON.stringify(this.state)}\n`);
  }

  /** Forgets a map that no later segment reads. */
  async drop(name: string): Promise<void> {
    const raster = this.#rasters.get(name);
    this.#rasters.delete(name);
    await raster?.close();
    await rm(join(this.folder, `${name}.raw`), { force: true });
  }

  async close(): Promise<void> {
    for (const raster of this.#rasters.values()) await raster.close();
    this.#rasters.clear();
  }

  /** Closes and removes everything. */
  async remove(): Promise<void> {
    await this.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** The state in a folder; undefined where there is none that can be read: nothing but time is lost then. */
export async function readScratch(folder: string): Promise<PassState | undefined> {
  try {
    return stateSchema.parse(JSON.parse(await readFile(join(folder, 'state.json'), 'utf8')));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== undefined && code !== 'ENOENT' && code !== 'ENOTDIR') throw fileError(error, folder);
    return undefined;
  }
}
