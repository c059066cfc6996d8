/**
 * Endmembers from training spectra: k-means with k-means++ seeding (Arthur & Vassilvitskii 2007), Lloyd's iterations until
 * no spectrum changes its cluster. The centres are returned through the inverse of softplus, ready to be written to
 * `endmembers` of a model with constraint 'softplus'.
 */
import { BandliftError } from '../base/errors.js';
import type { Random } from '../base/random.js';
import { inverseSoftplus } from './network.js';

const ITERATIONS = 50;

function squaredDistance(a: Float32Array, i: number, b: Float32Array, j: number, bands: number): number {
  let sum = 0;
  for (let c = 0; c < bands; c++) {
    const d = a[i * bands + c]! - b[j * bands + c]!;
    sum += d * d;
  }
  return sum;
}

/** k-means++ seeding: each next centre is a spectrum drawn with probability proportional to its squared distance. */
function seedCentres(spectra: Float32Array, bands: number, k: number, random: Random): Float32Array {
  const count = spectra.length / bands;
  const centres = new Float32Array(k * bands);
  const nearest = new Float64Array(count).fill(Number.POSITIVE_INFINITY);
  let chosen = random.integer(count);
  for (let j = 0; j < k; j++) {
    centres.set(spectra.subarray(chosen * bands, (chosen + 1) * bands), j * bands);
    let total = 0;
    for (let i = 0; i < count; i++) {
      nearest[i] = Math.min(nearest[i]!, squaredDistance(spectra, i, centres, j, bands));
      total += nearest[i]!;
    }
    // all spectra equal some centre: further centres repeat
    let left = random.uniform() * total;
    chosen = 0;
    while (chosen < count - 1 && left >= nearest[chosen]!) left -= nearest[chosen++]!;
  }
  return centres;
}

/** Cluster centres [k, bands] of spectra [count, bands]; a cluster that lost all its spectra keeps its centre. */
export function kMeans(spectra: Float32Array, bands: number, k: number, random: Random): Float32Array {
  const count = spectra.length / bands;
  if (!Number.isInteger(count) || count < 1) {
    throw new BandliftError('no spectra to find endmembers in', {
      found: `${spectra.length} numbers`,
      expected: `a multiple of ${bands}`,
    });
  }
  for (let i = 0; i < spectra.length; i++) {
    if (!Number.isFinite(spectra[i])) {
      throw new BandliftError('a training spectrum is not finite', {
        found: `spectrum ${Math.floor(i / bands)}, band ${i % bands}`,
      });
    }
  }
  const centres = seedCentres(spectra, bands, k, random);
  const owner = new Int32Array(count).fill(-1);
  for (let iteration = 0; iteration < ITERATIONS; iteration++) {
    let changed = false;
    const sums = new Float64Array(k * bands);
    const members = new Float64Array(k);
    for (let i = 0; i < count; i++) {
      let best = 0;
      let distance = Number.POSITIVE_INFINITY;
      for (let j = 0; j < k; j++) {
        const d = squaredDistance(spectra, i, centres, j, bands);
        if (d < distance) [best, distance] = [j, d];
      }
      changed ||= owner[i] !== best;
      owner[i] = best;
      members[best]! += 1;
      for (let c = 0; c < bands; c++) sums[best * bands + c]! += spectra[i * bands + c]!;
    }
    if (!changed) break;
    for (let j = 0; j < k; j++) {
      if (members[j] === 0) continue;
      for (let c = 0; c < bands; c++) centres[j * bands + c] = sums[j * bands + c]! / members[j]!;
    }
  }
  return centres;
}

/**
 * Initial `endmembers` [k, bands] of a model with constraint 'softplus', from spectra [count, bands] in the units of the
 * network's output (a few thousand are enough).
 */
export function initEndmembers(spectra: Float32Array, bands: number, k: number, random: Random): Float32Array {
  return kMeans(spectra, bands, k, random).map(inverseSoftplus);
}
