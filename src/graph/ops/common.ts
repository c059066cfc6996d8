/** Small pieces that the operators' shape rules and costs share. */
import {
  type Attribute,
  byteLength,
  type Cost,
  elements,
  type Footprint,
  formatShape,
  type Parameter,
  type Shape,
  ShapeError,
  sameShape,
  type ValueType,
} from '../ir.js';

export const f32 = (shape: Shape): ValueType => ({ shape, dtype: 'f32' });
export const f64 = (shape: Shape): ValueType => ({ shape, dtype: 'f64' });

/** The operand, which the operator cannot do without. */
export function required(operand: ValueType | null | undefined, op: string, label: string, name: string): ValueType {
  if (operand === null || operand === undefined) throw new ShapeError(op, label, `operand ${name} is missing`);
  return operand;
}

/** Checks an optional operand's shape. */
export function expectShape(
  operand: ValueType | null | undefined,
  shape: Shape,
  op: string,
  label: string,
  name: string,
): void {
  if (operand === null || operand === undefined) return;
  if (!sameShape(operand.shape, shape)) {
    throw new ShapeError(op, label, `${name} has shape ${formatShape(operand.shape)}, expected ${formatShape(shape)}`);
  }
}

/** Cost of an operator that touches every operand once: `perElement` operations for each element of the first result. */
export function streamingCost(perElement: number): (a: readonly (ValueType | null)[], r: readonly ValueType[]) => Cost {
  return (operands, results) => ({
    flops: perElement * Math.max(...[...operands, ...results].map((t) => (t === null ? 0 : elements(t.shape)))),
    bytes: traffic(operands, results),
  });
}

/** Bytes of all operands and results. */
export function traffic(operands: readonly (ValueType | null)[], results: readonly ValueType[]): number {
  return [...operands, ...results].reduce((sum, t) => sum + (t === null ? 0 : byteLength(t)), 0);
}

// ---- traits that several operators have ----

/** Every pixel of the results comes from the same pixel of the operands. */
export const POINTWISE: Footprint = { kind: 'pointwise' };

/** A scalar parameter that is a number. */
export const number = (fallback?: number): Parameter => ({
  ...(fallback === undefined ? {} : { fallback }),
  encode: (attribute) => attribute as number,
  decode: (n) => n,
});

/** A scalar parameter that is 1 or 0. */
export const flag: Parameter = {
  fallback: false,
  encode: (attribute) => (attribute === true ? 1 : 0),
  decode: (n) => n !== 0,
};

/** A scalar parameter that is the index of a name. */
export const choice = (names: readonly string[], fallback: string): Parameter => ({
  fallback,
  encode: (attribute: Attribute) => names.indexOf(attribute as string),
  decode: (n) => names[n]!,
});
