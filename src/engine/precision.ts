/** What numbers are computed and kept in, and what that means for a device. */
import type { DeviceInfo } from '../../bindings/addon.js';
import type { StorageRules } from '../compiler/storage_types.js';

/**
 * fp32: everything in f32. tf32: convolutions round their operands to 10 bits (CUDA, compute capability 8.0 and up).
 * bf16 (8.0 and up), fp16 (7.0 and up): images inside the network are kept in 16 bits; predictions, sums, parameters, gates
 * and losses stay f32 or wider, and convolutions in f32 (of frozen weights) round nothing to tf32.
 */
export const PRECISIONS = ['fp32', 'tf32', 'bf16', 'fp16'] as const;
export type Precision = (typeof PRECISIONS)[number];

export function storageRules(info: Pick<DeviceInfo, 'rowBytes'>, precision: Precision = 'fp32'): StorageRules {
  const image = precision === 'bf16' ? 'bf16' : precision === 'fp16' ? 'f16' : 'f32';
  return { image, rowBytes: info.rowBytes };
}
