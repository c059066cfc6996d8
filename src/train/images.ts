/** Pictures of one patch: RGB of prediction and truth, and spectral curves of a few pixels. */
import { Normalizer } from '../data/normalize.js';
import type { Session } from '../engine/types.js';
import { rgbPair } from '../evaluate/rgb.js';
import { spectraPlot } from '../evaluate/spectra_plot.js';
import { isSpectral } from '../models/spec.js';
import type { TrainingData } from './data_setup.js';

export interface TrainingImage {
  /** rgb_prediction_truth or spectra. */
  readonly tag: string;
  readonly png: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** For TensorBoard give the same patch every time, so that the pictures of a run can be compared. Physical units. */
export async function patchImages(
  data: TrainingData,
  session: Session,
  ema: boolean,
  patch: number,
): Promise<TrainingImage[]> {
  const { set, normalization } = data;
  const batches = data.reader.batches({
    patches: [patch],
    batchSize: 1,
    normalize: { input: normalization.input },
    mask: data.masked,
    nonNegative: true,
  });
  for await (const batch of batches) {
    const prediction = await session.predict(batch.input, 1, ema);
    new Normalizer(normalization.target, set.outBands).denormalize(
      prediction,
      isSpectral(session.options.model) ? batch.nonNegative : undefined,
    );
    const image = { height: set.height, width: set.width, bands: set.outBands };
    const wavelength = set.files[0]!.wavelength;
    const units = set.files[0]!.units;
    const truth = batch.target;
    // pixels on a diagonal: near the corner, the middle and the far third, whatever the patch holds
    const pixels = [0.2, 0.5, 0.8].map((t) => ({ y: Math.floor(t * set.height), x: Math.floor(t * set.width) }));
    const options = { ...image, ...(wavelength ? { wavelength } : {}), ...(units ? { units } : {}) };
    const rgb = await rgbPair(prediction, truth, options);
    const curves = await spectraPlot(prediction, truth, pixels, options);
    batch.release();
    return [
      { tag: 'rgb_prediction_truth', ...rgb },
      { tag: 'spectra', ...curves },
    ];
  }
  return [];
}
