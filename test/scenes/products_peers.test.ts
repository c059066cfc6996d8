/** Products of spectrometers against h5py: it writes imitations in ways that h5wasm does not, and reads the real ones. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openScene } from '../../src/scenes/open.js';
import type { Scene } from '../../src/scenes/types.js';
import { describePython, runPython } from '../support/python.js';
import { describeShared, sharedPath } from '../support/shared.js';
import { writeAviris, writePrisma } from '../support/spectrometer_products.js';
import { temporaryFolder } from '../support/temporary.js';

const folder = temporaryFolder();

async function all(scene: Scene) {
  const { height, width } = scene;
  const { values, valid } = await scene.read({ y: 0, x: 0, height, width });
  await scene.close();
  return { values, valid };
}

/** EMIT with text of fixed length, big-endian floats, checksums; what is to be read of it, as JSON. */
const EMIT = `
import json, sys
import h5py, numpy as np
r = np.random.default_rng(5)
cube = r.uniform(0, 0.6, (23, 17, 11)).astype('f4')
cube[3, 4] = -9999
centres = np.sort(r.uniform(400, 2400, 11)).astype('f4')
widths = r.uniform(7, 9, 11).astype('f4')
good = np.ones(11, 'f4'); good[6] = 0
with h5py.File(sys.argv[1], 'w') as f:
    d = f.create_dataset('reflectance', data=cube.astype('>f4'), chunks=(8, 9, 4), compression='gzip', shuffle=True, fletcher32=True)
    d.attrs['_FillValue'] = np.array([-9999], 'f4')
    g = f.create_group('sensor_band_parameters')
    for name, data in dict(wavelengths=centres, fwhm=widths, good_wavelengths=good).items(): g[name] = data
    f.attrs['instrument'] = np.bytes_('EMIT')
    f.attrs['geotransform'] = [-100.25, 0.00054, -0.0, 31.5, -0.0, -0.00054]
    f.attrs['spatial_ref'] = 'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]]'
    glt = r.integers(0, 18, (9, 7)).astype('i4'); rows = np.where(glt == 0, 0, r.integers(1, 24, (9, 7))).astype('i4')
    f['location/glt_x'] = glt; f['location/glt_y'] = rows
fill = (cube[:, :, 0] == -9999)
plain = np.where(fill[:, :, None], 0, cube); plain[:, :, 6] = 0
ortho = np.where(glt[:, :, None] > 0, plain[rows - 1, glt - 1], 0)
valid = (glt > 0) & ~fill[rows - 1, glt - 1]
print(json.dumps(dict(plain=plain.ravel().tolist(), valid=(~fill).astype(int).ravel().tolist(), ortho=ortho.ravel().tolist(),
    shown=valid.astype(int).ravel().tolist(), centres=centres.tolist(), widths=widths.tolist())))
`;

const READ = `
import json, sys
import h5py
with h5py.File(sys.argv[1]) as f:
    d = f['reflectance'][:].astype('f8')
    print(json.dumps(dict(shape=d.shape, values=d.ravel().tolist())))
`;

/** A tile of NEON made of the numbers and the header of a real one in ENVI's format. */
const NEON = `
import re, sys
import h5py, numpy as np
header, out = sys.argv[1:3]
text = open(header).read()
field = lambda name: re.search(r'^' + name + r'\\s*=\\s*(\\{[^}]*\\}|.*)$', text, re.M).group(1).strip('{} ')
lines, samples, bands = (int(field(k)) for k in ('lines', 'samples', 'bands'))
raw = np.fromfile(header.replace('.hdr', '.img'), '<i2').reshape(bands, lines, samples).transpose(1, 2, 0)
with h5py.File(out, 'w') as f:
    g = f.create_group('SJER/Reflectance')
    d = g.create_dataset('Reflectance_Data', data=raw, chunks=(7, 30, 26), compression='gzip')
    d.attrs['Scale_Factor'] = 10000.0
    d.attrs['Data_Ignore_Value'] = -9999.0
    g['Metadata/Spectral_Data/Wavelength'] = np.array([float(x) for x in field('wavelength').split(',')])
    g['Metadata/Spectral_Data/FWHM'] = np.full(bands, 5.75)
    g['Metadata/Coordinate_System/Map_Info'] = np.bytes_('UTM, 1, 1, 257000.5, 4112001.25, 1.0, 1.0, 11, North, WGS-84, units=Meters')
    g['Metadata/Coordinate_System/EPSG Code'] = np.bytes_('32611')
`;

