/** Several programs as one: their instructions one after another, their arenas side by side. */
import { ARENA, alignUp } from './plan.js';
import type { ProgramDescription, TensorRef } from './program_types.js';

export interface PlannedProgram {
  readonly description: ProgramDescription;
  readonly arenaBytes: number;
}

export function chain(programs: readonly PlannedProgram[]): PlannedProgram {
  let base = 0;
  const shifted = programs.map(({ description, arenaBytes }) => {
    const offset = base;
    base += alignUp(arenaBytes);
    const move = (t: TensorRef): TensorRef => (t.buffer === ARENA ? { ...t, offset: t.offset + offset } : t);
    const port = ({ name, tensor }: { name: string; tensor: TensorRef }) => ({ name, tensor: move(tensor) });
    return {
      instructions: description.instructions.map((i) => ({
        ...i,
        tensors: i.tensors.map((t) => (t === null ? null : move(t))),
      })),
      inputs: description.inputs.map(port),
      outputs: description.outputs.map(port),
    };
  });
  return {
    description: {
      instructions: shifted.flatMap((p) => p.instructions),
      inputs: shifted.flatMap((p) => p.inputs),
      outputs: shifted.flatMap((p) => p.outputs),
    },
    arenaBytes: base,
  };
}

/** The same program with `tensor` as operand `index` of the instruction that node `label` became. */
export function withOperand(program: PlannedProgram, label: string, index: number, tensor: TensorRef): PlannedProgram {
  const instructions = program.description.instructions.map((i) =>
    i.label === label ? { ...i, tensors: i.tensors.map((t, k) => (k === index ? tensor : t)) } : i,
  );
  return { ...program, description: { ...program.description, instructions } };
}
