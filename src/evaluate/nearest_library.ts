/**
 * The nearest library spectrum as a baseline: of all spectra the one whose simulated coarse bands make the smallest angle
 * with the pixel's, scaled to the pixel's brightness.
 */

export interface NearestLibrary {
  readonly count: number;
  readonly coarseBands: number;
  readonly bands: number;
  /** [count, coarse bands]: the simulated coarse bands, of length 1. */
  readonly directions: Float64Array;
  /** [count, bands]: the spectra over the length of their coarse bands. */
  readonly spectra: Float32Array;
}

/**
 * @param weights [coarse bands][bands], as from spectra/response.ts bandWeights
 * @param spectra [count, bands]; those without a positive length in the coarse bands are left out
 */
export function nearestLibrary(spectra: Float32Array, bands: number, weights: readonly Float64Array[]): NearestLibrary {
  const coarseBands = weights.length;
  const all = Array.from({ length: spectra.length / bands }, (_, s) => {
    const spectrum = spectra.subarray(s * bands, (s + 1) * bands);
    const coarse = weights.map((weight) => weight.reduce((sum, w, b) => sum + w * spectrum[b], 0));
    return { spectrum, coarse, length: Math.hypot(...coarse) };
  }).filter(({ length }) => length > 0);
  const directions = new Float64Array(new SharedArrayBuffer(8 * all.length * coarseBands));
  const scaled = new Float32Array(new SharedArrayBuffer(4 * all.length * bands));
  all.forEach(({ spectrum, coarse, length }, s) => {
    for (let k = 0; k < coarseBands; k++) directions[s * coarseBands + k] = coarse[k]! / length;
    for (let b = 0; b < bands; b++) scaled[s * bands + b] = spectrum[b] / length;
  });
  return { count: all.length, coarseBands, bands, directions, spectra: scaled };
}

/**
 * [pixels, coarse bands] -> [pixels, bands]. The angle is smallest where the projection <x, d> on the unit vector is
 * largest; that projection is also the least-squares scale.
 */
export function predictNearest(input: Float32Array, library: NearestLibrary): Float32Array {
  const { count, coarseBands, bands, directions, spectra } = library;
  const pixels = input.length / coarseBands;
  const out = new Float32Array(pixels * bands);
  for (let p = 0; p < pixels; p++) {
    let best = -1;
    let largest = 0;
    for (let s = 0; s < count; s++) {
      let projection = 0;
      for (let k = 0; k < coarseBands; k++) projection += input[p * coarseBands + k] * directions[s * coarseBands + k];
      if (projection > largest) {
        largest = projection;
        best = s;
      }
    }
    // a pixel without light is predicted as such
    if (best < 0) continue;
    for (let b = 0; b < bands; b++) out[p * bands + b] = largest * spectra[best * bands + b];
  }
  return out;
}
