import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import type { EvaluationResult } from '../../src/evaluate/result.js';
import type { MethodResult } from '../../src/metrics/types.js';
import { writeReport } from '../../src/report/index.js';
import { temporaryFolder } from '../support/temporary.js';
import { madeUp, STAGE1, STAGE2, stage1, stage2 } from './made_up.js';

const folder = temporaryFolder();
let next = 0;

/** Writes a report. @returns its folder, its files and its page */
async function report(result: EvaluationResult) {
  const out = join(folder, String(next++));
  const files = (await writeReport(result, out)).map((file) => relative(out, file));
  return { out, files, html: readFileSync(join(out, 'report.html'), 'utf8') };
}

/** Rows of a CSV file (RFC 4180) by column: a parser of its own, one letter at a time. */
function parseCsv(text: string): Record<string, string>[] {
  const rows: string[][] = [[]];
  let [cell, quoted] = ['', false];
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    if (quoted) {
      if (c !== '"') cell += c;
      else if (text[i + 1] === '"') cell += text[++i];
      else quoted = false;
    } else if (c === '"') quoted = true;
    else if (c === ',' || c === '\n') {
      rows.at(-1)!.push(cell);
      cell = '';
      if (c === '\n') rows.push([]);
    } else cell += c;
  }
  rows.pop();
  const [header, ...body] = rows;
  return body.map((row) => Object.fromEntries(header!.map((name, i) => [name, row[i]!])));
}

const withMethod = (result: EvaluationResult, label: string, change: (m: MethodResult) => MethodResult) => ({
  ...result,
  methods: result.methods.map((m) => (m.label === label ? change(m) : m)),
});

/** Text of the page as a reader sees it. */
const textOf = (html: string) =>
  html
    .replace(/<style>.*?<\/style>/s, '')
    .replace(/<svg.*?<\/svg>/gs, '')
    .replace(/<[^>]*>/g, ' ')
    .replace(/&#(\d+);/g, (_, code) => String.fromCharCode(code))
    .replace(/&amp;/g, '&')
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&quot;/g, '"')
    .replace(/\s+/g, ' ');

/** Cells of a row of a table: text and whether it is marked. */
function cells(html: string, region: string, label: string): { text: string; best: boolean }[] {
  const table = html.split(`data-region="${region}"`)[1]!.split('</table>')[0]!;
  const row = table.split(`<th scope="row">${label}</th>`)[1]!.split('</tr>')[0]!;
  return [...row.matchAll(/<td( class="best")?>([^<]*)/g)].map(([, best, text]) => ({
    text: text!,
    best: best !== undefined,
  }));
}

