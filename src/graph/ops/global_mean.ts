/**
 * Mean over the pixels of each sample: y[n,0,0,c] = 1/(h w) sum_{y,x} x[n,y,x,c]. [n,h,w,c] -> [n,1,1,c].
 * Backward spreads dy / (h w) over all pixels; nothing is kept (fused into the gate's backward where it can be).
 */
import { type GraphBuilder, type OpDefinition, ShapeError, type Value } from '../ir.js';
import { f32, required, streamingCost } from './common.js';

export const globalMeanForward: OpDefinition = {
  name: 'global_mean_forward',
  inputs: ['x'],
  outputs: ['y'],
  infer([xIn], _attributes, label) {
    const x = required(xIn, 'global_mean', label, 'x');
    return [f32([x.shape[0], 1, 1, x.shape[3]])];
  },
  cost: streamingCost(1),
  gradient(g) {
    const [, h, w] = g.input(0).shape;
    const dx = g.builder.apply(globalMeanBackward, [g.outputGradient(0)], { h, w }, `${g.node.label}.dx`)[0]!;
    g.contribute(0, dx);
  },
  footprint: { kind: 'mean' },
};

export const globalMeanBackward: OpDefinition = {
  name: 'global_mean_backward',
  inputs: ['dy'],
  outputs: ['dx'],
  infer([dyIn], { h, w }, label) {
    const dy = required(dyIn, 'global_mean_backward', label, 'dy');
    if (dy.shape[1] !== 1 || dy.shape[2] !== 1) {
      throw new ShapeError('global_mean_backward', label, `dy must be [n, 1, 1, c], found [${dy.shape.join(', ')}]`);
    }
    return [f32([dy.shape[0], h as number, w as number, dy.shape[3]])];
  },
  cost: streamingCost(1),
  foldsAs: () => 'spread',
};

export function globalMean(builder: GraphBuilder, x: Value, label: string): Value {
  return builder.apply(globalMeanForward, [x], {}, label)[0]!;
}
