/** The numbers of a session that outlive a run, by PyTorch name: in and out of the flat buffers. */
import type { NativeBuffer, NativeDevice } from '../../bindings/addon.js';
import { BandliftError } from '../base/errors.js';
import { Random } from '../base/random.js';
import { SCALAR_COUNT } from '../graph/ops/optimizer.js';
import { initialValues } from '../models/network.js';
import { atLeastOneLine, BUFFER, BUFFER_COUNT, type ParameterStorage } from './storage.js';
import type { SessionOptions } from './types.js';

export type Kept = 'parameters' | 'm' | 'v' | 'ema';

export class ParameterStore {
  /** All buffers of a session, in the order of BUFFER. */
  readonly buffers: readonly NativeBuffer[];
  readonly #storage: ParameterStorage;
  readonly #options: SessionOptions;

  constructor(device: NativeDevice, storage: ParameterStorage, options: SessionOptions, arenaBytes: number) {
    this.#storage = storage;
    this.#options = options;
    const { trainedBytes, frozenBytes } = storage;
    const train = options.mode !== 'infer' ? trainedBytes : 0;
    const sizes = new Array<number>(BUFFER_COUNT).fill(0);
    sizes[BUFFER.arena] = arenaBytes;
    sizes[BUFFER.parameters] = trainedBytes;
    sizes[BUFFER.frozen] = frozenBytes;
    for (const buffer of [BUFFER.gradients, BUFFER.m, BUFFER.v]) sizes[buffer] = train;
    sizes[BUFFER.ema] = options.ema === true ? trainedBytes : 0;
    sizes[BUFFER.scalars] = SCALAR_COUNT * 4;
    const buffers: NativeBuffer[] = [];
    this.buffers = buffers;
    try {
      for (const bytes of sizes) buffers.push(device.allocate(atLeastOneLine(bytes)));
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  initialize(seed: number): void {
    const random = new Random(seed);
    const values = new Map(this.#storage.parameters.map((p) => [p.name, initialValues(p, random)]));
    this.write('parameters', values);
    if (this.#options.ema === true) this.write('ema', values);
    if (this.#options.mode === 'infer') return;
    const zeros = new Map(this.#storage.parameters.map((p) => [p.name, new Float32Array(p.count)]));
    this.write('m', zeros);
    this.write('v', zeros);
  }

  read(what: Kept): Map<string, Float32Array> {
    return this.named(what, this.readFlat(this.#buffer(what)));
  }

  /** What this session keeps, each with its flat buffer. */
  kept(): readonly (readonly [Kept, number])[] {
    const all = (['parameters', 'm', 'v', 'ema'] as const).filter((what) => !this.#lacks(what));
    return all.map((what) => [what, BUFFER[what]]);
  }

  /** `values` of the trained parameters completed by the frozen ones where `what` holds them, in named_parameters() order. */
  named(what: Kept, values: ReadonlyMap<string, Float32Array>): Map<string, Float32Array> {
    if (what === 'm' || what === 'v') return new Map(values);
    return new Map(
      this.#storage.parameters.map((p) => {
        const array = values.get(p.name) ?? new Float32Array(p.count);
        if (p.frozen) this.buffers[BUFFER.frozen]!.read(array, p.offset);
        return [p.name, array];
      }),
    );
  }

  /** The trained parameters' parts of a flat buffer's numbers. */
  parts(flat: Float32Array): Map<string, Float32Array> {
    const trained = this.#storage.parameters.filter((p) => !p.frozen);
    return new Map(trained.map((p) => [p.name, flat.subarray(p.offset / 4, p.offset / 4 + p.count)]));
  }

  write(what: Kept, values: ReadonlyMap<string, Float32Array>): void {
    const buffer = this.#buffer(what);
    for (const [name, array] of values) {
      const p = this.#storage.get(name);
      if (p === undefined)
        throw new BandliftError(`${this.#options.model.kind} has no such parameter`, { field: name });
      if (array.length !== p.count) {
        const expected = `${p.count} for shape [${p.shape.join(', ')}]`;
        throw new BandliftError('wrong number of values', { field: name, found: array.length, expected });
      }
      if (!p.frozen) this.buffers[buffer]!.write(array, p.offset);
      else if (what === 'parameters') this.buffers[BUFFER.frozen]!.write(array, p.offset);
    }
  }

  #lacks(what: Kept): boolean {
    return what === 'ema' ? this.#options.ema !== true : what !== 'parameters' && this.#options.mode === 'infer';
  }

  #buffer(what: Kept): number {
    if (this.#lacks(what)) throw new BandliftError(`this session keeps no ${what}`);
    return BUFFER[what];
  }

  /** The trained parameters' values in one of the flat buffers. */
  readFlat(buffer: number): Map<string, Float32Array> {
    const trained = this.#storage.parameters.filter((p) => !p.frozen);
    return new Map(
      trained.map((p) => {
        const array = new Float32Array(p.count);
        this.buffers[buffer]!.read(array, p.offset);
        return [p.name, array];
      }),
    );
  }

  dispose(): void {
    for (const buffer of this.buffers) buffer.dispose();
  }
}
