/**
 * The same numbers under another shape; costs nothing (the memory plan makes it a view).
 * [n,h,w,c] -> [n,1,h*w,c] lays the pixels out in raster order; -> [n,h*w,c,1] makes wavelength the last image axis.
 */
import {
  elements,
  formatShape,
  type GraphBuilder,
  type OpDefinition,
  type Shape,
  ShapeError,
  type Value,
} from '../ir.js';
import { required } from './common.js';

export const reshapeOp: OpDefinition = {
  name: 'reshape',
  inputs: ['x'],
  outputs: ['y'],
  infer([xIn], { n, h, w, c }, label) {
    const x = required(xIn, 'reshape', label, 'x');
    const shape: Shape = [n as number, h as number, w as number, c as number];
    if (elements(shape) !== elements(x.shape)) {
      throw new ShapeError(
        'reshape',
        label,
        `${formatShape(x.shape)} does not hold as many numbers as ${formatShape(shape)}`,
      );
    }
    return [{ shape, dtype: x.dtype }];
  },
  cost: () => ({ flops: 0, bytes: 0 }),
  view: true,
  summands: () => [0],
  gradient(g) {
    g.contribute(0, reshape(g.builder, g.outputGradient(0), g.input(0).shape, `${g.node.label}.dx`));
  },
};

export function reshape(builder: GraphBuilder, x: Value, shape: Shape, label: string): Value {
  const [n, h, w, c] = shape;
  return builder.apply(reshapeOp, [x], { n, h, w, c }, label)[0]!;
}
