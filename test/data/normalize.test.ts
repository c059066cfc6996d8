import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Random } from '../../src/base/random.js';
import { fitNormalization } from '../../src/data/fit_normalization.js';
import { openReader } from '../../src/data/loader.js';
import { Normalizer } from '../../src/data/normalize.js';
import { openPatchSet } from '../../src/data/patches.js';
import type { Normalization } from '../../src/data/types.js';
import { type PatchShape, patchDatasets, type Written, writeHdf5 } from '../support/patch_files.js';
import { describePython, runPython } from '../support/python.js';
import { temporaryFolder } from '../support/temporary.js';

const folder = temporaryFolder();
const SHAPE: PatchShape = { patches: 6, height: 8, width: 8, inBands: 2, outBands: 5 };

async function fitted(
  name: string,
  datasets: Record<string, Written>,
  patches: number[],
  method: Normalization['method'],
) {
  const path = await writeHdf5(join(folder, `${name}.h5`), datasets, { units: 'uW' });
  const reader = await openReader(await openPatchSet(path));
  try {
    return await fitNormalization(reader, patches, method);
  } finally {
    await reader.close();
  }
}

/** Skewed, negative and tied values; band 3 of aviris is constant. */
function varied(): Record<string, Written> {
  const { landsat, aviris } = patchDatasets(SHAPE);
  const random = new Random(4);
  const fill = ({ data }: Written, bands: number) => {
    for (let i = 0; i < data.length; i++)
      data[i] = i % bands === 3 ? 0.25 : Math.round(100 * random.normal() ** 3) / (1 + (i % bands)) - 20;
  };
  fill(landsat, SHAPE.inBands);
  fill(aviris, SHAPE.outBands);
  return { landsat, aviris };
}

const NUMPY = `
import h5py, json, numpy as np, sys
with h5py.File(sys.argv[1]) as h:
    sides = [h[name][[0, 2, 5]].astype('f8') for name in ('landsat', 'aviris')]
print(json.dumps([[np.percentile(s, [1, 99]).tolist(), np.percentile(s, [1, 99], axis=(0, 1, 2)).T.tolist()] for s in sides]))
`;

// Both interpolate the same float32 numbers in double precision.
const near = (actual: number, expected: number) =>
  expect(Math.abs(actual - expected)).toBeLessThanOrEqual(1e-12 * Math.max(1, Math.abs(expected)));

describePython('normalisations of the training patches are those of numpy', () => {
  it('percentile and per band', async () => {
    const percentile = await fitted('numpy', varied(), [0, 2, 5], 'percentile');
    const perBand = await fitted('numpy', varied(), [0, 2, 5], 'per_band');
    const numpy = JSON.parse(runPython(NUMPY, [join(folder, 'numpy.h5')]));
    (['input', 'target'] as const).forEach((side, i) => {
      const [all, each] = numpy[i] as [[number, number], [number, number][]];
      expect(percentile[side].clip).toBe(true);
      near(percentile[side].offset[0]!, all[0]);
      near(percentile[side].scale[0]!, all[1] - all[0] + 1e-8);
      expect(perBand[side].clip).toBe(false);
      each.forEach(([low, high], b) => {
        near(perBand[side].offset[b]!, low);
        if (high > low) near(perBand[side].scale[b]!, high - low + 1e-8);
      });
    });
    expect(percentile.units).toBe('uW');
  });
});

describe('normalisations', () => {
  it('do not blow up a band that never changes', async () => {
    const { target } = await fitted('constant', varied(), [0, 1, 2], 'per_band');
    expect(target.offset[3]).toBe(0.25);
    expect(target.scale[3]).toBe(Math.max(...target.scale));
  });

  it('of a single value are finite', async () => {
    const one = { data: new Float32Array(3).fill(-2), shape: [3, 1, 1, 1] };
    for (const method of ['percentile', 'per_band'] as const) {
      const { input } = await fitted('one', { landsat: one, aviris: one }, [1], method);
      const values = Float32Array.of(-2);
      new Normalizer(input, 1).normalize(values);
      expect([...values]).toEqual([0]);
    }
  });

  it('leave values as they are, if none', async () => {
    const none = await fitted('none', varied(), [0], 'none');
    expect(none.target).toEqual({ offset: [0], scale: [1], clip: false });
  });

  it('and back by hand', () => {
    const n = { offset: [1, 10], scale: [2, 4], clip: true };
    const values = Float32Array.of(3, 12, -1, 30);
    const numbers = new Normalizer(n, 2);
    numbers.normalize(values);
    expect([...values]).toEqual([1, 0.5, -1, 5]);
    numbers.denormalize(values);
    expect([...values]).toEqual([3, 12, -1, 30]);
  });

  it('place pixels in another order, clipped where they say so, invalid ones as 0', () => {
    const spectra = Float32Array.of(3, 12, -1, 30, Number.NaN, 5);
    const placed = (clip: boolean) => {
      const to = new Float32Array(6).fill(9);
      const numbers = new Normalizer({ offset: [1, 10], scale: [2, 4], clip }, 2);
      numbers.place(spectra, Uint32Array.of(1, 2, 0), Uint8Array.of(1, 1, 0), to);
      return [...to];
    };
    expect(placed(false)).toEqual([-1, 5, 0, 0, 1, 0.5]);
    expect(placed(true)).toEqual([0, 1, 0, 0, 1, 0.5]);
  });

  it('refuse patches without a valid pixel', async () => {
    const { landsat, aviris } = patchDatasets({ ...SHAPE, patches: 3 });
    const mask = { data: new Uint8Array(3 * 64), shape: [3, 8, 8] };
    await expect(fitted('invalid', { landsat, aviris, mask }, [0, 1], 'percentile')).rejects.toThrow(
      /invalid\.h5: the patches hold no valid pixel/,
    );
  });
});

describe('physical 0', () => {
  it('comes back as 0 where its normalised float32 lies below it', () => {
    // -offset / scale = -0.01741999134...; the nearest float32 is -0.01741999574..., that is -1.7e-10 in physical units
    const numbers = new Normalizer({ offset: [0.006829055259004235], scale: [0.3920239438185638], clip: false }, 1);
    const values = Float32Array.of(0, -1e-6);
    numbers.normalize(values);
    expect(values[0]).toBe(Math.fround(-0.017419995740056038));
    numbers.denormalize(values);
    expect(values[0]).toBe(0);
    expect(values[1]).toBeCloseTo(-1e-6, 9); // what is below 0 stays
  });
});
