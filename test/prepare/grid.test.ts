/** The exact 15/2 grid over a whole flight line, patches in it, and what lies around a patch. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { prepareScene } from '../../src/prepare/prepare.js';
import { braces, utm, wavelengths, writeCube } from '../support/envi_cubes.js';
import { describePython, runPython } from '../support/python.js';
import { temporaryFolder } from '../support/temporary.js';

const folder = temporaryFolder();

// The patches' own transforms lead every coarse pixel's middle back to the scene, in exact fractions; argv = patch file and
// the scene's transform. Also where the values say it is: the cube holds its row and column numbers.
const CENTRES = `
import json, sys
from fractions import Fraction as F
import h5py, numpy as np
with h5py.File(sys.argv[1]) as h:
    g = [F(float(x)) for x in json.loads(sys.argv[2])]
    det = g[1] * g[5] - g[2] * g[4]
    worst = F(0)
    side = h['aviris_lr'].shape[1]
    for (row, col), t in zip(h['origins'][:].tolist(), h['geotransforms'][:].tolist()):
        t = [F(x) for x in t]
        for i in range(side):
            for j in range(side):
                u, v = F(15, 2) * (j + F(1, 2)), F(15, 2) * (i + F(1, 2))
                x, y = t[0] + u * t[1] + v * t[2] - g[0], t[3] + u * t[4] + v * t[5] - g[3]
                worst = max(worst, abs((x * g[5] - y * g[2]) / det - col - u), abs((y * g[1] - x * g[4]) / det - row - v))
    low, origins = h['aviris_lr'][:], h['origins'][:]
    i = np.arange(side)
    # a coarse pixel of constant fine ones: (0 + 1 + .. + 6 + 7 / 2) / 7.5 and (7 / 2 + 8 + .. + 14) / 7.5
    rows = origins[:, 0, None] + np.array([24.5, 80.5])[i] / 7.5
    # the PSF reaches 11 pixels past a coarse pixel: rows further than that from the scene's ends are not touched by them
    inside = (rows > 15) & (rows < rows.max() - 15)
    print(json.dumps({'patches': len(origins), 'last': origins[-1].tolist(), 'worst': float(worst),
        'rows': float(np.abs(low[:, :, 0, 0] - rows)[inside].max())}))
`;

describePython('a line of 20,000 rows', () => {
  it.each([['0'], ['-24']])('turned by %s degrees: coarse pixels lie where the geotransform says', async (rotation) => {
    const scene = writeCube(join(folder, `line${rotation}`), {
      lines: 20_000,
      samples: 16,
      bands: 2,
      interleave: 'bil',
      // from 1, since 0 in all bands is no data
      value: (y, x, b) => (b === 0 ? y : 1 + x),
      entries: { 'map info': utm(4, `rotation=${rotation}`) },
    });
    const out = join(folder, `line${rotation}.h5`);
    const report = await prepareScene({ scene, out, patch: 2 });
    // 20000 * 2 / 15 = 2666.7: 1333 patches of 2 coarse rows; 16 columns hold one
    expect(report).toMatchObject({ candidates: 1333, kept: 1333, dropped: { empty: 0, nodata: 0, outside: 0 } });
    const angle = (Number(rotation) * Math.PI) / 180;
    const [c, s] = [4 * Math.cos(angle), 4 * Math.sin(angle)];
    const found = JSON.parse(runPython(CENTRES, [out, JSON.stringify([300000, c, s, 3900000, s, -c])]));
    expect(found).toMatchObject({ patches: 1333, last: [19980, 0] });
    // of a pixel, as the release asks
    expect(found.worst).toBeLessThan(1e-9);
    // float32 at 20,000 has steps of 0.002
    expect(found.rows).toBeLessThan(0.002);
  });
});

// Everything of a file but what differs from run to run.
const VALUES = `
import json, sys
import h5py
with h5py.File(sys.argv[1]) as h:
    print(json.dumps({k: h[k][:].ravel().tolist() for k in ('origins', 'aviris_lr', 'landsat_lr', 'mask_lr')}))
`;

describePython('patches of a scene', () => {
  const bands = 105;
  const size = { lines: 80, samples: 65, bands };
  const entries = { 'map info': utm(4), wavelength: braces(wavelengths(bands)) };
  const value = (y: number, x: number, b: number) => 100 + ((y * 37 + x * 91 + b * 13) % 200);
  const read = (path: string) => JSON.parse(runPython(VALUES, [path])) as Record<string, number[]>;

  it('see what lies around them: a scene cut into patches is one large patch', async () => {
    const scene = writeCube(join(folder, 'around'), { ...size, value, type: 2, entries });
    const [small, large] = [join(folder, 'small.h5'), join(folder, 'large.h5')];
    await prepareScene({ scene, out: small, patch: 4 });
    await prepareScene({ scene, out: large, patch: 8 });
    const [a, b] = [read(small), read(large)];
    expect(a.origins).toEqual([0, 0, 0, 30, 30, 0, 30, 30]);
    expect(b.origins).toEqual([0, 0]);
    const kept = a.aviris_lr!.length / 64;
    let worst = 0;
    for (let p = 0; p < 4; p++)
      for (let i = 0; i < 4; i++)
        for (let j = 0; j < 4; j++)
          for (let k = 0; k < kept; k++) {
            const row = 4 * Math.floor(p / 2) + i;
            const column = 4 * (p % 2) + j;
            const whole = b.aviris_lr![(row * 8 + column) * kept + k]!;
            worst = Math.max(worst, Math.abs(a.aviris_lr![((p * 4 + i) * 4 + j) * kept + k]! - whole));
          }
    // the same sums in the same order
    expect(worst).toBe(0);
  });

  it('overlap by the stride, and those that stick out are counted', async () => {
    const scene = writeCube(join(folder, 'stride'), { ...size, value, type: 2, entries });
    const out = join(folder, 'stride.h5');
    // 80 x 65 pixels are 10 x 8 coarse ones; starts 0, 2, 4, 6, 8 down and 0, 2, 4, 6 across, of which 4 and 3 hold 4
    const report = await prepareScene({ scene, out, patch: 4, stride: 2 });
    expect(report).toMatchObject({ patch: 4, stride: 2, candidates: 20, kept: 12, dropped: { outside: 8 } });
    const expected = [0, 15, 30, 45].flatMap((y) => [0, 15, 30].flatMap((x) => [y, x]));
    expect(read(out).origins).toEqual(expected);
  });

  it('come out the same of every layout of the file', async () => {
    const out = join(folder, 'layout.h5');
    let first: Record<string, number[]> | undefined;
    // every type, interleave and byte order; all their combinations are in test/scenes/envi_scene.test.ts
    for (const [type, interleave, order] of [
      [2, 'bip', 0],
      [3, 'bil', 1],
      [4, 'bsq', 0],
      [5, 'bip', 1],
      [12, 'bsq', 1],
    ] as const) {
      const scene = writeCube(join(folder, 'layout'), {
        ...size,
        value,
        type,
        interleave,
        order,
        offset: 13,
        entries,
      });
      await prepareScene({ scene, out, patch: 8 });
      const found = read(out);
      first ??= found;
      expect(found).toEqual(first);
    }
  });
});

describe('patches that cannot be', () => {
  const bands = 105;
  const cube = (name: string, side: number, entries: Record<string, string> = { 'map info': utm(4) }) =>
    writeCube(join(folder, name), {
      lines: side,
      samples: side,
      bands,
      type: 2,
      value: () => 5,
      entries: { wavelength: braces(wavelengths(bands)), ...entries },
    });
  const out = join(folder, 'never.h5');

  it.each([
    ['odd sizes', { patch: 3 }, /patch: must be an even number of Landsat pixels.*found 3/],
    ['odd strides', { stride: 5 }, /stride: must be an even number/],
    ['a share of 1', { maxNodata: 1 }, /max-nodata: must be a share; found 1/],
    [
      'a size the scene is too small for',
      { patch: 8 },
      /smaller than one patch; found 40 x 40 pixels, expected at least 60 x 60 .*; use --patch 4 or less/,
    ],
    [
      'noise of another sensor',
      {
        noise: true,
        sensor: {
          sensor: 'toy',
          source: '',
          hash: '',
          bands: [{ name: 'a', wavelength: Float64Array.of(500, 540), response: Float64Array.of(1, 1) }],
        },
      },
      /noise is known for OLI and OLI-2 only; found toy/,
    ],
    ['noise without units', { noise: true }, /units: noise needs known units; found nothing/],
    [
      'a sensor beyond the bands',
      {
        sensor: {
          sensor: 'toy',
          source: '',
          hash: '',
          bands: [{ name: 'far', wavelength: Float64Array.of(2500, 2600), response: Float64Array.of(1, 1) }],
        },
      },
      /forty\.hdr: toy band far cannot be simulated: no bands at 2500-2600 nm/,
    ],
  ] as const)('%s', async (_, options, message) => {
    await expect(prepareScene({ scene: cube('forty', 40), out, ...options })).rejects.toThrow(message);
  });

  it('in scenes of unknown pixel size, or smaller than two coarse pixels', async () => {
    await expect(prepareScene({ scene: cube('lost', 40, {}), out })).rejects.toThrow(
      /lost\.hdr: map info: the size of its pixels is unknown.*give --gsd METRES, or --keep-gsd/,
    );
    await expect(prepareScene({ scene: cube('tiny', 14), out })).rejects.toThrow(
      /tiny\.hdr: the scene is smaller than one patch; found 14 x 14 pixels, expected at least 15 x 15/,
    );
    await expect(prepareScene({ scene: cube('small', 40), out, gsd: 0.02 })).rejects.toThrow(
      /smaller than one pixel of 4 m/,
    );
  });

  it('within a memory limit: says what fits', async () => {
    const scene = cube('memory', 300);
    await expect(prepareScene({ scene, out, maxMemory: 160 * 2 ** 20 })).rejects.toThrow(
      /memory\.hdr: max-memory: does not fit .*found 160 MiB for this scene, expected at least \d+ MiB for patches of 34 Landsat pixels; .*--patch \d+/,
    );
    // what is left of a limit that the process itself goes beyond is below 0
    await expect(prepareScene({ scene, out, maxMemory: -60 * 2 ** 20 })).rejects.toThrow(
      /does not fit .*found nothing left for this scene beside the program itself, expected at least \d+ MiB/,
    );
  });
});
