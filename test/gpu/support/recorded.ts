/** A golden file's network on some device, and what it gave: output, losses, gradients, the losses of Adam steps. */
import { createSession } from '../../../src/engine/session.js';
import type { LossTerms, Session, SessionOptions } from '../../../src/engine/types.js';
import { type VerifyResult, verifyGolden } from '../../../src/verify/verify.js';

export interface Recorded {
  readonly verified: VerifyResult;
  readonly output: Float32Array;
  readonly loss: LossTerms;
  /** By parameter; 'input' for the input's. */
  readonly gradients: ReadonlyMap<string, Float32Array>;
  /** Total loss before each Adam step. */
  readonly losses: readonly number[];
  readonly skipped: number;
}

/** Runs everything that `bandlift verify` runs; the rows of `verified` are held against PyTorch's numbers. */
export async function recordGolden(path: string, device: NonNullable<SessionOptions['device']>): Promise<Recorded> {
  let last: Awaited<ReturnType<Session['gradients']>> | undefined;
  const losses: number[] = [];
  let skipped = 0;
  const open = async (options: SessionOptions): Promise<Session> => {
    const session = await createSession({ ...options, device });
    const [gradients, step] = [session.gradients.bind(session), session.step.bind(session)];
    session.gradients = async (...given) => {
      last = await gradients(...given);
      return last;
    };
    session.step = async (...given) => {
      const result = await step(...given);
      losses.push(result.total);
      if (result.skipped === true) skipped++;
      return result;
    };
    return session;
  };
  const verified = await verifyGolden(path, { open });
  return { verified, ...last!, losses, skipped };
}

export const norm = (x: ArrayLike<number>): number => {
  let squares = 0;
  for (let i = 0; i < x.length; i++) squares += x[i]! ** 2;
  return Math.sqrt(squares);
};

/** |a - b| / |b| in the Euclidean norm; `least` stands for |b| where that is smaller. */
export function relativeError(a: ArrayLike<number>, b: ArrayLike<number>, least = 0): number {
  if (a.length !== b.length) return Number.NaN;
  return norm(Float64Array.from(b, (value, i) => a[i]! - value)) / Math.max(norm(b), least);
}
