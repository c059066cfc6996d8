/** Real crops of three instruments against numpy and scipy, which share no code with us: formulas, grids and files. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { type PrepareOptions, prepareScene } from '../../src/prepare/prepare.js';
import { LANDSAT9_OLI2 } from '../../src/spectra/response.js';
import { describePython, runPython } from '../support/python.js';
import { describeShared, sharedPath } from '../support/shared.js';
import { temporaryFolder } from '../support/temporary.js';

const folder = temporaryFolder();

// What Landsat would see of the cube, from the files alone: argv = patch file, header, RSR table, metres (0: kept as it is).
const INDEPENDENT = `
import json, re, sys
import h5py, numpy as np
from scipy.ndimage import gaussian_filter

path, header, rsr, gsd = sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])
text = open(header).read()
field = lambda name: re.search(r'^' + name + r'\\s*=\\s*(\\{[^}]*\\}|.*)$', text, re.M).group(1).strip('{} ')
has = lambda name: re.search(r'^' + name + r'\\s*=', text, re.M) is not None
lines, samples, bands = (int(field(k)) for k in ('lines', 'samples', 'bands'))
raw = np.fromfile(header.replace('.hdr', '.img'), {'2': '<i2', '4': '<f4', '12': '<u2'}[field('data type')])
cube = {'bil': lambda: raw.reshape(lines, bands, samples).transpose(0, 2, 1),
        'bip': lambda: raw.reshape(lines, samples, bands),
        'bsq': lambda: raw.reshape(bands, lines, samples).transpose(1, 2, 0)}[field('interleave')]().astype('f8')
if has('reflectance scale factor'): cube = cube / float(field('reflectance scale factor'))
centre = None
if has('wavelength'):
    centre = np.array([float(x) for x in field('wavelength').split(',')])
    order = np.argsort(centre, kind='stable')
    centre, cube = centre[order], cube[:, :, order]
    keep = ~(((centre >= 1350) & (centre <= 1470)) | ((centre >= 1780) & (centre <= 1980)) | (centre >= 2400))
    centre, cube = centre[keep], cube[:, :, keep]
good = ~((cube == 0).all((0, 1)) | (np.abs(cube + 0.01) < 1e-8).all((0, 1)))
cube[:, :, ~good] = 0

# 4 m: every fine pixel is the exact integral of the source over its area, from cumulative sums
def area(image, axis, factor, count):
    total = np.concatenate([np.zeros_like(np.take(image, [0], axis)), np.cumsum(image, axis)], axis)
    edges = np.clip(np.arange(count + 1) * factor, 0, image.shape[axis])
    whole = np.minimum(np.floor(edges).astype(int), image.shape[axis] - 1)
    at = np.take(total, whole, axis)
    part = (edges - whole).reshape([-1 if a == axis else 1 for a in range(image.ndim)])
    at = at + part * np.take(image, whole, axis)
    return np.diff(at, axis=axis) / factor
if gsd:
    f = 4 / gsd
    cube = area(area(cube, 0, f, int(lines / f + 1e-9)), 1, f, int(samples / f + 1e-9))
h, w = (int(n * 2 // 15) for n in cube.shape[:2])
blurred = gaussian_filter(cube, (7.5 / 2.355, 7.5 / 2.355, 0), mode='nearest', truncate=3.5)
low = area(area(blurred, 0, 7.5, h), 1, 7.5, w)

out = {}
relative = lambda a, b: float(np.max(np.abs(a - b)) / np.max(np.abs(b)))
with h5py.File(path) as d:
    n = d['aviris'].shape[0]
    out['patches'], out['bands'] = n, d['aviris'].shape[3]
    out['attrs'] = {k: (v.decode() if isinstance(v, bytes) else v.tolist() if hasattr(v, 'tolist') else v) for k, v in d.attrs.items()}
    out['sets'] = {k: list(v.shape) for k, v in d.items()}
    out['valid'] = bool(d['mask'][:].all() and d['mask_lr'][:].all())
    out['bad'] = [int(b) for b in np.where(~good)[0]] == [int(b) for b in np.where(d['good_bands'][:] == 0)[0]]
    if centre is not None: out['wavelength'] = float(np.abs(d['wavelength'][:] - centre).max())
    y, x = d['origins'][0]
    H, h = d['aviris'].shape[1], d['aviris_lr'].shape[1]
    i, j = int(y * 2 // 15), int(x * 2 // 15)
    out['fine'] = relative(d['aviris'][0], cube[y:y + H, x:x + H])
    out['coarse'] = relative(d['aviris_lr'][0], low[i:i + h, j:j + h])
    if centre is not None:
        table = [line.split(',') for line in open(rsr).read().split()[1:]]
        names = list(dict.fromkeys(row[0] for row in table))
        names = [n for n in names if n in ('1', '2', '3', '4', '5', '6', '7')]
        L = low[i:i + h, j:j + h][:, :, good]
        wl = centre[good]
        bands = []
        for name in names:
            rw, rr = (np.array([float(r[k]) for r in table if r[0] == name]) for k in (1, 2))
            # the union of both grids, where the response is
            grid = np.union1d(rw, wl[(wl > rw[0]) & (wl < rw[-1])])
            R = np.interp(grid, rw, rr)
            spectra = np.apply_along_axis(lambda s: np.interp(grid, wl, s), 2, L)
            bands.append(np.trapezoid(R * spectra, grid, axis=2) / np.trapezoid(R, grid))
        expected = np.stack(bands, 2)
        out['landsat'] = float(np.max(np.abs(d['landsat_lr'][0] / expected - 1)))
        out['mean'] = float(expected.mean())
print(json.dumps(out))
`;

interface Found {
  readonly patches: number;
  readonly bands: number;
  readonly attrs: Record<string, unknown>;
  readonly sets: Record<string, number[]>;
  readonly valid: boolean;
  readonly bad: boolean;
  readonly wavelength?: number;
  readonly fine: number;
  readonly coarse: number;
  readonly landsat?: number;
}

async function compare(name: string, options: Partial<PrepareOptions>, gsd: number, table: string): Promise<Found> {
  const data = sharedPath('data')!;
  const scene = join(data, `${name}.hdr`);
  const out = join(folder, `${name.replaceAll('/', '_')}_${gsd}.h5`);
  await prepareScene({ scene, out, ...options });
  const args = [out, scene, join(data, 'landsat_rsr', table), `${gsd}`];
  return JSON.parse(runPython(INDEPENDENT, args)) as Found;
}

const OLI = 'landsat8_oli_rsr.csv';

describePython('real scenes', () => {
  describeShared('of ../shared', 'data', () => tests());
});

function tests(): void {
  it.each([
    // 8.1 m and 17 m are brought to 4 m, NEON's 1 m pixels and Santa Barbara's are also taken as they are
    ['aviris_ng/ang20170323t202244_rdn_10x10', { gsd: 8.1 }, 8.1, 340, 2],
    ['neon/sjer_30x30x426', { gsd: 1, keepGsd: true }, 0, 339, 4],
    ['aviris_santa_barbara/la_cumbre_90x90x224', { keepGsd: true }, 0, 179, 12],
    ['emit/emit20250324t221005_10x10x285', { gsd: 17 }, 17, 229, 4],
  ] as const)('%s %j: OLI as numpy has it', async (name, options, gsd, bands, side) => {
    const found = await compare(name, options, gsd, OLI);
    expect(found).toMatchObject({ patches: 1, bands, valid: true, bad: true });
    expect(found.sets).toEqual({
      aviris: [1, 7.5 * side, 7.5 * side, bands],
      landsat: [1, 7.5 * side, 7.5 * side, 7],
      aviris_lr: [1, side, side, bands],
      landsat_lr: [1, side, side, 7],
      mask: [1, 7.5 * side, 7.5 * side],
      mask_lr: [1, side, side],
      origins: [1, 2],
      good_bands: [bands],
      wavelength: [bands],
      // the headers of the other two do not have it
      ...(/aviris/.test(name) && { fwhm: [bands] }),
    });
    expect(found.wavelength).toBeLessThan(1e-9);
    // float32 holds 6e-8; the PSF adds 60 terms of it at most
    expect(found.fine).toBeLessThan(1e-6);
    expect(found.coarse).toBeLessThan(1e-6);
    // what the release asks for
    expect(found.landsat).toBeLessThan(1e-5);
  });

  it('the same with OLI-2', async () => {
    const options = { keepGsd: true, sensor: LANDSAT9_OLI2, patch: 6 };
    const found = await compare('aviris_santa_barbara/la_cumbre_90x90x224', options, 0, 'landsat9_oli2_rsr.csv');
    expect(found.landsat).toBeLessThan(1e-5);
    expect(found.attrs).toMatchObject({ sensor: 'Landsat 9 OLI-2', downsampling_factor: 7.5, n_patches: 4 });
  });

  it('Los Angeles, without wavelengths: for stage 2 alone', async () => {
    const found = await compare('aviris_los_angeles/airport-1', { gsd: 7, keepGsd: true }, 0, OLI);
    expect(Object.keys(found.sets).sort()).toEqual(['aviris', 'aviris_lr', 'good_bands', 'mask', 'mask_lr', 'origins']);
    expect(found.sets.aviris).toEqual([1, 90, 90, 205]);
    expect(found.attrs).toMatchObject({ stage: 2, gsd: 7, lr_gsd: 52.5, downsampling_factor: 7.5 });
    expect(found.attrs).not.toHaveProperty('sensor');
    expect(found.fine).toBe(0);
    expect(found.coarse).toBeLessThan(1e-6);
  });

  it('Los Angeles brought from 7 m to 4 m', async () => {
    const found = await compare('aviris_los_angeles/urban-4', { gsd: 7 }, 7, OLI);
    expect(found.sets.aviris).toEqual([1, 165, 165, 205]);
    expect(found.fine).toBeLessThan(1e-6);
    expect(found.coarse).toBeLessThan(1e-6);
  });
}
