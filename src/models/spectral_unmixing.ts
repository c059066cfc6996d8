/**
 * spectral_unmixing (docs/specification.md, section 1): a small 3 x 3 network gives each pixel's abundances of K endmembers
 * (softmax), the spectrum is their mixture. With constraint 'softplus' the endmember spectra are softplus(`endmembers`) and
 * so never negative; start them from training spectra with initEndmembers (endmembers.ts). With a regression path the
 * endmembers start at 0 and learn what the regression lacks, which only makes sense unconstrained.
 */
import { BandliftError, EXIT } from '../base/errors.js';
import type { Value } from '../graph/ir.js';
import { activation } from '../graph/ops/activation.js';
import { conv2d } from '../graph/ops/conv2d.js';
import { softmaxMixing } from '../graph/ops/softmax_mixing.js';
import type { Init, ParameterScope, ReceptiveField } from './network.js';
import { withRegression } from './regression.js';
import type { SpectralUnmixingSpec } from './spec.js';

/** Features of the abundance network's two hidden layers (fixed in existing checkpoints). */
export const ABUNDANCE_FEATURES = [64, 32] as const;

function endmemberInit(spec: SpectralUnmixingSpec): Init {
  if (spec.constraint === 'softplus') return { kind: 'inverse_softplus_unit' };
  return spec.regression === 'none' ? { kind: 'unit' } : { kind: 'zeros' };
}

/** x [n,h,w,inBands] -> [n,h,w,outBands]. */
export function spectralUnmixing(scope: ParameterScope, spec: SpectralUnmixingSpec, x: Value): Value {
  const { builder } = scope;
  if (spec.constraint === 'softplus' && spec.regression !== 'none') {
    throw new BandliftError(
      'non-negative endmembers cannot be combined with a regression',
      { field: 'regression', found: spec.regression, expected: 'none', hint: 'or use the endmember constraint none' },
      EXIT.usage,
    );
  }
  const raw = scope.parameter('endmembers', [spec.endmembers, spec.outBands], endmemberInit(spec));
  const endmembers = spec.constraint === 'softplus' ? activation(builder, 'softplus', raw, 'endmembers.softplus') : raw;
  const sizes = [spec.inBands, ...ABUNDANCE_FEATURES, spec.endmembers];
  let t = x;
  for (let layer = 0; layer < 3; layer++) {
    const label = `abundance_net.${2 * layer}`;
    const { weight, bias } = scope.layer(label, [sizes[layer + 1]!, sizes[layer]!, 3, 3]);
    t = conv2d(builder, t, weight, { bias }, label);
    if (layer < 2) t = activation(builder, 'relu', t, `${label}.relu`);
  }
  const { mixed } = softmaxMixing(builder, t, endmembers, 'mixture');
  return withRegression(scope, spec.regression, x, mixed);
}

export function spectralUnmixingField(): ReceptiveField {
  return { y: 3, x: 3, wrapsRows: false, globalMean: false };
}
