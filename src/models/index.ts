/** A model's graph from its spec: the only place that knows all networks. */
import { BandliftError, EXIT } from '../base/errors.js';
import { GraphBuilder, type Value } from '../graph/ir.js';
import { fineSize } from '../resample/ratio.js';
import { projectionReach } from './bounded_projection.js';
import { type NetworkUse, type ParameterInfo, ParameterScope, type ReceptiveField } from './network.js';
import { regressionPath } from './regression.js';
import { spatialLightweight } from './spatial_lightweight.js';
import { spatialSr } from './spatial_sr.js';
import type { ModelSpec, SpatialModelSpec } from './spec.js';
import { spectralSr, spectralSrField } from './spectral_sr.js';
import { spectralUnmixing, spectralUnmixingField } from './spectral_unmixing.js';
import { overBicubic } from './upsampling.js';

/**
 * Adds the network to a graph: x [n,h,w,inBands] -> [n,h,w,outBands], and its parameters in named_parameters() order.
 * `clamped` [n,h,w,1], where the network ends in bounded back-projections: how many bands of each pixel lie on a bound.
 */
export function buildModel(
  builder: GraphBuilder,
  spec: ModelSpec,
  x: Value,
  use: NetworkUse = 'predict',
): { output: Value; clamped?: Value; parameters: readonly ParameterInfo[] } {
  const scope = new ParameterScope(builder, use);
  const output = network(scope, spec, x);
  builder.keepExact(output);
  return { output, parameters: scope.infos, ...(scope.clamped ? { clamped: scope.clamped } : {}) };
}

function network(scope: ParameterScope, spec: ModelSpec, x: Value): Value {
  switch (spec.kind) {
    case 'spectral_sr':
      return spectralSr(scope, spec, x);
    case 'spectral_unmixing':
      return spectralUnmixing(scope, spec, x);
    case 'ridge':
      return regressionPath(scope, 'linear', x, spec.outBands, null);
    case 'quadratic_ridge':
      return regressionPath(scope, 'quadratic', x, spec.outBands, null);
    case 'spatial_sr':
      return spatialSr(scope, spec, x);
    case 'spatial_lightweight':
      return spatialLightweight(scope, spec, x);
    case 'bicubic':
      return overBicubic(scope, null, x, spec);
    case 'cascade': {
      const second = scope.child('stage2.');
      const output = network(second, spec.stage2, network(scope.child('stage1.'), spec.stage1, x));
      scope.clamped = second.clamped;
      return output;
    }
  }
}

/** Sizes that may be 0. */
const MAY_BE_ZERO = new Set(['blocks', 'groups', 'backProjections']);

function checkSizes(spec: ModelSpec): void {
  const fail = (field: string, found: string | number, expected: string) => {
    throw new BandliftError(`${spec.kind} has an invalid size`, { field, found, expected }, EXIT.usage);
  };
  for (const [field, value] of Object.entries(spec)) {
    if (typeof value !== 'number') continue;
    const least = MAY_BE_ZERO.has(field) ? 0 : 1;
    if (!Number.isSafeInteger(value) || value < least) fail(field, value, `a whole number of at least ${least}`);
  }
  if (spec.kind === 'cascade') {
    checkSizes(spec.stage1);
    checkSizes(spec.stage2);
    if (spec.stage1.outBands !== spec.stage2.inBands)
      fail('stage2.inBands', spec.stage2.inBands, `${spec.stage1.outBands}, as many as stage 1 gives`);
  } else if ('up' in spec) {
    if (spec.inBands !== spec.outBands) fail('outBands', spec.outBands, `${spec.inBands}, the bands that come in`);
    const floors = spec.projection?.floor.length ?? 1;
    if (floors !== 1 && floors !== spec.outBands)
      fail('projection.floor', `${floors} numbers`, `1 or ${spec.outBands}`);
    if (spec.up < spec.down) fail('up / down', `${spec.up}/${spec.down}`, 'a ratio of at least 1');
  }
}

/** Names, shapes and initialisation of a model's parameters. Throws a usage error for sizes that are no sizes. */
export function modelParameters(spec: ModelSpec): readonly ParameterInfo[] {
  checkSizes(spec);
  const builder = new GraphBuilder();
  // large enough for one pixel to come out of every ratio
  const size = smallestInput(spec);
  return buildModel(builder, spec, builder.input('input', [1, size, size, spec.inBands])).parameters;
}

/** The smallest image a model's graph can be built for. */
function smallestInput(spec: ModelSpec): number {
  if (spec.kind === 'cascade') return smallestInput(spec.stage2);
  return 'up' in spec ? spec.down : 1;
}

/** Pixels of a model's output for an input of height x width pixels: floor(size * up / down) for spatial networks. */
export function outputSize(spec: ModelSpec, height: number, width: number): { height: number; width: number } {
  if (spec.kind === 'cascade') return outputSize(spec.stage2, height, width);
  return 'up' in spec ? { height: fineSize(height, spec), width: fineSize(width, spec) } : { height, width };
}

export function parameterCount(parameters: readonly ParameterInfo[]): number {
  return parameters.reduce((sum, p) => sum + p.shape.reduce((product, size) => product * size, 1), 0);
}

export function receptiveField(spec: ModelSpec): ReceptiveField {
  switch (spec.kind) {
    case 'spectral_sr':
      return spectralSrField(spec);
    case 'spectral_unmixing':
      return spectralUnmixingField();
    case 'ridge':
    case 'quadratic_ridge':
      return { y: 0, x: 0, wrapsRows: false, globalMean: false };
    case 'spatial_sr':
    case 'spatial_lightweight':
    case 'bicubic':
      return spatialField(spec);
    case 'cascade': {
      const [a, b] = [receptiveField(spec.stage1), receptiveField(spec.stage2)];
      return {
        y: a.y + b.y,
        x: a.x + b.x,
        wrapsRows: a.wrapsRows,
        globalMean: a.globalMean || b.globalMean,
      };
    }
  }
}

/** Coarse pixels below the fine ones: 3 x 3 convolutions on the coarse grid, then those of the doublings and the resizing. */
function spatialField(spec: SpatialModelSpec): ReceptiveField {
  const body =
    spec.kind === 'spatial_sr'
      ? 2 + spec.groups * (2 * spec.blocks + 1)
      : spec.kind === 'spatial_lightweight'
        ? 1 + spec.blocks
        : 0;
  const doubled = spec.kind === 'bicubic' ? 0 : 1;
  // the bicubic reaches 2 pixels
  const reach = body + 2 + doubled + projectionReach(spec);
  return { y: reach, x: reach, wrapsRows: false, globalMean: spec.kind === 'spatial_sr' };
}
