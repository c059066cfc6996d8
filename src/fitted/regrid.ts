/** Spectra of any instrument on a common grid of bands. */

export interface Regridding {
  /** [bands], 1 = the source's good bands reach this band. */
  readonly known: Uint8Array;
  /** For each band of the grid the source's bands and their weights; empty where it is not known. */
  readonly taps: readonly { readonly index: readonly number[]; readonly weight: readonly number[] }[];
}

/** A band is a Gaussian of its width, cut off at so many widths. */
const REACH = 1.5;
/** Full width at half maximum in standard deviations. */
const FWHM_SIGMAS = 2 * Math.sqrt(2 * Math.log(2));
/** Neighbours further apart than this many usual steps have a gap between them that is not bridged. */
const GAP = 2.5;

/**
 * How the bands of a grid come out of a source's: a Gaussian of the grid's width where the source is finer than half that width,
 * linear interpolation where it is coarser. Nothing is extrapolated, and no gap is bridged.
 *
 * @param from band centres of the source, nm, any order
 * @param good [source bands], 1 = good
 * @param to band centres of the grid, nm; `fwhm` their widths
 */
export function regridding(
  from: ArrayLike<number>,
  good: ArrayLike<number>,
  to: ArrayLike<number>,
  fwhm: ArrayLike<number>,
): Regridding {
  const sort = (list: number[]) => list.sort((a, b) => from[a]! - from[b]!);
  const all = sort(Array.from(from, (_, i) => i));
  const steps = all.slice(1).map((b, i) => from[b]! - from[all[i]!]!);
  const usual = [...steps].sort((a, b) => a - b)[steps.length >> 1] ?? Number.POSITIVE_INFINITY;
  const order = all.filter((b) => good[b] === 1);
  const known = new Uint8Array(to.length);
  const taps = Array.from(to, (centre, b) => {
    const right = order.findIndex((k) => from[k]! >= centre);
    const exact = right >= 0 && from[order[right]!] === centre;
    if (right < 0 || (right === 0 && !exact)) return { index: [], weight: [] };
    if (exact && right === 0) {
      known[b] = 1;
      return { index: [order[0]!], weight: [1] };
    }
    const [low, high] = [order[right - 1]!, order[right]!];
    const gap = from[high]! - from[low]!;
    if (gap > GAP * usual && !exact) return { index: [], weight: [] };
    known[b] = 1;
    if (gap < fwhm[b]! / 2) {
      const reach = REACH * fwhm[b]!;
      const index = order.filter((k) => Math.abs(from[k]! - centre) <= reach);
      const raw = index.map((k) => Math.exp(-0.5 * (((from[k]! - centre) / fwhm[b]!) * FWHM_SIGMAS) ** 2));
      const total = raw.reduce((sum, w) => sum + w, 0);
      return { index, weight: raw.map((w) => w / total) };
    }
    const share = gap > 0 ? (centre - from[low]!) / gap : 0;
    return { index: [low, high], weight: [1 - share, share] };
  });
  return { known, taps };
}

/** One spectrum on the grid; 0 where a band is not known. */
export function regrid({ taps }: Regridding, spectrum: ArrayLike<number>, to: Float32Array, at: number): void {
  taps.forEach(({ index, weight }, b) => {
    let sum = 0;
    for (let k = 0; k < index.length; k++) sum += weight[k]! * spectrum[index[k]!]!;
    to[at + b] = sum;
  });
}
