import type { Kernel, Kernels } from '../reference_arrays.js';

/** A float32's place in the order of all of them: its bits, negative numbers turned round. */
function ordered(value: number): number {
  const bits = new DataView(new ArrayBuffer(4));
  bits.setFloat32(0, value);
  const word = bits.getUint32(0);
  return word < 2 ** 31 ? word + 2 ** 31 : 2 ** 32 - 1 - word;
}

const countValues: Kernel = ([values, pixelMask, bandMask, prefixes, counts0], { settled, bits }) => {
  const counts = Float64Array.from(counts0!.data);
  const c = values!.shape[3];
  const [, , populations, slots] = prefixes!.shape;
  values!.data.forEach((value, i) => {
    const band = i % c;
    if (pixelMask?.data[Math.floor(i / c)] === 0 || bandMask?.data[band] === 0) return;
    const word = ordered(value);
    const wanted = prefixes!.data.slice(populations === 1 ? 0 : band * slots).subarray(0, slots);
    const slot = wanted.indexOf(Math.floor(word / 2 ** (32 - Number(settled))));
    if (slot < 0) return;
    const bin = Math.floor(word / 2 ** (32 - Number(settled) - Number(bits))) % 2 ** Number(bits);
    counts[((populations === 1 ? 0 : band) * slots + slot) * 2 ** Number(bits) + bin]! += 1;
  });
  return [counts];
};

export const kernels: Kernels = {
  count_values: countValues,
};
