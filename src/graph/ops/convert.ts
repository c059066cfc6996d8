/**
 * y = x, the same numbers in dense order under another storage type, pitch or shape. No model builds it: the pass
 * src/compiler/storage_types.ts puts it where numbers enter and leave a device that keeps images as f16, bf16 or with
 * padded pixels, where what a network learnt is added to a prediction in f32, and where a reshape cannot be a view there.
 */
import type { OpDefinition } from '../ir.js';
import { required, streamingCost } from './common.js';

export const convertOp: OpDefinition = {
  name: 'convert',
  inputs: ['x'],
  outputs: ['y'],
  infer([x], _attributes, label) {
    return [required(x, 'convert', label, 'x')];
  },
  cost: streamingCost(0),
};
