/** A model's graph from its spec: the only place that knows all networks. */
import { BandliftError, EXIT } from '../errors.js';
import { GraphBuilder, type Value } from '../graph/ir.js';
import { type ParameterInfo, ParameterScope, type ReceptiveField } from './network.js';
import { regressionPath } from './regression.js';
import type { ModelSpec } from './spec.js';
import { spectralSr, spectralSrField } from './spectral_sr.js';
import { spectralUnmixing, spectralUnmixingField } from './spectral_unmixing.js';

/** Adds the network to a graph: x [n,h,w,inBands] -> [n,h,w,outBands], and its parameters in named_parameters() order. */
export function buildModel(
  builder: GraphBuilder,
  spec: ModelSpec,
  x: Value,
): { output: Value; parameters: readonly ParameterInfo[] } {
  const scope = new ParameterScope(builder);
  const output = network(scope, spec, x);
  return { output, parameters: scope.infos };
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
  }
}

/** Names, shapes and initialisation of a model's parameters. Throws a usage error for sizes that are no sizes. */
export function modelParameters(spec: ModelSpec): readonly ParameterInfo[] {
  for (const [field, value] of Object.entries(spec)) {
    if (typeof value !== 'number') continue;
    const least = field === 'blocks' ? 0 : 1;
    if (!Number.isSafeInteger(value) || value < least) {
      throw new BandliftError(
        `${spec.kind} needs a whole number`,
        { field, found: value, expected: `at least ${least}` },
        EXIT.usage,
      );
    }
  }
  const builder = new GraphBuilder();
  return buildModel(builder, spec, builder.input('input', [1, 1, 1, spec.inBands])).parameters;
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
  }
}
