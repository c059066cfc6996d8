/** Mean and covariance of spectra, streamed: the sums are made natively in float64, patch by patch. */
import type { NativeDevice } from '../../bindings/addon.js';
import { BandliftError } from '../base/errors.js';
import { openDevice } from '../engine/device.js';
import type { DeviceChoice } from '../engine/device_choice.js';
import { GraphRunner } from '../engine/graph_runner.js';
import { GraphBuilder } from '../graph/ir.js';
import { normalEquations } from '../graph/ops/normal_equations.js';

export interface CovarianceFitOptions {
  readonly bands: number;
  /** Patch size in pixels. */
  readonly height: number;
  readonly width: number;
  /** Whether patches come with a pixel mask. */
  readonly pixelMask?: boolean;
  readonly device?: DeviceChoice;
}

export interface Covariance {
  readonly pixels: number;
  /** [bands] */
  readonly mean: Float64Array;
  /** [bands, bands], divided by the number of pixels. */
  readonly covariance: Float64Array;
}

export class CovarianceFit {
  readonly options: CovarianceFitOptions;
  readonly #device: NativeDevice;
  readonly #runner: GraphRunner;
  readonly #nothing: Float32Array;
  #gram: Float64Array | undefined;

  /** Opens a device of its own; `dispose` closes it. */
  static async create(options: CovarianceFitOptions): Promise<CovarianceFit> {
    const { device } = await openDevice(options.device);
    return new CovarianceFit(options, device);
  }

  /** Takes over the device. */
  constructor(options: CovarianceFitOptions, device: NativeDevice) {
    this.options = options;
    this.#device = device;
    const { bands, height, width, pixelMask } = options;
    // the sums of a regression on the spectra themselves; of what, does not matter
    this.#nothing = new Float32Array(height * width);
    const b = new GraphBuilder();
    const { gram, cross } = normalEquations(
      b,
      {
        features: b.input('spectra', [1, height, width, bands]),
        y: b.input('nothing', [1, height, width, 1]),
        pixelMask: pixelMask === true ? b.input('mask', [1, height, width, 1]) : null,
        gram: b.state('gram', [1, 1, bands + 1, bands + 1], 'f64'),
        cross: b.state('cross', [1, 1, bands + 1, 1], 'f64'),
      },
      'covariance',
    );
    b.output('gram', gram);
    b.output('cross', cross);
    this.#runner = new GraphRunner(device, b.build());
  }

  /**
   * Adds the pixels of one patch.
   * @param spectra [height, width, bands]
   * @param mask [height, width], exactly when the fit was made with one; 0 = left out
   */
  async add(spectra: Float32Array, mask?: Float32Array): Promise<void> {
    if ((mask !== undefined) !== (this.options.pixelMask === true))
      throw new BandliftError('covariance: a mask is needed exactly when the fit was made with one');
    const inputs = new Map([
      ['spectra', spectra],
      ['nothing', this.#nothing],
    ]);
    if (mask !== undefined) inputs.set('mask', mask);
    this.#gram = (await this.#runner.run(inputs)).get('gram') as Float64Array;
  }

  /** Of everything added so far. Throws a BandliftError without a valid pixel. */
  result(): Covariance {
    const { bands } = this.options;
    const size = bands + 1;
    const gram = this.#gram;
    const pixels = gram?.[bands * size + bands] ?? 0;
    if (gram === undefined || pixels < 1) throw new BandliftError('covariance: no valid pixels', { found: pixels });
    const mean = Float64Array.from({ length: bands }, (_, b) => gram[b * size + bands] / pixels);
    const covariance = new Float64Array(bands * bands);
    for (let i = 0; i < bands; i++)
      for (let j = 0; j < bands; j++) covariance[i * bands + j] = gram[i * size + j] / pixels - mean[i] * mean[j];
    return { pixels, mean, covariance };
  }

  dispose(): void {
    this.#runner.dispose();
    this.#device.dispose();
  }
}
