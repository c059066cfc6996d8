/** The patch file of a scene while it is made: begun with the first patch, an account of all places, stopped on request. */
import { BandliftError, EXIT } from '../base/errors.js';
import { type PatchFileInfo, PatchWriter, type WrittenPatch } from '../data/patch_writer.js';
import type { PrepareOptions } from './types.js';

export interface PatchCounts {
  patches: number;
  empty: number;
  nodata: number;
  validPixels: number;
}

export class PatchOutput {
  readonly counts: PatchCounts = { patches: 0, empty: 0, nodata: 0, validPixels: 0 };
  readonly #options: PrepareOptions;
  readonly #info: PatchFileInfo;
  readonly #candidates: number;
  #settled: number;
  #writer: PatchWriter | undefined;

  /** @param settled places that are known from the start to hold no patch */
  constructor(options: PrepareOptions, info: PatchFileInfo, candidates: number, settled: number) {
    this.#options = options;
    this.#info = info;
    this.#candidates = candidates;
    this.#settled = settled;
  }

  /** Counts places without a patch. */
  async skip(empty: number, nodata: number): Promise<void> {
    this.counts.empty += empty;
    this.counts.nodata += nodata;
    await this.#settle(empty + nodata);
  }

  async append(patch: WrittenPatch): Promise<void> {
    this.#writer ??= await PatchWriter.create(this.#options.out, this.#info);
    this.#writer.append(patch);
    this.counts.validPixels += patch.mask!.reduce((sum, valid) => sum + valid, 0);
    this.counts.patches++;
    await this.#settle(1);
  }

  /** Does all the work that appends patches: the file appears whole, or not at all. */
  async fill(work: () => Promise<void>): Promise<PatchCounts> {
    try {
      await work();
      this.#writer?.close();
      return this.counts;
    } catch (error) {
      this.#writer?.discard();
      throw error;
    }
  }

  async #settle(count: number): Promise<void> {
    const { options, candidates } = { options: this.#options, candidates: this.#candidates };
    this.#settled += count;
    options.progress?.(this.#settled, candidates, this.counts.patches);
    // lets messages and signals in
    await new Promise((resolve) => setImmediate(resolve));
    if (options.interrupted?.()) throw new BandliftError('interrupted', { file: options.scene }, EXIT.interrupted);
  }
}
