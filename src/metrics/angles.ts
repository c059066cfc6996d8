/** Spectral angles of many pixels over several sets of bands at once. */

export interface AngleSums {
  /** [regions]: sum of the angles in radians, pixels that have one, pixels where a spectrum has no length. */
  readonly radians: Float64Array;
  readonly pixels: Float64Array;
  readonly zeroNorm: Float64Array;
}

/** Bands `from` .. `to` - 1, which lie in the same regions. */
interface BandRun {
  readonly from: number;
  readonly to: number;
  readonly regions: readonly number[];
}

/** The bands as runs that share their regions; bands of no region are left out. */
function runsOf(masks: readonly ArrayLike<number>[], bands: number): BandRun[] {
  const runs: BandRun[] = [];
  const regionsAt = (b: number) => masks.flatMap((mask, r) => (mask[b] ? [r] : []));
  for (let b = 0; b < bands; ) {
    const regions = regionsAt(b);
    let to = b + 1;
    while (to < bands && regionsAt(to).join() === regions.join()) to++;
    if (regions.length > 0) runs.push({ from: b, to, regions });
    b = to;
  }
  return runs;
}

/**
 * The angle between spectra p and t in radians from ee = |p - t|^2, pp = |p|^2, tt = |t|^2:
 * 2 atan2(sqrt(ee - (|p| - |t|)^2), sqrt((|p| + |t|)^2 - ee)), exactly 0 for equal spectra. NaN when either has no length.
 */
export function angleFromSums(ee: number, pp: number, tt: number): number {
  if (pp === 0 || tt === 0) return Number.NaN;
  const p = Math.sqrt(pp);
  const t = Math.sqrt(tt);
  // |p| - |t| as (pp - tt) / (|p| + |t|): no digits are lost when both are nearly equal
  const difference = (pp - tt) / (p + t);
  return 2 * Math.atan2(Math.sqrt(Math.max(0, ee - difference ** 2)), Math.sqrt(Math.max(0, (p + t) ** 2 - ee)));
}

/**
 * Angles of all valid pixels over each of `masks`.
 * @param prediction [pixels, bands]
 * @param target the same
 * @param valid [pixels], 0 = left out; all count without it
 * @param map filled with the angles over the first mask in radians, NaN where there is none: [pixels]
 */
export function spectralAngles(
  prediction: Float32Array,
  target: Float32Array,
  bands: number,
  masks: readonly ArrayLike<number>[],
  valid?: ArrayLike<number>,
  map?: Float32Array,
): AngleSums {
  const runs = runsOf(masks, bands);
  const regions = masks.length;
  const sums = {
    radians: new Float64Array(regions),
    pixels: new Float64Array(regions),
    zeroNorm: new Float64Array(regions),
  };
  const squares = new Float64Array(3 * regions);
  const pixels = target.length / bands;
  for (let pixel = 0; pixel < pixels; pixel++) {
    if (map) map[pixel] = Number.NaN;
    if (valid && valid[pixel] === 0) continue;
    squares.fill(0);
    const at = pixel * bands;
    for (const run of runs) {
      let ee = 0;
      let pp = 0;
      let tt = 0;
      for (let i = at + run.from; i < at + run.to; i++) {
        const p = prediction[i];
        const t = target[i];
        const e = p - t;
        ee += e * e;
        pp += p * p;
        tt += t * t;
      }
      for (const r of run.regions) {
        squares[3 * r] += ee;
        squares[3 * r + 1] += pp;
        squares[3 * r + 2] += tt;
      }
    }
    for (let r = 0; r < regions; r++) {
      const pp = squares[3 * r + 1];
      const tt = squares[3 * r + 2];
      if (pp === 0 || tt === 0) {
        sums.zeroNorm[r]++;
        continue;
      }
      const angle = angleFromSums(squares[3 * r], pp, tt);
      sums.radians[r] += angle;
      sums.pixels[r]++;
      if (map && r === 0) map[pixel] = angle;
    }
  }
  return sums;
}
