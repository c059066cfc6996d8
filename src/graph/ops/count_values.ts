/**
 * One pass of the search for exact quantiles (src/data/quantile.ts): of the values [n,h,w,c] whose first `settled` bits, in an
 * order-preserving integer form, are a wanted prefix, how often each value of the next `bits` occurs,
 *
 *     counts [1,populations,slots,2^bits] += ...        prefixes [1,1,populations,slots], whole numbers below 2^settled
 *
 * over pixels whose mask is 1 and bands whose mask is 1 (all, without one). One population of all bands, or one for each band.
 * Prefixes and counts are whole numbers in f64. Not differentiated.
 */
import { elements, type GraphBuilder, type OpDefinition, ShapeError, type Value } from '../ir.js';
import { expectShape, number, required, traffic } from './common.js';

export const countValuesOp: OpDefinition = {
  name: 'count_values',
  inputs: ['values', 'pixel_mask', 'band_mask', 'prefixes', 'counts'],
  outputs: ['counts'],
  infer([valuesIn, pixelMask, bandMask, prefixesIn, countsIn], attributes, label) {
    const op = 'count_values';
    const values = required(valuesIn, op, label, 'values');
    const prefixes = required(prefixesIn, op, label, 'prefixes');
    const counts = required(countsIn, op, label, 'counts');
    const [n, h, w, c] = values.shape;
    const settled = Number(attributes.settled);
    const bits = Number(attributes.bits);
    const whole = Number.isInteger(settled) && Number.isInteger(bits);
    if (!whole || settled < 0 || bits < 1 || bits > 16 || settled + bits > 32)
      throw new ShapeError(op, label, `settled ${settled} and bits ${bits}, expected 1 to 16 bits of 32`);
    const [, , populations, slots] = prefixes.shape;
    if (populations !== 1 && populations !== c)
      throw new ShapeError(op, label, `${populations} populations of ${c} bands, expected 1 or ${c}`);
    expectShape(pixelMask, [n, h, w, 1], op, label, 'pixel_mask');
    expectShape(bandMask, [1, 1, 1, c], op, label, 'band_mask');
    expectShape(prefixes, [1, 1, populations, slots], op, label, 'prefixes');
    expectShape(counts, [1, populations, slots, 2 ** bits], op, label, 'counts');
    return [counts];
  },
  cost: (operands, results) => ({
    // mapped, compared with each prefix, counted
    flops: elements(operands[0]!.shape) * (3 + operands[3]!.shape[3]),
    bytes: traffic(operands, results),
  }),
  accumulates: [[4, 0]],
  plainInputs: [0, 1, 2],
  params: { settled: number(), bits: number() },
  workspace: true,
};

export interface CountOperands {
  readonly values: Value;
  readonly pixelMask: Value | null;
  readonly bandMask: Value | null;
  /** f64 */
  readonly prefixes: Value;
  /** f64; added to. */
  readonly counts: Value;
}

export function countValues(
  builder: GraphBuilder,
  operands: CountOperands,
  bits: { readonly settled: number; readonly bits: number },
  label: string,
): Value {
  const { values, pixelMask, bandMask, prefixes, counts } = operands;
  const inputs = [values, pixelMask, bandMask, prefixes, counts];
  return builder.apply(countValuesOp, inputs, { settled: bits.settled, bits: bits.bits }, label)[0]!;
}