describe('a stage 1 report', () => {
  const result = stage1();
  let made: Awaited<ReturnType<typeof report>>;
  const warned = vi.spyOn(console, 'warn');
  beforeAll(async () => {
    made = await report(result);
  });

  it('is a page, two tables and a picture of every figure; no warning, nothing half written', () => {
    expect([...made.files].sort()).toEqual(
      [
        'band_metrics.csv',
        'metrics.csv',
        'report.html',
        ...['cc', 'gain', 'psnr', 'rmse', 'ssim'].map((c) => `pictures/curve_${c}.png`),
        ...['errors_patch_0', 'errors_patch_1', 'rgb_patch_0', 'rgb_patch_1'].map((p) => `pictures/${p}.png`),
        ...['all', 'clear', 'swir', 'vnir'].map((r) => `pictures/scatter_${r}.png`),
        ...[1, 2, 3, 4].map((i) => `pictures/spectrum_${i}.png`),
      ].sort(),
    );
    const there = readdirSync(made.out, { recursive: true, withFileTypes: true }).filter((e) => e.isFile());
    expect(there).toHaveLength(made.files.length);
    expect(warned).not.toHaveBeenCalled();
  });

  it('has the same numbers in metrics.csv, to the last digit', () => {
    const rows = parseCsv(readFileSync(join(made.out, 'metrics.csv'), 'utf8'));
    expect(rows).toHaveLength(7 * 4);
    for (const row of rows) {
      const method = result.methods.find((m) => m.label === row.method)!;
      const metrics = method.regions[row.region as 'all']!;
      expect(row.role).toBe(method.role);
      expect(Number(row.bands)).toBe(metrics.bands);
      expect(
        [
          'sam_deg',
          'rmse',
          'mae',
          'mrae',
          'psnr_db',
          'ssim',
          'ergas',
          'cc',
          'negative_share',
          'valid_pixels',
          'zero_norm_pixels',
        ].map((column) => Number(row[column])),
      ).toEqual([
        metrics.samDeg,
        metrics.rmse,
        metrics.mae,
        metrics.mrae,
        metrics.psnr,
        metrics.ssim,
        metrics.ergas,
        metrics.cc,
        metrics.negativeShare,
        method.validPixels,
        method.zeroNormPixels,
      ]);
    }
  });

  it('has the same numbers in band_metrics.csv', () => {
    const rows = parseCsv(readFileSync(join(made.out, 'band_metrics.csv'), 'utf8'));
    expect(rows).toHaveLength(7 * 340);
    for (const [i, row] of rows.entries()) {
      const method = result.methods[Math.floor(i / 340)]!;
      const b = i % 340;
      expect(row.method).toBe(method.label);
      expect([row.band, row.wavelength_nm, row.counted].map(Number)).toEqual([
        b + 1,
        result.wavelength![b],
        b === 40 || b === 41 ? 0 : 1,
      ]);
      expect([row.rmse, row.mae, row.psnr_db, row.ssim, row.cc].map(Number)).toEqual(
        (['rmse', 'mae', 'psnr', 'ssim', 'cc'] as const).map((key) => method.byBand[key][b]),
      );
    }
  });

  it('says in the first sentence that the model is ahead, and by how much', () => {
    const text = textOf(made.html);
    // 1 - 3.62/4.10 = 11.7 %, 1 - .0128/.0137 = 6.6 %
    expect(text).toContain('spectral_sr beats every baseline in spectral angle and RMSE.');
    expect(text).toContain('(SAM): 3.62° against 4.10° for quadratic ridge, the best baseline (12 % lower).');
    expect(text).toContain('RMSE: 0.0128 against 0.0137 for quadratic ridge, the best baseline (6.6 % lower).');
    expect(text).toContain('PCA rank 20, an oracle that has seen the truth and does not compete, reaches 1.84°.');
    expect(made.html).toContain('data-standing="ahead"');
    expect(text).toContain('2 test patches of 64 × 64 pixels from ang20190624t230448, 340 bands, reflectance.');
  });

  it('marks the best value that is no oracle, and shows digits that count', () => {
    const model = cells(made.html, 'all', 'spectral_sr');
    expect(model.map((cell) => cell.best)).toEqual(Array(9).fill(true));
    expect(model.slice(0, 2).map((cell) => cell.text)).toEqual(['3.62', '0.0128']);
    expect(model[4]!.text).toBe('29.90');
    for (const other of ['quadratic ridge', 'PCA rank 7', 'PCA rank 20'])
      expect(cells(made.html, 'clear', other).some((cell) => cell.best)).toBe(false);
    // the oracle's 0.0057 has the digits of its column
    expect(cells(made.html, 'all', 'PCA rank 20')[1]!.text).toBe('0.0057');
  });

  it('needs nothing from outside: no address, no script', () => {
    expect(made.html).not.toMatch(
      /https?:|<script|<link(?! rel="icon" href="data:,")|@import|url\((?!#)|src="(?!data:)/,
    );
    expect(statSync(join(made.out, 'report.html')).size).toBeLessThan(2e6);
  });

  it('breaks lines at the dropped bands and at bands that do not count', () => {
    const rmse = made.html.split('<b>RMSE by band</b>')[1]!.split('</figure>')[0]!;
    const line = [
      ...rmse.matchAll(/<path[^>]*d="([^"]*)"[^>]*stroke="#d1472c"|<path[^>]*stroke="#d1472c"[^>]*d="([^"]*)"/g),
    ];
    const starts = line.map((m) => (m[1] ?? m[2])!.split('M').length - 1).reduce((a, b) => a + b, 0);
    // 376-1350 nm cut once more at bands 41 and 42, 1470-1780 nm, 1980-2400 nm
    expect(starts).toBe(4);
    // two gaps in each of 5 curves and of 4 x 2 spectra
    expect(made.html.match(/<path[^>]*fill="#f3f5f7"/g)).toHaveLength(2 * 13);
  });
});

describe('pictures of pixels', () => {
  const read = async (file: string) => {
    const { data, info } = await sharp(file).removeAlpha().raw().toBuffer({ resolveWithObject: true });
    return {
      info,
      at: (x: number, y: number) => [...data.subarray((y * info.width + x) * 3, (y * info.width + x) * 3 + 3)],
    };
  };
  const pictures = (html: string) =>
    [...html.matchAll(/src="data:image\/png;base64,([^"]*)"/g)].map(([, text]) => Buffer.from(text!, 'base64'));

  it('are the bytes given, and maps go from black through magma to its end on one scale, grey without data', async () => {
    const base = stage2();
    const set = base.pictures[0]!;
    // the 98th percentile of these is 9.8, so the scale ends at 10
    const values = Float32Array.from({ length: 255 * 255 }, (_, i) => (i === 7 ? Number.NaN : (i % 1000) / 100));
    values[1] = 0;
    values[2] = 400;
    const { html, out } = await report({
      ...base,
      pictures: [{ ...set, maps: [{ label: 'spectral angle', unit: 'degrees', values }] }],
    });
    const [input, , , truth, map] = pictures(html);
    const raw = async (png: Buffer) => sharp(png).removeAlpha().raw().toBuffer();
    expect((await raw(input!)).equals(Buffer.from(set.rgb[0]!.pixels))).toBe(true);
    expect((await raw(truth!)).equals(Buffer.from(set.rgb[3]!.pixels))).toBe(true);
    const colors = await raw(map!);
    const at = (i: number) => [...colors.subarray(3 * i, 3 * i + 3)];
    // magma's ends (matplotlib): #000004 and #fcfdbf; 2 units of a byte for interpolation
    const near = (i: number, color: number[]) =>
      expect(Math.max(...at(i).map((v, k) => Math.abs(v - color[k]!)))).toBeLessThanOrEqual(2);
    near(1, [0, 0, 4]);
    near(2, [252, 253, 191]);
    expect(at(7)).toEqual([140, 140, 140]);
    expect(textOf(html)).toContain('0 5 ≥ 10°');
    // in the file each pixel is a square of 2 x 2
    const sheet = await read(join(out, 'pictures/rgb_patch_0.png'));
    const corner = [...set.rgb[0]!.pixels.subarray(0, 3)];
    for (const [x, y] of [
      [0, 0],
      [1, 0],
      [0, 1],
      [1, 1],
    ] as const)
      expect(sheet.at(20 + x, 46 + y)).toEqual(corner);
    expect(sheet.info.width).toBe(4 * 510 + 5 * 20);
  });
});

describe('what the first sentence says', () => {
  const sentence = async (result: EvaluationResult) => {
    const { html } = await report({ ...result, pictures: [], spectra: [], scatter: [] });
    return { first: textOf(html.split('<strong>')[1]!.split('</strong>')[0]!), html, text: textOf(html) };
  };

  it('behind: says so', async () => {
    const { first, html, text } = await sentence(stage2());
    expect(first).toBe('spatial_sr does not beat the best baseline: it is behind in spectral angle and PSNR.');
    // 3.94 / 3.56 = 1.107; 22.13 - 21.70 dB
    expect(text).toContain('3.94° against 3.56° for bicubic + 5 back-projections, the best baseline (11 % higher).');
    expect(text).toContain(
      'PSNR: 21.70 against 22.13 dB for bicubic + 5 back-projections, the best baseline (0.43 dB lower).',
    );
    expect(html).toContain('data-standing="behind"');
    expect(cells(html, 'all', 'bicubic + 5 back-projections').every((cell) => cell.best)).toBe(true);
    expect(cells(html, 'all', 'spatial_sr').some((cell) => cell.best)).toBe(false);
  });

  const quality = (sam: number, psnr: number) =>
    madeUp({ stage: 'stage 2', methods: [STAGE2[1]!, { ...STAGE2[2]!, sam, psnr }], size: 8, patches: 1 });

  it('ahead in one and behind in the other: not a win', async () => {
    const { first, html } = await sentence(quality(3.2, 21.5));
    expect(first).toBe(
      'spatial_sr does not beat the best baseline in everything: it is ahead in spectral angle, but behind in PSNR.',
    );
    expect(html).toContain('data-standing="mixed"');
  });

  it('within what another seed changes: level', async () => {
    const { first, text } = await sentence(quality(3.45, 22.2));
    expect(first).toBe('spatial_sr does not beat the best baseline: the two are level in spectral angle and PSNR.');
    expect(text).toContain('(3.1 % lower, which counts as a tie)');
  });

  it('a small difference of small angles is no tie', async () => {
    const result = madeUp({
      stage: 'stage 2',
      methods: [
        { ...STAGE2[1]!, sam: 0.25 },
        { ...STAGE2[2]!, sam: 0.2, psnr: 25 },
      ],
      size: 8,
      patches: 1,
    });
    expect((await sentence(result)).first).toBe('spatial_sr beats every baseline in spectral angle and PSNR.');
  });

  it('equal: the same', async () => {
    const { text } = await sentence(quality(3.56, 22.13));
    expect(text).toContain('3.56° against 3.56° for bicubic + 5 back-projections, the best baseline (the same).');
  });

  it('the best baseline of each metric is its own', async () => {
    const methods = [{ ...STAGE1[2]!, rmse: 0.0101 }, STAGE1[3]!, STAGE1[4]!];
    const { first, text } = await sentence(madeUp({ stage: 'stage 1', methods, size: 8, patches: 1 }));
    expect(first).toBe(
      'spectral_sr does not beat the best baseline in everything: it is ahead in spectral angle, but behind in RMSE.',
    );
    expect(text).toContain('for quadratic ridge, the best baseline (12 % lower)');
    expect(text).toContain('RMSE: 0.0128 against 0.0101 for ridge, the best baseline (27 % higher)');
  });

  it('patches of the training split among those evaluated are owned up to', async () => {
    const result = stage1();
    const { text } = await sentence({ ...result, data: { ...result.data, split: 'all' } });
    expect(text).toContain('Patches that the methods were fitted on are among those evaluated');
    expect(text).toContain('On all patches, those of the training split too, in physical units.');
    expect(text).not.toContain('test patches');
  });

  it('no baseline, no model, metrics that are not defined', async () => {
    const alone = madeUp({ stage: 'stage 1', methods: [STAGE1[4]!], size: 8, patches: 1 });
    expect((await sentence(alone)).first).toBe(
      'spectral_sr stands alone here: there is no baseline to compare it with.',
    );
    const none = madeUp({ stage: 'stage 1', methods: [STAGE1[3]!], size: 8, patches: 1 });
    expect((await sentence(none)).first).toBe('No model was evaluated: these are the baselines alone.');
    const undefinedModel = withMethod(stage1(), 'spectral_sr', (m) => ({
      ...m,
      regions: { all: { ...m.regions.all!, samDeg: Number.NaN, rmse: Number.NaN } },
    }));
    expect((await sentence(undefinedModel)).first).toBe(
      'spectral_sr cannot be compared with the baselines: its errors are not defined on this data.',
    );
  });
});

describe('difficult results', () => {
  it('undefined values: an en dash on the page, an empty cell in CSV, no mark; null as JSON has it too', async () => {
    const result = withMethod(stage1(), 'ridge', (m) => ({
      ...m,
      regions: { ...m.regions, all: { ...m.regions.all!, ssim: Number.NaN, cc: null as unknown as number } },
      byBand: { ...m.byBand, cc: m.byBand.cc.map(() => Number.NaN) },
    }));
    const { html, out } = await report({ ...result, pictures: [], spectra: [], scatter: [] });
    const row = cells(html, 'all', 'ridge');
    expect([row[5], row[7]]).toEqual([
      { text: '–', best: false },
      { text: '–', best: false },
    ]);
    const csv = parseCsv(readFileSync(join(out, 'metrics.csv'), 'utf8'));
    const ridge = csv.find((r) => r.method === 'ridge' && r.region === 'all')!;
    expect([ridge.ssim, ridge.cc]).toEqual(['', '']);
    expect(html).not.toMatch(/NaN|undefined|>null</);
  });

  it('a perfect prediction: infinite PSNR, zero errors', async () => {
    const result = withMethod(stage2(), 'spatial_sr', (m) => ({
      ...m,
      regions: { all: { ...m.regions.all!, samDeg: 0, rmse: 0, mae: 0, mrae: 0, psnr: Number.POSITIVE_INFINITY } },
      byBand: {
        ...m.byBand,
        rmse: m.byBand.rmse.map(() => 0),
        psnr: m.byBand.psnr.map(() => Number.POSITIVE_INFINITY),
      },
    }));
    const { html, out } = await report({ ...result, pictures: [], spectra: [], scatter: [] });
    const row = cells(html, 'all', 'spatial_sr');
    expect(row[0]).toEqual({ text: '0.00', best: true });
    expect(row[4]).toEqual({ text: '∞', best: true });
    expect(textOf(html)).toContain('spatial_sr beats every baseline in spectral angle and PSNR.');
    const csv = parseCsv(readFileSync(join(out, 'metrics.csv'), 'utf8'));
    expect(csv.find((r) => r.method === 'spatial_sr')!.psnr_db).toBe('Infinity');
  });

  it('large and tiny units: counts in DN, radiance in W', async () => {
    const scaled = (factor: number, units: string) => {
      const base = stage2();
      const scale = (v: number) => v * factor;
      return {
        ...base,
        pictures: [],
        spectra: [],
        scatter: [],
        data: { ...base.data, units },
        methods: base.methods.map((m) => ({
          ...m,
          regions: { all: { ...m.regions.all!, rmse: scale(m.regions.all!.rmse), mae: scale(m.regions.all!.mae) } },
          byBand: { ...m.byBand, rmse: m.byBand.rmse.map(scale) },
        })),
      };
    };
    const dn = await report(scaled(1e4, 'DN'));
    expect(cells(dn.html, 'all', 'bicubic')[1]!.text).toBe('312');
    expect(dn.html).toContain('RMSE (DN)');
    const tiny = await report(scaled(1e-6, 'W cm-2 sr-1 nm-1'));
    expect(cells(tiny.html, 'all', 'bicubic')[1]!.text).toBe('3.12e−8');
  });

  it('without wavelengths: numbered bands, one table, no gaps', async () => {
    const { html, files } = await report(
      madeUp({ stage: 'stage 1', methods: STAGE1.slice(2, 5), withWavelengths: false, size: 64, patches: 1 }),
    );
    expect(html.match(/<table/g)).toHaveLength(1);
    expect(html).toContain('>band</text>');
    expect(html).not.toContain('wavelength (nm)');
    expect(html).not.toMatch(/<path[^>]*fill="#f3f5f7"/);
    expect(textOf(html)).toContain('the files do not say their wavelengths');
    expect(files.filter((file) => file.includes('scatter'))).toEqual(['pictures/scatter_all.png']);
  });

  it('names from outside stay text', async () => {
    const hostile = '<img src=x onerror=alert(1)> & "co", x';
    const base = stage1();
    const { html, out } = await report({
      ...base,
      methods: base.methods.map((m) => (m.role === 'model' ? { ...m, label: hostile, about: hostile } : m)),
      data: { ...base.data, scenes: [hostile], path: hostile },
      spectra: base.spectra.map((s) => ({ ...s, title: hostile, predictions: [{ label: hostile, values: s.truth }] })),
      pictures: base.pictures.map((set) => ({ ...set, scene: hostile })),
      notes: [hostile],
    });
    expect(html).not.toContain('<img src=x');
    expect(textOf(html)).toContain(`${hostile} beats every baseline`);
    const rows = parseCsv(readFileSync(join(out, 'metrics.csv'), 'utf8'));
    expect(rows.filter((row) => row.method === hostile)).toHaveLength(4);
  });

  it('two pictures of the same patch number have files of their own', async () => {
    const base = stage1();
    const { files } = await report({
      ...base,
      spectra: [],
      scatter: [],
      pictures: base.pictures.map((set) => ({ ...set, patch: 5 })),
    });
    expect(files).toContain('pictures/rgb_patch_5.png');
    expect(files).toContain('pictures/rgb_patch_5_2.png');
  });

  it('end to end names both checkpoints', async () => {
    const { html } = await report({
      ...madeUp({ stage: 'end to end', methods: STAGE2, size: 60, patches: 1 }),
      spectra: [],
      scatter: [],
    });
    const text = textOf(html);
    expect(text).toContain('End to end: spatial_sr');
    expect(text).toContain('Stage 1 spectral_sr, 4,276,297 parameters, epoch 61 runs/stage1/best.safetensors');
    expect(text).toContain('Stage 2 spatial_sr, 2,210,836 parameters, epoch 88 runs/stage2/best.safetensors');
  });
});
