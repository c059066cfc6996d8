import { at, type Kernel, type Kernels } from '../reference_arrays.js';

/** Each turn step by step, as numpy does it: flip the columns, then rotate by a quarter as often as asked. */
const gatherPatches: Kernel = ([source, places], { column }, [ys]) => {
  const [n, height, width, c] = ys!;
  const y: number[] = [];
  for (let i = 0; i < n; i++) {
    const place = places!.data[3 * i + (column as number)]!;
    const turn = places!.data[3 * i + 2]!;
    let patch = Array.from({ length: height }, (_, row) =>
      Array.from({ length: width }, (_, x) => {
        const start = at(source!.shape, place, row, x, 0);
        return source!.data.slice(start, start + c);
      }),
    );
    if (turn >= 4) patch = patch.map((row) => row.toReversed());
    // counter-clockwise: the last column becomes the first row
    for (let quarter = 0; quarter < turn % 4; quarter++)
      patch = patch[0]!.map((_, x) => patch.map((row) => row.at(-1 - x)!));
    for (const row of patch) for (const spectrum of row) y.push(...spectrum);
  }
  return [Float64Array.from(y)];
};

export const kernels: Kernels = {
  gather_patches: gatherPatches,
};
