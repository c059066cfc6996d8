/**
 * Result cubes, larger than memory and written in any order: NAME.img.partial while unfinished, then NAME.img and NAME.hdr.
 * What was synced survives a crash, and a resumed cube equals an uninterrupted one to the byte.
 *
 *   begin   take the lock, check the disk, make the file in full size (sparse), write the journal
 *   write   a window anywhere; sync now and then: the data to the disk first, then the journal that says so
 *   finish  sync, rename the data, write the header, remove the journal, release the lock
 *
 * A kill between two steps of `finish` leaves a journal that says so; `open` then goes on with what is left of it.
 */
import { existsSync } from 'node:fs';
import { type FileHandle, readFile, rename, rm, stat } from 'node:fs/promises';
import { writeFileAtomic } from '../base/atomic.js';
import { BandliftError } from '../base/errors.js';
import { writeError } from '../base/files.js';
import { type Lock, takeLock } from '../base/lock.js';
import { formatEnviHeader } from '../raster/envi_header.js';
import { checkWindow } from '../raster/geo.js';
import type { Window } from '../raster/types.js';
import {
  type CubeDescription,
  checkDescription,
  cubeBytes,
  cubePaths,
  headerOf,
  nodataOf,
  scaleOf,
} from './cube_description.js';
import { addCounts, type CubeCounts, noCounts, RowEncoder } from './cube_encoding.js';
import { checkName, type OutputOptions, openData, writeWindow } from './output_file.js';
import { fromRanges, type Journal, readJournal, toRanges, writeJournal } from './output_journal.js';

export type { CubeDescription } from './cube_description.js';
export type { CubeCounts } from './cube_encoding.js';
export type { OutputOptions } from './output_file.js';

export interface OutputReport {
  readonly dataPath: string;
  readonly headerPath: string;
  readonly bytes: number;
  readonly counts: Readonly<CubeCounts>;
}

const layoutOf = (d: CubeDescription) =>
  [d.height, d.width, d.bands, d.dataType, d.interleave, scaleOf(d), nodataOf(d)].join(' ');

const remove = (path: string) => rm(path, { force: true });

const sizeOf = (path: string): Promise<number | undefined> =>
  stat(path).then(
    (info) => info.size,
    () => undefined,
  );

/** Of the cube, its header and its journal. */
function lockOutput(path: string): Lock {
  const { dataPath, headerPath } = cubePaths(path);
  const file = headerPath.replace(/\.hdr$/, '.lock');
  return takeLock(file, 'another process is writing this result', dataPath, 'give another name');
}

export class EnviOutput {
  readonly dataPath: string;
  readonly headerPath: string;
  readonly description: CubeDescription;
  /** Whether units of an earlier run were found. */
  readonly resumed: boolean;
  /** Undefined where a finished cube has its name already and lacks its header at most. */
  readonly #handle: FileHandle | undefined;
  readonly #lock: Lock;
  readonly #encoder: RowEncoder;
  readonly #journal: Journal;
  readonly #done: Set<number>;
  /** What was counted per unit since the last sync; `undefined`: windows written without a unit. */
  readonly #pending = new Map<number | undefined, CubeCounts>();
  #open = true;
  #syncing: Promise<void> = Promise.resolve();

  private constructor(
    path: string,
    description: CubeDescription,
    handle: FileHandle | undefined,
    journal: Journal,
    lock: Lock,
  ) {
    ({ dataPath: this.dataPath, headerPath: this.headerPath } = cubePaths(path));
    this.description = description;
    this.#handle = handle;
    this.#lock = lock;
    this.#encoder = new RowEncoder(description);
    this.#journal = journal;
    this.#done = fromRanges(journal.done, `${this.dataPath}.partial.json`);
    this.resumed = this.#done.size > 0;
  }

  /** Begins a cube; an unfinished one of the same name is thrown away. Errors: BandliftError (disk too small, name taken). */
  static async create(
    path: string,
    description: CubeDescription,
    key = '',
    options: OutputOptions = {},
  ): Promise<EnviOutput> {
    return EnviOutput.#locked(path, description, (lock) => EnviOutput.#create(path, description, key, options, lock));
  }

