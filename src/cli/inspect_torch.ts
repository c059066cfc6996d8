/** `inspect` of PyTorch's checkpoints. */
import { readTorchState } from '../io/torch_pickle.js';
import type { Facts } from './inspect_facts.js';

/** A checkpoint of PyTorch. */
export async function inspectTorch(path: string): Promise<Facts> {
  const { tensors, key } = await readTorchState(path);
  const count = [...tensors.values()].reduce((sum, t) => sum + t.data.length, 0);
  return {
    kind: 'PyTorch checkpoint',
    weights: key || 'bare state dict',
    tensors: tensors.size,
    parameters: count,
    names: [...tensors.keys()].join(', '),
  };
}
