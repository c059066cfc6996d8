/**
 * One pass of the search for exact quantiles on a device: how often each value of the next bits occurs among the values that
 * begin with a wanted prefix, added up patch by patch, so that memory does not grow with the data.
 */
import type { NativeDevice } from '../../bindings/addon.js';
import { GraphRunner } from '../engine/graph_runner.js';
import { GraphBuilder } from '../graph/ir.js';
import { countValues } from '../graph/ops/count_values.js';

export interface ValueCounterOptions {
  readonly bands: number;
  /** Patch size in pixels. */
  readonly height: number;
  readonly width: number;
  /** 1 = good, 0 = left out; absent: all are good. */
  readonly goodBands?: ArrayLike<number>;
  /** 1 = all bands together, else one per band. */
  readonly populations: number;
  /** Bits known so far, and how many this pass counts. */
  readonly settled: number;
  readonly bits: number;
  /** Wanted prefixes of `settled` bits: [populations, slots]; one that repeats an earlier one counts nothing. */
  readonly prefixes: Uint32Array;
  readonly slots: number;
}

export class ValueCounter {
  readonly #options: ValueCounterOptions;
  readonly #runner: GraphRunner;

  /** The device stays the caller's. */
  constructor(device: NativeDevice, options: ValueCounterOptions) {
    this.#options = options;
    const { bands, height, width, goodBands, populations, slots, settled, bits } = options;
    const good = goodBands && Float32Array.from(goodBands);
    const b = new GraphBuilder();
    countValues(
      b,
      {
        values: b.input('values', [1, height, width, bands]),
        pixelMask: b.input('mask', [1, height, width, 1]),
        bandMask: good ? b.constant('good bands', [1, 1, 1, bands], good) : null,
        prefixes: b.state('prefixes', [1, 1, populations, slots], 'f64'),
        counts: b.state('counts', [1, populations, slots, 2 ** bits], 'f64'),
      },
      { settled, bits },
      'count',
    );
    // no output: the counts stay on the device until they are asked for
    this.#runner = new GraphRunner(device, b.build());
    this.#runner.set('prefixes', Float64Array.from(options.prefixes));
  }

  /** Adds patches: values [size, height, width, bands], mask [size, height, width], 0 = left out. */
  async add(values: Float32Array, mask: Float32Array): Promise<void> {
    const { bands, height, width } = this.#options;
    const pixels = height * width;
    for (let from = 0; from < mask.length; from += pixels) {
      const patch = (array: Float32Array, numbers: number) => array.subarray(from * numbers, (from + pixels) * numbers);
      await this.#runner.run(
        new Map([
          ['values', patch(values, bands)],
          ['mask', patch(mask, 1)],
        ]),
      );
    }
  }

  /** Counts of everything added so far: [populations, slots, 2^bits]. */
  counts(): Float64Array {
    return this.#runner.get('counts') as Float64Array;
  }

  dispose(): void {
    this.#runner.dispose();
  }
}
