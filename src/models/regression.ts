/**
 * The closed-form path: y = W [x, x_i x_j (i <= j)] + b per pixel ('quadratic') or y = W x + b ('linear'), as a 1 x 1
 * convolution with frozen weights `regression.weight` [out, features] and `regression.bias` [out], fitted by
 * src/fit/regression_fit.ts before training. As a model of its own it is the ridge baseline (`ridge`,
 * `quadratic_ridge`).
 */

import type { Value } from '../graph/ir.js';
import { conv2d } from '../graph/ops/conv2d.js';
import { quadraticFeatureCount, quadraticFeatures } from '../graph/ops/quadratic_features.js';
import type { ParameterScope } from './network.js';
import type { RegressionPath } from './spec.js';

export function regressionFeatureCount(path: 'linear' | 'quadratic', inBands: number): number {
  return path === 'linear' ? inBands : quadraticFeatureCount(inBands);
}

/** The regression of x [n,h,w,in], plus `residual` [n,h,w,out] when given. */
export function regressionPath(
  scope: ParameterScope,
  path: 'linear' | 'quadratic',
  x: Value,
  outBands: number,
  residual: Value | null,
): Value {
  const features = regressionFeatureCount(path, x.shape[3]);
  const { weight, bias } = scope.layer('regression', [outBands, features], { zeros: true, frozen: true });
  const a = path === 'linear' ? x : quadraticFeatures(scope.builder, x, 'regression.features');
  return conv2d(scope.builder, a, weight, { bias, residual }, 'regression');
}

/** `output`, with the regression added where the network has one. */
export function withRegression(scope: ParameterScope, path: RegressionPath, x: Value, output: Value): Value {
  return path === 'none' ? output : regressionPath(scope, path, x, output.shape[3], output);
}
