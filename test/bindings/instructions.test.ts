/** What an operator of src/graph/ops says of its instruction, beside the instruction's line in native/ops. */
import { describe, expect, it } from 'vitest';
import { loadAddon } from '../../bindings/load.js';
import { ALL_OPERATORS, operandsOf } from '../support/operators.js';

const { instructions } = loadAddon();
const computed = ALL_OPERATORS.filter(({ view }) => view !== true);

describe('instructions', () => {
  it('are those of the operators, no more and no less', () => {
    const names = [...new Set(computed.map(({ name }) => name))];
    expect(names.sort()).toEqual(instructions.map(({ name }) => name).sort());
  });

  it.each(computed.map((op) => [op.name, op] as const))(
    '%s has the operands and parameters of its line',
    (name, op) => {
      const native = instructions.find((one) => one.name === name)!;
      const { inputs } = operandsOf(op);
      const sums = op.passesAccumulator === true ? [] : (op.accumulates ?? []).map(([input]) => input);
      const own = op.inputs.filter((_, i) => !sums.includes(i));
      expect(own).toHaveLength(inputs);
      const expected = [...own, ...op.outputs, ...(op.workspace === true ? ['workspace'] : [])];
      expect(native.operands.map((operand) => operand.name)).toEqual(expected);
      expect(native.params).toBe(Object.keys(op.params ?? {}).length);
    },
  );

  it.each(computed.map((op) => [op.name, op] as const))('%s keeps plain what its line takes as f32', (name, op) => {
    const { operands } = instructions.find((one) => one.name === name)!;
    const isImage = (operand: string) => operands.find((one) => one.name === operand)!.isImage;
    // an operand that the operator keeps plain, or alike with its result, must be just that in the line
    for (const i of op.plainInputs ?? []) expect(isImage(op.inputs[i]!), op.inputs[i]).toBe(false);
    for (const i of op.plainOutputs ?? []) expect(isImage(op.outputs[i]!), op.outputs[i]).toBe(false);
    for (const i of op.alike ?? []) expect(isImage(op.inputs[i]!), op.inputs[i]).toBe(true);
  });
});
