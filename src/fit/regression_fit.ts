/**
 * Ridge regression in closed form, streamed: y = W a(x) + b per pixel, a = the bands ('linear') or bands and their
 * products ('quadratic'). The sums are made natively in float64, patch by patch, so memory does not grow with the data.
 */

import type { NativeDevice } from '../../bindings/addon.js';
import { BandliftError } from '../base/errors.js';
import { type DeviceChoice, openDevice } from '../engine/device.js';
import { GraphRunner } from '../engine/graph_runner.js';
import { GraphBuilder } from '../graph/ir.js';
import { normalEquations } from '../graph/ops/normal_equations.js';
import { quadraticFeatures } from '../graph/ops/quadratic_features.js';
import { regressionFeatureCount } from '../models/regression.js';
import { type RegressionSolution, solveRidge } from './ridge_solve.js';

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
}

export class RegressionFit {
  readonly options: RegressionFitOptions;
  readonly #device: NativeDevice;
  readonly #runner: GraphRunner;
  #latest: Map<string, Float32Array | Float64Array> | undefined;

  /** Opens a device of its own; `dispose` closes it. */
  static async create(options: RegressionFitOptions): Promise<RegressionFit> {
    const { device } = await openDevice(options.device);
    return new RegressionFit(options, device);
  }

  /** Takes over the device. */
  constructor(options: RegressionFitOptions, device: NativeDevice) {
    this.options = options;
    this.#device = device;
    const { kind, inBands, outBands, height, width, pixelMask } = options;
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
    this.#runner = new GraphRunner(device, b.build());
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
      this.#latest = await this.#runner.run(inputs);
    }
  }

  /**
   * The regression of everything added so far. `lambda` is relative to the features' variance.
   *
   * @returns weight [out, features] and bias [out], as `regression.weight` and `regression.bias`
   */
  solve(lambda: number = DEFAULT_LAMBDA): RegressionSolution {
    if (this.#latest === undefined) throw new BandliftError('regression: no pixels were added');
    const gram = this.#latest.get('gram') as Float64Array;
    const cross = this.#latest.get('cross') as Float64Array;
    return solveRidge(gram, cross, this.options.outBands, lambda);
  }

  /** Of everything added so far: [f+1, f+1] sums of [a 1]^T [a 1] and [f+1, out] of [a 1]^T y. */
  sums(): { readonly gram: Float64Array; readonly cross: Float64Array } {
    if (this.#latest === undefined) throw new BandliftError('regression: no pixels were added');
    return {
      gram: Float64Array.from(this.#latest.get('gram')!),
      cross: Float64Array.from(this.#latest.get('cross')!),
    };
  }

  dispose(): void {
    this.#runner.dispose();
    this.#device.dispose();
  }
}
