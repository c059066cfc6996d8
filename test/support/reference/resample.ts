import { at, each, type Kernel, type Kernels, zeros } from '../reference_arrays.js';

/** Every output pixel is the double sum over both tables. */
const resampleReference: Kernel = ([x, rows, columns, residual], _a, [ys]) => {
  const y = residual === null ? zeros(ys!) : Float64Array.from(residual!.data);
  const [tall, wide] = [rows!.shape[3], columns!.shape[3]];
  each(ys!, (n, i, j, c, k) => {
    for (let a = 1; a < tall; a++)
      for (let b = 1; b < wide; b++) {
        const u = rows!.data[i * tall]! + a - 1;
        const v = columns!.data[j * wide]! + b - 1;
        y[k]! += rows!.data[i * tall + a]! * columns!.data[j * wide + b]! * x!.data[at(x!.shape, n, u, v, c)]!;
      }
  });
  return [y];
};

export const kernels: Kernels = {
  resample: resampleReference,
};