describePython('an imitation of EMIT that h5py wrote', () => {
  it('value by value, in the lines of the sensor and on the ground', async () => {
    const path = join(folder, 'emit.nc');
    const told = JSON.parse(runPython(EMIT, [path]));
    const scene = await openScene(path);
    expect([...scene.wavelength!]).toEqual(told.centres);
    expect([...scene.fwhm!]).toEqual(told.widths);
    const swath = await all(scene);
    expect([...swath.values]).toEqual(told.plain);
    expect([...swath.valid]).toEqual(told.valid);
    const laid = await openScene(path, { ortho: true });
    expect(laid.georeference!.geotransform).toEqual([-100.25, 0.00054, 0, 31.5, 0, -0.00054]);
    expect(laid.georeference!.crsWkt).toMatch(/^GEOGCS\["WGS 84"/);
    const ground = await all(laid);
    expect([...ground.values]).toEqual(told.ortho);
    expect([...ground.valid]).toEqual(told.shown);
  });
});

describeShared(
  'the real crop of EMIT',
  'data/emit_netcdf/EMIT_L2A_RFL_001_20241006T165148_2428011_003_crop.nc',
  (path) => {
    describePython('beside h5py', () => {
      it('holds the same numbers', async () => {
        const told = JSON.parse(runPython(READ, [path]));
        const scene = await openScene(path);
        expect([scene.height, scene.width, scene.bands]).toEqual(told.shape);
        const { values, valid } = await all(scene);
        const wanted = told.values as number[];
        for (let p = 0; p < valid.length; p++) {
          const fill = wanted.slice(3 * p, 3 * p + 3).includes(-9999);
          expect(valid[p]).toBe(fill ? 0 : 1);
          expect([...values.subarray(3 * p, 3 * p + 3)]).toEqual(fill ? [0, 0, 0] : wanted.slice(3 * p, 3 * p + 3));
        }
      });
    });
  },
);

describeShared('an imitation of NEON that h5py wrote of a real tile', 'data/neon/sjer_30x30x426.hdr', (header) => {
  describePython('beside the tile in ENVI format', () => {
    it('is the same scene', async () => {
      const path = join(folder, 'sjer.h5');
      runPython(NEON, [header, path]);
      const [ours, theirs] = [await openScene(path), await openScene(sharedPath('data/neon/sjer_30x30x426.hdr')!)];
      for (const key of ['height', 'width', 'bands'] as const) expect(ours[key]).toBe(theirs[key]);
      expect([...ours.wavelength!]).toEqual([...theirs.wavelength!]);
      expect([...ours.fwhm!]).toEqual(Array(426).fill(5.75));
      expect(ours.georeference!.geotransform).toEqual([257000.5, 1, 0, 4112001.25, 0, -1]);
      expect([...ours.goodBands!]).toEqual([...theirs.goodBands!]);
      const [a, b] = [await all(ours), await all(theirs)];
      expect([...a.valid]).toEqual([...b.valid]);
      expect(Buffer.from(a.values.buffer).equals(Buffer.from(b.values.buffer))).toBe(true);
    });
  });
});

/** What numpy makes of AVIRIS and PRISMA: argv = a file each; physical cubes [lines, samples, bands] as float32, and their centres. */
const TWO = `
import json, sys
import h5py, numpy as np
with h5py.File(sys.argv[1]) as f:
    d = f['reflectance/reflectance']
    cube = d[:].transpose(1, 2, 0).astype('f8'); cube[(cube == d.attrs['_FillValue']).any(2)] = 0
    aviris = dict(values=cube.astype('f4').ravel().tolist(), centres=f['reflectance/wavelength'][:].tolist(), widths=f['reflectance/fwhm'][:].tolist())
with h5py.File(sys.argv[2]) as f:
    a, root = f.attrs, f['HDFEOS/SWATHS/PRS_L2D_HCO/Data Fields']
    cubes, centres, widths = [], [], []
    for arm in ('Vnir', 'Swir'):
        lo, hi = (float(a['L2Scale' + arm + end][0]) for end in ('Min', 'Max'))
        stored = root[arm.upper() + '_Cube'][:].transpose(0, 2, 1).astype('f8')
        on = a['List_Cw_' + arm + '_Flags'] == 1
        cubes.append((lo + stored * (hi - lo) / 65535)[:, :, on]); centres.append(a['List_Cw_' + arm][on]); widths.append(a['List_Fwhm_' + arm][on])
        empty = (stored == 0).all(2)
    keep = centres[0] < centres[1].min()
    cube = np.concatenate([cubes[0][:, :, keep], cubes[1]], 2); cube[empty] = 0
    centres, widths = np.concatenate([centres[0][keep], centres[1]]), np.concatenate([widths[0][keep], widths[1]])
    order = np.argsort(centres)
    prisma = dict(values=cube[:, :, order].astype('f4').ravel().tolist(), centres=centres[order].tolist(), widths=widths[order].tolist())
print(json.dumps([aviris, prisma]))
`;

describePython('imitations of AVIRIS-3 and PRISMA beside h5py', () => {
  it('value by value', async () => {
    const aviris = await writeAviris(join(folder, 'AV320240301t120000_RFL_ORT.nc'), 'L2A');
    const prisma = await writePrisma(join(folder, 'PRS_L2D_STD.he5'));
    const told = JSON.parse(runPython(TWO, [aviris, prisma]));
    for (const [i, path] of [aviris, prisma].entries()) {
      const scene = await openScene(path);
      expect([...scene.wavelength!]).toEqual(told[i].centres);
      expect([...scene.fwhm!]).toEqual(told[i].widths);
      expect([...(await all(scene)).values]).toEqual(told[i].values);
    }
  });
});
