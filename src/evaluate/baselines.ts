/** Baselines beside the model. The regressions are fitted natively (engine/regression_fit.ts). */

/**
 * The training mean spectrum, merely scaled, written as a linear model of the input bands. The scale of a pixel comes from
 * its input x alone: s = <x, m> / <m, m> with m the mean input, the least-squares factor between the two; the prediction is
 * s M with M the mean target. So W[c][k] = M[c] m[k] / <m, m>.
 * @param input mean of the input bands over the training pixels, physical units
 * @param target mean of the target bands over the same pixels
 * @returns parameters of a `ridge` model: regression.weight [out, in], regression.bias [out] = 0
 */
export function scaledMeanWeights(input: ArrayLike<number>, target: ArrayLike<number>): Map<string, Float32Array> {
  const norm = Array.from(input).reduce((sum, m) => sum + m * m, 0);
  const weight = new Float32Array(target.length * input.length);
  // a training set that is zero everywhere predicts zero
  if (norm > 0)
    for (let c = 0; c < target.length; c++)
      for (let k = 0; k < input.length; k++) weight[c * input.length + k] = (target[c]! * input[k]!) / norm;
  return new Map([
    ['regression.weight', weight],
    ['regression.bias', new Float32Array(target.length)],
  ]);
}
