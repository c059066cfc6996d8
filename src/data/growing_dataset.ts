/** One HDF5 dataset that grows along its first axis, a patch at a time; gzip as in docs/specification.md, section 4. */
import type { Dataset, File as Hdf5File } from 'h5wasm/node';

const GZIP_LEVEL = 4;

export type Numbers = Float32Array | Float64Array | Uint8Array | Int32Array;

export class GrowingDataset {
  readonly #name: string;
  readonly #shape: readonly number[];
  readonly #dtype: string;
  readonly #chunk: readonly number[] | undefined;
  #dataset: Dataset | undefined;
  #count = 0;

  constructor(name: string, shape: readonly number[], dtype: string, chunk?: readonly number[]) {
    this.#name = name;
    this.#shape = shape;
    this.#dtype = dtype;
    this.#chunk = chunk;
  }

  append(file: Hdf5File, data: Numbers): void {
    const size = this.#shape.reduce((a, b) => a * b, 1);
    if (data.length !== size)
      throw new Error(`patch ${this.#count}, ${this.#name}: ${data.length} values, expected ${size}`);
    const n = this.#count++;
    if (this.#dataset === undefined) {
      // HDF5 through h5wasm cannot make an empty dataset: it begins with the first patch
      this.#dataset = file.create_dataset({
        name: this.#name,
        data,
        shape: [1, ...this.#shape],
        dtype: this.#dtype,
        maxshape: [null, ...this.#shape],
        chunks: [1, ...(this.#chunk ?? this.#shape)],
        compression: 'gzip',
        compression_opts: GZIP_LEVEL,
      });
      return;
    }
    this.#dataset.resize([n + 1, ...this.#shape]);
    this.#dataset.write_slice([[n, n + 1], ...this.#shape.map((side) => [0, side] as [number, number])], data);
  }
}
