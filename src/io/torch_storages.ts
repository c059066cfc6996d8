/** The types of numbers in PyTorch's storages. */
import { bfloat16ToFloat32, float16ToFloat32 } from './half.js';
import type { TypedArray } from './safetensors.js';

/** Storage type -> dtype, and bytes to numbers. */
export const STORAGES: Record<string, { dtype: string; size: number; view: (bytes: ArrayBuffer) => TypedArray }> = {
  Double: { dtype: 'F64', size: 8, view: (b) => new Float64Array(b) },
  Float: { dtype: 'F32', size: 4, view: (b) => new Float32Array(b) },
  Half: { dtype: 'F32', size: 2, view: (b) => float16ToFloat32(new Uint16Array(b)) },
  BFloat16: { dtype: 'F32', size: 2, view: (b) => bfloat16ToFloat32(new Uint16Array(b)) },
  Long: { dtype: 'I64', size: 8, view: (b) => new BigInt64Array(b) },
  Int: { dtype: 'I32', size: 4, view: (b) => new Int32Array(b) },
  Short: { dtype: 'I16', size: 2, view: (b) => new Int16Array(b) },
  Char: { dtype: 'I8', size: 1, view: (b) => new Int8Array(b) },
  Byte: { dtype: 'U8', size: 1, view: (b) => new Uint8Array(b) },
  Bool: { dtype: 'BOOL', size: 1, view: (b) => new Uint8Array(b) },
};
