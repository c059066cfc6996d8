/**
 * Regressions where patches have different bands: the normal equations of a band are those of the pixels that have it. Bands
 * that the same patches have share them, so there are as many as there are kinds of bands, not one for each band.
 */
import { type RegressionSolution, solveRidge } from './ridge_solve.js';

/** Sums of the patches that have the same bands; y is 0 in the others. */
export interface PatternSums {
  /** [out], 1 = these patches have the band. */
  readonly bands: ArrayLike<number>;
  /** [f+1, f+1] and [f+1, out]. */
  readonly gram: Float64Array;
  readonly cross: Float64Array;
}

export interface GroupedSums {
  /** [groups, f+1, f+1]: sums of [a 1]^T [a 1]. */
  readonly gram: Float64Array;
  /** [f+1, out]: sums of [a 1]^T y. */
  readonly cross: Float64Array;
  /** [out], the group of each band, -1 where no pixel has it; absent where all are of the only group. */
  readonly groups?: readonly number[];
}

/** Adds up what was summed apart. */
export function groupSums(patterns: readonly PatternSums[], out: number): GroupedSums {
  const [first] = patterns;
  if (patterns.length === 1 && Array.from(first!.bands).every((good) => good !== 0))
    return { gram: Float64Array.from(first!.gram), cross: Float64Array.from(first!.cross) };
  const keys = Array.from({ length: out }, (_, b) => patterns.map(({ bands }) => (bands[b] ? 1 : 0)).join(''));
  const kinds = [...new Set(keys)].filter((key) => key.includes('1'));
  const size = first!.gram.length;
  const gram = new Float64Array(kinds.length * size);
  const cross = new Float64Array(first!.cross.length);
  patterns.forEach((pattern, p) => {
    for (let i = 0; i < cross.length; i++) cross[i]! += pattern.cross[i]!;
    kinds.forEach((kind, g) => {
      if (kind[p] !== '1') return;
      for (let i = 0; i < size; i++) gram[g * size + i]! += pattern.gram[i]!;
    });
  });
  return { gram, cross, groups: keys.map((key) => kinds.indexOf(key)) };
}

/** The sums of one group: those of a regression on its own bands. */
export interface BandGroup {
  /** Their numbers. */
  readonly bands: readonly number[];
  readonly gram: Float64Array;
  /** [f+1, bands of the group] */
  readonly cross: Float64Array;
}

export function bandGroups({ gram, cross, groups }: GroupedSums, out: number): BandGroup[] {
  if (groups === undefined) return [{ bands: Array.from({ length: out }, (_, b) => b), gram, cross }];
  const size = cross.length / out;
  return Array.from({ length: Math.max(0, ...groups.map((g) => g + 1)) }, (_, g) => {
    const bands = groups.flatMap((group, b) => (group === g ? [b] : []));
    const own = new Float64Array(size * bands.length);
    for (let i = 0; i < size; i++)
      bands.forEach((b, k) => {
        own[i * bands.length + k] = cross[i * out + b]!;
      });
    return { bands, gram: gram.subarray(g * size * size, (g + 1) * size * size), cross: own };
  });
}

/** Weights and biases found for each group, in the order of all bands; 0 for bands that no pixel has. */
export function scatterGroups(
  groups: readonly BandGroup[],
  out: number,
  features: number,
  solve: (group: BandGroup) => RegressionSolution,
): RegressionSolution {
  const solution = { weight: new Float32Array(out * features), bias: new Float32Array(out) };
  for (const group of groups) {
    const { weight, bias } = solve(group);
    group.bands.forEach((b, k) => {
      solution.weight.set(weight.subarray(k * features, (k + 1) * features), b * features);
      solution.bias[b] = bias[k]!;
    });
  }
  return solution;
}

/** Ridge regression of every group; see solveRidge. */
export function solveGroups(sums: GroupedSums, out: number, lambda: number): RegressionSolution {
  const groups = bandGroups(sums, out);
  // a group without a pixel tells its own error
  if (groups.length === 0) return solveRidge(new Float64Array(1), new Float64Array(out), out, lambda);
  const features = sums.cross.length / out - 1;
  return scatterGroups(groups, out, features, ({ bands, gram, cross }) =>
    solveRidge(gram, cross, bands.length, lambda),
  );
}
