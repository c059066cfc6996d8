/**
 * spectral_sr (docs/specification.md, section 1): 3 x 3 expansion to the output bands, residual blocks of 1-D convolutions,
 * spectral attention, 3 x 3 output convolution over the gated blocks plus the expansion.
 *
 * `axis` is the direction of the blocks' 1-D convolutions:
 * - raster: along the flattened image, k = 3, all bands mixed (the last pixel of a row and the first of the next are
 *   neighbours): what existing checkpoints were trained with;
 * - row: the same weights along each row with zero padding at its ends, so that the result does not depend on the width;
 * - spectral: along the wavelength axis of each pixel. conv1 1 -> F features, conv2 F -> 1, both k = 7 (about 35 nm of
 *   AVIRIS-NG, the width of an absorption feature), F = SPECTRAL_FEATURES; weights [F,1,7] and [1,F,7]. Two blocks of
 *   such kernels see 25 bands; relations between distant bands are left to the 3 x 3 convolutions and the attention.
 */

import type { Shape, Value } from '../graph/ir.js';
import { activation } from '../graph/ops/activation.js';
import { add } from '../graph/ops/add.js';
import { conv2d } from '../graph/ops/conv2d.js';
import { gate } from '../graph/ops/gate.js';
import { globalMean } from '../graph/ops/global_mean.js';
import { reshape } from '../graph/ops/reshape.js';
import type { ParameterScope, ReceptiveField } from './network.js';
import { withRegression } from './regression.js';
import type { SpectralSrSpec } from './spec.js';

/** Features between the two convolutions of a block of axis 'spectral', and their kernel length in bands. */
export const SPECTRAL_FEATURES = 8;
export const SPECTRAL_KERNEL = 7;

/** x [n,h,w,inBands] -> [n,h,w,outBands]. */
export function spectralSr(scope: ParameterScope, spec: SpectralSrSpec, x: Value): Value {
  const { builder } = scope;
  const { inBands, outBands, hidden, blocks, axis, regression } = spec;
  const conv = (input: Value, shape: readonly number[], label: string, zeros = false): Value => {
    const { weight, bias } = scope.layer(label, shape, { zeros });
    return conv2d(builder, input, weight, { bias }, label);
  };
  const relu = (v: Value, label: string) => activation(builder, 'relu', v, `${label}.relu`);
  const [n, h, w] = x.shape;
  const image: Shape = [n, h, w, outBands];
  // the shape in which the blocks' convolutions run along w
  const line: Shape = axis === 'raster' ? [n, 1, h * w, outBands] : axis === 'row' ? image : [n, h * w, outBands, 1];
  const view = (v: Value, shape: Shape, label: string) =>
    shape.every((size, i) => size === v.shape[i]) ? v : reshape(builder, v, shape, label);

  const h0 = relu(conv(x, [hidden, inBands, 3, 3], 'spectral_expand.0'), 'spectral_expand.0');
  const expanded = conv(h0, [outBands, hidden, 3, 3], 'spectral_expand.2');

  const along = (from: number, to: number) =>
    axis === 'spectral' ? [to, from, SPECTRAL_KERNEL] : [outBands, outBands, 3];
  let t = view(expanded, line, 'lines');
  for (let b = 0; b < blocks; b++) {
    const name = `res_blocks.${b}`;
    const inner = relu(conv(t, along(1, SPECTRAL_FEATURES), `${name}.conv1`), `${name}.conv1`);
    const sum = add(builder, conv(inner, along(SPECTRAL_FEATURES, 1), `${name}.conv2`), t, `${name}.sum`);
    t = relu(sum, name);
  }

  // attention over bands; for axis 'spectral' the bands are back in the channels
  const flat: Shape = axis === 'spectral' ? image : line;
  t = view(t, flat, 'bands');
  const skip = view(expanded, flat, 'skip');
  const squeezed = Math.max(1, Math.floor(outBands / 4));
  const mean = globalMean(builder, t, 'attention.mean');
  const fc0 = relu(conv(mean, [squeezed, outBands], 'attention.fc.0'), 'attention.fc.0');
  const gates = activation(builder, 'sigmoid', conv(fc0, [outBands, squeezed], 'attention.fc.2'), 'attention.gate');
  const gated = add(builder, gate(builder, t, gates, null, 'attention'), skip, 'attention.sum');

  const output = conv(view(gated, image, 'image'), [outBands, outBands, 3, 3], 'final_conv', regression !== 'none');
  return withRegression(scope, regression, x, output);
}

/** Three 3 x 3 convolutions, and the 1-D ones where they run over pixels. */
export function spectralSrField(spec: SpectralSrSpec): ReceptiveField {
  const along = spec.axis === 'spectral' ? 0 : 2 * spec.blocks;
  const wrapsRows = spec.axis === 'raster' && spec.blocks > 0;
  // along the raster, pixels at a row's end reach into the next rows
  return { y: 3 + (wrapsRows ? along : 0), x: 3 + along, wrapsRows, globalMean: true };
}
