/** What the float64 references of all operators (test/support/reference) are written with. */
import { type Attributes, elements, type Shape } from '../../src/graph/ir.js';

/** Numbers of a value in the order of its shape. */
export interface Array4 {
  readonly shape: Shape;
  readonly data: Float64Array;
}

export type Kernel = (x: (Array4 | null)[], a: Attributes, outputs: readonly Shape[]) => Float64Array[];
export type Kernels = Readonly<Record<string, Kernel>>;

export const zeros = (shape: Shape) => new Float64Array(elements(shape));
export const at = (s: Shape, n: number, y: number, x: number, c: number) => ((n * s[1] + y) * s[2] + x) * s[3] + c;

/** Calls f for every element of a shape. */
export function each(s: Shape, f: (n: number, y: number, x: number, c: number, i: number) => void): void {
  let i = 0;
  for (let n = 0; n < s[0]; n++)
    for (let y = 0; y < s[1]; y++) for (let x = 0; x < s[2]; x++) for (let c = 0; c < s[3]; c++) f(n, y, x, c, i++);
}
