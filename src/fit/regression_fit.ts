/**
 * Ridge regression in closed form, streamed: y = W a(x) + b per pixel, a = the bands ('linear') or bands and their
 * products ('quadratic'). The sums are made natively in float64, patch by patch, so memory does not grow with the data.
 */

import type { NativeDevice } from '../../bindings/addon.js';
import { BandliftError } from '../base/errors.js';
import { openDevice } from '../engine/device.js';
import type { DeviceChoice } from '../engine/device_choice.js';
import { GraphRunner } from '../engine/graph_runner.js';
import { GraphBuilder } from '../graph/ir.js';
import { normalEquations } from '../graph/ops/normal_equations.js';
import { quadraticFeatures } from '../graph/ops/quadratic_features.js';
import { regressionFeatureCount } from '../models/regression.js';
import { type GroupedSums, groupSums, solveGroups } from './band_groups.js';
import type { RegressionSolution } from './ridge_solve.js';

/** Penalty relative to the variance of the features: small enough to leave well-determined directions alone. */
export const DEFAULT_LAMBDA = 1e-6;

export interface RegressionFitOptions {
  readonly kind: 'linear' | 'quadratic';
  readonly inBands: number;
  readonly outBands: number;
  /** Patch size in pixels. */
  readonly height: number;
  readonly width: number;
  /** Whether batches carry a pixel mask. */
  readonly pixelMask?: boolean;
  readonly device?: DeviceChoice;
}

/** Patches as in Batch: input [size,h,w,in], target [size,h,w,out], mask [size,h,w]. */
export interface RegressionBatch {
  readonly size: number;
  readonly input: Float32Array;
  readonly target: Float32Array;
  readonly mask?: Float32Array;
  /** [size, out], 1 = the patch has this band; targets are 0 in the others. All bands of all patches without it. */
  readonly bandMask?: Float32Array;
}

/** The sums of the patches that have the same bands, on the device. */
interface Pattern {
  readonly bands: Float32Array | undefined;
  readonly runner: GraphRunner;
  latest?: Map<string, Float32Array | Float64Array>;
}

export class RegressionFit {
  readonly options: RegressionFitOptions;
  readonly #device: NativeDevice;
  readonly #patterns = new Map<string, Pattern>();

  /** Opens a device of its own; `dispose` closes it. */
  static async create(options: RegressionFitOptions): Promise<RegressionFit> {
    const { device } = await openDevice(options.device);
    return new RegressionFit(options, device);
  }

  /** Takes over the device. */
  constructor(options: RegressionFitOptions, device: NativeDevice) {
    this.options = options;
    this.#device = device;
  }

  /** Of the patches that have these bands, all of them without a list. */
  #pattern(bands: Float32Array | undefined): Pattern {
    const key = bands ? bands.join('') : '';
    const known = this.#patterns.get(key);
    if (known) return known;
    const { kind, inBands, outBands, height, width, pixelMask } = this.options;
    const b = new GraphBuilder();
    const x = b.input('input', [1, height, width, inBands]);
    const f = regressionFeatureCount(kind, inBands);
    const { gram, cross } = normalEquations(
      b,
      {
        features: kind === 'linear' ? x : quadraticFeatures(b, x, 'features'),
        y: b.input('target', [1, height, width, outBands]),
        pixelMask: pixelMask === true ? b.input('mask', [1, height, width, 1]) : null,
        gram: b.state('gram', [1, 1, f + 1, f + 1], 'f64'),
        cross: b.state('cross', [1, 1, f + 1, outBands], 'f64'),
      },
      'normal equations',
    );
    b.output('gram', gram);
    b.output('cross', cross);
    const pattern: Pattern = { bands: bands?.slice(), runner: new GraphRunner(this.#device, b.build()) };
    this.#patterns.set(key, pattern);
    return pattern;
  }

  /** Adds the pixels of a batch; those with mask 0 are left out. */
  async add(batch: RegressionBatch): Promise<void> {
    const { inBands, outBands, height, width, pixelMask } = this.options;
    if ((batch.mask !== undefined) !== (pixelMask === true)) {
      throw new BandliftError('regression: the batch must hold a mask exactly when the fit was made with one');
    }
    const pixels = height * width;
    for (let i = 0; i < batch.size; i++) {
      const patch = (array: Float32Array, bands: number) =>
        array.subarray(i * pixels * bands, (i + 1) * pixels * bands);
      const inputs = new Map([
        ['input', patch(batch.input, inBands)],
        ['target', patch(batch.target, outBands)],
      ]);
      if (batch.mask !== undefined) inputs.set('mask', patch(batch.mask, 1));
      const pattern = this.#pattern(batch.bandMask?.subarray(i * outBands, (i + 1) * outBands));
      pattern.latest = await pattern.runner.run(inputs);
    }
  }

  /**
   * The regression of everything added so far. `lambda` is relative to the features' variance.
   *
   * @returns weight [out, features] and bias [out], as `regression.weight` and `regression.bias`
   */
  solve(lambda: number = DEFAULT_LAMBDA): RegressionSolution {
    return solveGroups(this.sums(), this.options.outBands, lambda);
  }

  /** Of everything added so far. */
  sums(): GroupedSums {
    const { outBands } = this.options;
    if (this.#patterns.size === 0) throw new BandliftError('regression: no pixels were added');
    const all = new Uint8Array(outBands).fill(1);
    const patterns = [...this.#patterns.values()].map(({ bands, latest }) => ({
      bands: bands ?? all,
      gram: latest!.get('gram') as Float64Array,
      cross: latest!.get('cross') as Float64Array,
    }));
    return groupSums(patterns, outBands);
  }

  dispose(): void {
    for (const { runner } of this.#patterns.values()) runner.dispose();
    this.#device.dispose();
  }
}
