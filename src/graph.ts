/**
 * The compiler alone ('bandlift/graph'): graphs of typed values [n, h, w, c], their gradients, and sessions that run them on a CPU or
 * GPU. The operators are functions of a GraphBuilder; docs/adding_an_operator.md shows how to write one.
 */
export { BandliftError } from './base/errors.js';
export { type DifferentiateOptions, differentiate, differentiateFrom } from './compiler/autodiff.js';
export { fuse } from './compiler/fuse.js';
export { combinedLoss, type LossMasks } from './graph/combined_loss.js';
export {
  type Attributes,
  type Cost,
  type DType,
  type GradientContext,
  type Graph,
  GraphBuilder,
  type GraphNode,
  graphCost,
  type OpDefinition,
  type Shape,
  ShapeError,
  type Value,
  type ValueType,
} from './graph/ir.js';
export { activation } from './graph/ops/activation.js';
export { add } from './graph/ops/add.js';
export { cellTable, clamp, neighbourhoodBounds } from './graph/ops/bounds.js';
export { conv2d } from './graph/ops/conv2d.js';
export { fill } from './graph/ops/fill.js';
export { gate } from './graph/ops/gate.js';
export { globalMean } from './graph/ops/global_mean.js';
export { quadraticFeatures } from './graph/ops/quadratic_features.js';
export { resample } from './graph/ops/resample.js';
export { reshape } from './graph/ops/reshape.js';
export { softmaxMixing } from './graph/ops/softmax_mixing.js';
export { spectralLoss } from './graph/ops/spectral_loss.js';
export { createSession, GraphSession, type SessionChoice } from './library/graph_session.js';
