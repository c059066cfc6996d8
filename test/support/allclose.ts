/** Comparison of arrays as in numpy.allclose, with a message that says where and by how much. */
export interface Tolerance {
  readonly absolute: number;
  readonly relative: number;
}

export interface Deviation {
  /** Largest |a - b| / (absolute + relative |b|): at most 1 when the arrays agree. */
  readonly ratio: number;
  readonly index: number;
  readonly actual: number;
  readonly expected: number;
}

export function worstDeviation(actual: ArrayLike<number>, expected: ArrayLike<number>, t: Tolerance): Deviation {
  let worst: Deviation = { ratio: -1, index: -1, actual: Number.NaN, expected: Number.NaN };
  for (let i = 0; i < expected.length; i++) {
    const [a, b] = [actual[i]!, expected[i]!];
    const ratio = a === b ? 0 : Math.abs(a - b) / (t.absolute + t.relative * Math.abs(b));
    // a NaN never compares as smaller: it is the worst there is
    if (!(ratio <= worst.ratio)) worst = { ratio, index: i, actual: a, expected: b };
    if (Number.isNaN(ratio)) break;
  }
  return worst;
}

/** Throws when an element differs by more than absolute + relative |expected|. */
export function expectClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: Tolerance,
  what: string,
): void {
  if (actual.length !== expected.length) {
    throw new Error(`${what}: ${actual.length} numbers, expected ${expected.length}`);
  }
  const worst = worstDeviation(actual, expected, tolerance);
  if (expected.length > 0 && !(worst.ratio <= 1)) {
    throw new Error(
      `${what}: element ${worst.index} is ${worst.actual}, expected ${worst.expected} (${worst.ratio.toPrecision(3)} times the tolerance)`,
    );
  }
}
