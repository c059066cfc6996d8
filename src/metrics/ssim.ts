/**
 * Structural similarity of two one-band images (Wang et al. 2004):
 *   ((2 mt mp + C1)(2 ctp + C2)) / ((mt^2 + mp^2 + C1)(vt + vp + C2)),  C1 = (0.01 L)^2, C2 = (0.03 L)^2
 * with means, variances and covariance under an 11 x 11 Gaussian of sigma 1.5. Only windows that lie wholly inside the
 * image and hold no invalid pixel count; nothing is padded.
 */

const SIDE = 11;
const SIGMA = 1.5;
const [K1, K2] = [0.01, 0.03];

/** Half of the symmetric kernel, from the rim to the centre; the whole sums to 1. */
const HALF = (() => {
  const whole = Array.from({ length: SIDE }, (_, i) => Math.exp(-((i - (SIDE - 1) / 2) ** 2) / (2 * SIGMA ** 2)));
  const sum = whole.reduce((a, b) => a + b, 0);
  return whole.slice(0, (SIDE + 1) / 2).map((w) => w / sum);
})();
const [W0, W1, W2, W3, W4, W5] = HALF as [number, number, number, number, number, number];

/** out[i] = sum_k w[k] a[i + k step] for i in [from, to). */
function filter(a: Float64Array, out: Float64Array, from: number, to: number, step: number, shift: number): void {
  for (let i = from; i < to; i++) {
    out[i - shift] =
      W0 * (a[i] + a[i + 10 * step]) +
      W1 * (a[i + step] + a[i + 9 * step]) +
      W2 * (a[i + 2 * step] + a[i + 8 * step]) +
      W3 * (a[i + 3 * step] + a[i + 7 * step]) +
      W4 * (a[i + 4 * step] + a[i + 6 * step]) +
      W5 * a[i + 5 * step];
  }
}

export class Ssim {
  readonly #height: number;
  readonly #width: number;
  /** [h - 10, w - 10], 1 = a window that counts. */
  readonly #windows: Uint8Array;
  readonly #planes: readonly Float64Array[];
  readonly #rows: readonly Float64Array[];
  readonly #smooth: readonly Float64Array[];
  /** Windows that count; 0 for images smaller than a window. */
  readonly windows: number;

  /** @param valid [height, width], 0 = invalid; all are valid without it */
  constructor(height: number, width: number, valid?: ArrayLike<number>) {
    this.#height = height;
    this.#width = width;
    const [h, w] = [Math.max(0, height - SIDE + 1), Math.max(0, width - SIDE + 1)];
    this.#windows = wholeWindows(height, width, valid);
    this.windows = this.#windows.reduce((sum, v) => sum + v, 0);
    const planes = (length: number, count: number) => Array.from({ length: count }, () => new Float64Array(length));
    // squares and products; four rows-filtered and four smooth images
    this.#planes = planes(this.windows > 0 ? height * width : 0, 2);
    this.#rows = planes(this.windows > 0 ? height * w : 0, 4);
    this.#smooth = planes(this.windows > 0 ? h * w : 0, 4);
  }

  /**
   * Mean over the windows that count; NaN without one.
   * @param truth [height, width]
   * @param prediction the same
   * @param range L, the range of the band's values
   */
  mean(truth: Float64Array, prediction: Float64Array, range: number): number {
    if (this.windows === 0) return Number.NaN;
    const [height, width] = [this.#height, this.#width];
    const w = width - SIDE + 1;
    const [squares, products] = this.#planes as [Float64Array, Float64Array];
    for (let i = 0; i < height * width; i++) {
      const t = truth[i];
      const p = prediction[i];
      squares[i] = t * t + p * p;
      products[i] = t * p;
    }
    [truth, prediction, squares, products].forEach((plane, k) => {
      const [row, smooth] = [this.#rows[k]!, this.#smooth[k]!];
      for (let y = 0; y < height; y++) filter(plane, row, y * width, y * width + w, 1, y * (SIDE - 1));
      filter(row, smooth, 0, smooth.length, w, 0);
    });
    const [mt, mp, ss, tp] = this.#smooth as [Float64Array, Float64Array, Float64Array, Float64Array];
    const [c1, c2] = [(K1 * range) ** 2, (K2 * range) ** 2];
    let sum = 0;
    for (let i = 0; i < this.#windows.length; i++) {
      if (this.#windows[i] === 0) continue;
      const product = mt[i] * mp[i];
      const means = mt[i] * mt[i] + mp[i] * mp[i];
      sum += ((2 * product + c1) * (2 * (tp[i] - product) + c2)) / ((means + c1) * (ss[i] - means + c2));
    }
    return sum / this.windows;
  }
}

/** 1 for every window without an invalid pixel, by sums along rows and then columns. */
function wholeWindows(height: number, width: number, valid?: ArrayLike<number>): Uint8Array {
  const [h, w] = [Math.max(0, height - SIDE + 1), Math.max(0, width - SIDE + 1)];
  const whole = new Uint8Array(h * w).fill(1);
  if (!valid || whole.length === 0) return whole;
  const rows = new Uint8Array(height * w);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < w; x++) {
      let all = 1;
      for (let k = 0; k < SIDE; k++) if (valid[y * width + x + k] === 0) all = 0;
      rows[y * w + x] = all;
    }
  for (let i = 0; i < whole.length; i++) for (let k = 0; k < SIDE; k++) if (rows[i + k * w] === 0) whole[i] = 0;
  return whole;
}