  /** Takes the cube's lock for `begin`, whose cube keeps it; without a cube it is released. */
  static async #locked(
    path: string,
    description: CubeDescription,
    begin: (lock: Lock) => Promise<EnviOutput>,
  ): Promise<EnviOutput> {
    checkDescription(description, path);
    const lock = lockOutput(path);
    try {
      return await begin(lock);
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  static async #create(
    path: string,
    description: CubeDescription,
    key: string,
    options: OutputOptions,
    lock: Lock,
  ): Promise<EnviOutput> {
    const { dataPath } = cubePaths(path);
    const journalPath = `${dataPath}.partial.json`;
    await completeRenamed(path);
    checkName(path, options);
    await remove(journalPath);
    await remove(`${dataPath}.partial`);
    const journal: Journal = {
      format: 1,
      key,
      layout: layoutOf(description),
      header: formatEnviHeader(headerOf(description)),
      done: [],
      counts: noCounts(),
      finishing: false,
    };
    const handle = await openData(dataPath, 'wx+', cubeBytes(description));
    try {
      await writeJournal(journalPath, journal);
      return new EnviOutput(path, description, handle, journal, lock);
    } catch (error) {
      await handle.close();
      await remove(`${dataPath}.partial`);
      throw error;
    }
  }

  /**
   * Continues the unfinished cube of this name, or begins one where there is none.
   *
   * @param key says what the cube is made of (input, checkpoints, settings); an unfinished cube with another key or layout is
   *   a BandliftError, for its work would be lost.
   */
  static async open(
    path: string,
    description: CubeDescription,
    key: string,
    options: OutputOptions = {},
  ): Promise<EnviOutput> {
    return EnviOutput.#locked(path, description, (lock) => EnviOutput.#resume(path, description, key, options, lock));
  }

  static async #resume(
    path: string,
    description: CubeDescription,
    key: string,
    options: OutputOptions,
    lock: Lock,
  ): Promise<EnviOutput> {
    const { dataPath, headerPath } = cubePaths(path);
    const journal = await readJournal(`${dataPath}.partial.json`);
    if (journal === undefined || journal.done.length === 0)
      return EnviOutput.#create(path, description, key, options, lock);
    if (journal.key !== key || journal.layout !== layoutOf(description))
      throw new BandliftError('is the unfinished result of another prediction', {
        file: `${dataPath}.partial`,
        ...(journal.layout === layoutOf(description) ? {} : { found: journal.layout, expected: layoutOf(description) }),
        hint: 'finish that one with the settings it was begun with, give another name, or remove it and the .json beside it',
      });
    const size = await sizeOf(`${dataPath}.partial`);
    // killed after the rename of the data: only the header may be missing
    if (size === undefined && journal.finishing && (await sizeOf(dataPath)) === cubeBytes(description))
      return new EnviOutput(path, description, undefined, journal, lock);
    if (size !== cubeBytes(description)) {
      await remove(`${dataPath}.partial.json`);
      return EnviOutput.#create(path, description, key, options, lock);
    }
    // an older cube that was to be replaced has lost its header first
    if (!journal.finishing || existsSync(headerPath)) checkName(path, options);
    const handle = await openData(dataPath, 'r+', cubeBytes(description));
    return new EnviOutput(path, description, handle, journal, lock);
  }

  /** The header that the finished cube has. */
  get header(): string {
    return this.#journal.header;
  }

  /** What was counted up to the last sync. */
  get counts(): Readonly<CubeCounts> {
    return { ...this.#journal.counts };
  }

  /** Units that are on the disk already. */
  get done(): ReadonlySet<number> {
    return this.#done;
  }

  /**
   * Writes a window. Windows may come in any order and at the same time, but every pixel once.
   *
   * @param values [height, width, bands] of the window, physical units; not changed, may be reused when the promise resolves
   * @param valid [height, width], 1 = valid; the others become nodata
   * @param unit the piece of work the window belongs to; a unit may be written in several windows
   * @param bounded values of the window that were held at a bound, to be counted
   */
  async write(window: Window, values: Float32Array, valid?: Uint8Array, unit?: number, bounded = 0): Promise<void> {
    const { description, dataPath } = this;
    const { bands } = description;
    checkWindow(window, description.height, description.width, dataPath);
    const { height, width } = window;
    if (values.length !== height * width * bands || (valid !== undefined && valid.length !== height * width))
      throw new Error(
        `${dataPath}: ${values.length} values and ${valid?.length} pixels for ${height} x ${width} x ${bands}`,
      );
    const handle = this.#handle;
    if (handle === undefined) throw new Error(`${dataPath}: is finished`);
    const counts = { ...noCounts(), bounded };
    try {
      await writeWindow(handle, this.#encoder, description, window, values, valid, counts);
    } catch (error) {
      throw writeError(error, dataPath, cubeBytes(description));
    }
    const pending = this.#pending.get(unit);
    if (pending) addCounts(pending, counts);
    else this.#pending.set(unit, counts);
  }

  /**
   * Brings what was written to the disk, then notes the units as done. Costs a flush: call it every few seconds, not for
   * every unit.
   *
   * @param units the units that are written whole; without it all that were written to
   */
  sync(units?: Iterable<number>): Promise<void> {
    // one after another; the one before tells its own failure
    this.#syncing = this.#syncing.catch(() => undefined).then(() => this.#sync(units));
    return this.#syncing;
  }

  async #sync(units: Iterable<number> | undefined): Promise<void> {
    const finished = units === undefined ? [...this.#pending.keys()] : [undefined, ...units];
    try {
      await this.#handle?.sync();
    } catch (error) {
      throw writeError(error, this.dataPath, cubeBytes(this.description));
    }
    for (const unit of finished) {
      const counts = this.#pending.get(unit);
      if (counts) addCounts(this.#journal.counts, counts);
      this.#pending.delete(unit);
      if (unit !== undefined) this.#done.add(unit);
    }
    this.#journal.done = toRanges(this.#done);
    await writeJournal(`${this.dataPath}.partial.json`, this.#journal);
  }

  /**
   * Gives the cube its name and its header.
   * Throws an Error when the pixels written are not the pixels of the cube: a fault of the caller.
   */
  async finish(): Promise<OutputReport> {
    const { dataPath, headerPath, description } = this;
    if (this.#handle !== undefined) {
      this.#journal.finishing = true;
      await this.sync();
    }
    const { counts } = this.#journal;
    const expected = description.height * description.width;
    if (counts.pixels !== expected)
      throw new Error(`${dataPath}: ${counts.pixels} pixels were written, the cube has ${expected}`);
    this.#open = false;
    try {
      await this.#handle?.close();
      if (this.#handle !== undefined) {
        // an older header must never stand beside the new data
        await remove(headerPath);
        await rename(`${dataPath}.partial`, dataPath);
      }
      await writeFileAtomic(headerPath, this.#journal.header);
      await remove(`${dataPath}.partial.json`);
    } catch (error) {
      throw writeError(error, dataPath, cubeBytes(description));
    } finally {
      this.#lock.release();
    }
    return { dataPath, headerPath, bytes: cubeBytes(description), counts: { ...counts } };
  }

  /** Stops before the end. `keep`: what was synced stays for `open`, if there is anything; otherwise everything is removed. */
  async abandon(keep: boolean): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    try {
      await this.#handle?.close();
      // the journal of the last sync says what is kept
      if (keep && this.#done.size > 0) return;
      if (this.#handle !== undefined) await remove(`${this.dataPath}.partial`);
      await remove(`${this.dataPath}.partial.json`);
    } finally {
      this.#lock.release();
    }
  }
}

/** Gives a cube that was killed between its name and its header the rest: it is whole, and must not be lost. */
async function completeRenamed(path: string): Promise<void> {
  const { dataPath, headerPath } = cubePaths(path);
  const journalPath = `${dataPath}.partial.json`;
  // a journal that cannot be read is of no use to anybody
  const journal = await readJournal(journalPath).catch(() => undefined);
  if (!journal?.finishing || existsSync(`${dataPath}.partial`) || !existsSync(dataPath)) return;
  await writeFileAtomic(headerPath, journal.header);
  await remove(journalPath);
}

/** Whether a finished cube with this very header is there. Throws a BandliftError while another process writes it. */
export async function isFinished(path: string, description: CubeDescription, header: string): Promise<boolean> {
  const { dataPath, headerPath } = cubePaths(path);
  if (existsSync(`${dataPath}.partial.json`) || (await sizeOf(dataPath)) !== cubeBytes(description)) return false;
  if ((await readFile(headerPath, 'utf8').catch(() => undefined)) !== header) return false;
  lockOutput(path).release(); // the lock of who has finished it, if that was killed right after
  return true;
}
