/** All operators of src/graph/ops, and what the operands of their instructions are. */
import type { OpDefinition } from '../../src/graph/ir.js';
import { importFolder } from './import_folder.js';

const MODULES = await importFolder<Record<string, unknown>>(new URL('../../src/graph/ops/', import.meta.url));

const isOperator = (value: unknown): value is OpDefinition =>
  typeof value === 'object' && value !== null && 'infer' in value && 'cost' in value;

/** Several may become the same instruction: `add`, and the `add` that adds to what is kept between runs. */
export const ALL_OPERATORS: readonly OpDefinition[] = MODULES.flatMap((module) =>
  Object.values(module).filter(isOperator),
);

/** By instruction. */
export const OPERATORS: ReadonlyMap<string, OpDefinition> = new Map(ALL_OPERATORS.map((op) => [op.name, op]));

export interface Operands {
  /** Inputs that come first among the operands. */
  readonly inputs: number;
  readonly outputs: number;
  /** Outputs that are added to, in the order of the inputs that they take the place of. */
  readonly accumulates: readonly number[];
}

export function operandsOf(op: OpDefinition): Operands {
  const sums = op.passesAccumulator === true ? [] : (op.accumulates ?? []);
  return {
    inputs: op.inputs.length - sums.length,
    outputs: op.outputs.length,
    accumulates: [...sums].sort(([a], [b]) => a - b).map(([, output]) => output),
  };
}
