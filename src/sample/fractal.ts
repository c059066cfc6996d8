/** Smooth and hashed randomness over the plane, a function of position and seed alone: any window is the same window. */

/** A number in [0, 1) for a lattice point. */
export function hash(seed: number, i: number, j: number): number {
  let h = (seed ^ Math.imul(i, 0x27d4eb2d) ^ Math.imul(j, 0x165667b1)) >>> 0;
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
  h = Math.imul(h ^ (h >>> 12), 0x297a2d39);
  return ((h ^ (h >>> 15)) >>> 0) / 4294967296;
}

const fade = (t: number) => t * t * t * (t * (6 * t - 15) + 10);

/** Value noise in [-1, 1] with lattice spacing 1: random at the lattice, quintic in between. */
function valueNoise(seed: number, x: number, y: number): number {
  const i = Math.floor(x);
  const j = Math.floor(y);
  const u = fade(x - i);
  const v = fade(y - j);
  const top = hash(seed, i, j) * (1 - u) + hash(seed, i + 1, j) * u;
  const bottom = hash(seed, i, j + 1) * (1 - u) + hash(seed, i + 1, j + 1) * u;
  return 2 * (top * (1 - v) + bottom * v) - 1;
}

/**
 * Fractal noise: octaves of value noise, each of half the wavelength and half the height of the one before; roughly
 * within [-1, 1], mean 0.
 * @param wavelength of the first octave, in the unit of x and y
 */
export function fractal(seed: number, x: number, y: number, wavelength: number, octaves = 4): number {
  let sum = 0;
  let height = 1;
  let total = 0;
  for (let o = 0; o < octaves; o++) {
    const f = 2 ** o / wavelength;
    sum += height * valueNoise(seed + 7919 * o, x * f, y * f);
    total += height;
    height *= 0.5;
  }
  return (1.6 * sum) / total;
}
