/** Small patch files for tests, written by h5wasm; whatever is wrong with them is the caller's choice. */
import h5wasm from 'h5wasm/node';

export interface Written {
  data: Float32Array | Float64Array | Int16Array | Uint16Array | Int32Array | Uint8Array | BigInt64Array | string[];
  shape: number[];
  dtype?: string;
  chunks?: number[];
}

/** Writes datasets (gzip 4 where `chunks` is given) and attributes. */
export async function writeHdf5(
  path: string,
  datasets: Record<string, Written>,
  attributes: Record<string, number | string> = {},
): Promise<string> {
  await h5wasm.ready;
  const file = new h5wasm.File(path, 'w');
  for (const [name, { data, shape, dtype, chunks }] of Object.entries(datasets))
    file.create_dataset({
      name,
      data,
      shape,
      ...(dtype ? { dtype } : {}),
      ...(chunks ? { chunks, compression: 'gzip', compression_opts: 4 } : {}),
    });
  for (const [name, value] of Object.entries(attributes)) file.create_attribute(name, value);
  file.close();
  return path;
}

export interface PatchShape {
  patches: number;
  height: number;
  width: number;
  inBands: number;
  outBands: number;
}

/** The value of `band` at (row, column) of patch n: every number tells where it is. Exact in float32. */
export const landsatValue = (n: number, y: number, x: number, b: number) => n * 64 + y * 8 + x + b / 16;
export const avirisValue = (n: number, y: number, x: number, b: number) => 1024 + n * 64 + y * 8 + x + b / 16;

function fill(shape: PatchShape, bands: number, value: typeof landsatValue): Float32Array {
  const { patches, height, width } = shape;
  const data = new Float32Array(patches * height * width * bands);
  let i = 0;
  for (let n = 0; n < patches; n++)
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) for (let b = 0; b < bands; b++) data[i++] = value(n, y, x, b);
  return data;
}

/** The two datasets of a valid file, in the formulas above. */
export function patchDatasets(shape: PatchShape, chunks?: readonly number[]): { landsat: Written; aviris: Written } {
  const { patches, height, width, inBands, outBands } = shape;
  const side = (bands: number, value: typeof landsatValue): Written => ({
    data: fill(shape, bands, value),
    shape: [patches, height, width, bands],
    ...(chunks ? { chunks: [...chunks, bands] } : {}),
  });
  return { landsat: side(inBands, landsatValue), aviris: side(outBands, avirisValue) };
}
