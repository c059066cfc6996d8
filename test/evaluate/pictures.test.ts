import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { compositeBands, rgbPair } from '../../src/evaluate/rgb.js';
import { spectraPlot } from '../../src/evaluate/spectra_plot.js';

const pixels = async (png: Uint8Array) => {
  const { data, info } = await sharp(png).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  return {
    info,
    at: (x: number, y: number) => [...data.subarray((y * info.width + x) * 3, (y * info.width + x) * 3 + 3)],
  };
};

describe('bands of a composite', () => {
  it('are the nearest to 640, 550 and 460 nm', () => {
    expect(compositeBands(5, [450, 470, 545, 560, 650])).toEqual([4, 2, 0]);
  });
  it('are the middles of thirds, long to short, where wavelengths are unknown', () => {
    expect(compositeBands(12)).toEqual([10, 6, 2]);
    expect(compositeBands(1)).toEqual([0, 0, 0]);
  });
});

describe('the pair of composites', () => {
  const wavelength = [460, 550, 640];
  // 2 x 2 pixels: truth from black to white in four steps by channel, prediction the same but for one pixel without data
  const truth = Float32Array.from([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]);
  const prediction = truth.slice();
  prediction[4] = Number.NaN;
  const options = { height: 2, width: 2, bands: 3, wavelength };

  it('has the same stretch on both sides and grey where data is missing', async () => {
    const picture = await rgbPair(prediction, truth, options);
    // 384 / 2 = 192 a pixel, 8 between, 26 above
    expect([picture.width, picture.height]).toEqual([2 * 384 + 8, 384 + 26]);
    const { at } = await pixels(picture.png);
    const [left, right, top, bottom] = [96, 288, 26 + 96, 26 + 288];
    expect(at(left, top)).toEqual([0, 0, 0]);
    expect(at(right, top)).toEqual([128, 128, 128]);
    expect(at(392 + right, bottom)).toEqual([255, 255, 255]);
    // 1/3 and 2/3 with gamma 1/1.4: 255 (1/3)^(1/1.4) = 116.4, 255 (2/3)^(1/1.4) = 190.9
    expect(at(392 + right, top)).toEqual([116, 116, 116]);
    expect(at(left, bottom)).toEqual([191, 191, 191]);
    expect(at(392 + left, bottom)).toEqual([191, 191, 191]);
  });

  it('of one value does not divide by zero', async () => {
    const flat = new Float32Array(12).fill(5);
    const { at } = await pixels((await rgbPair(flat, flat, options)).png);
    expect(at(10, 100)).toEqual([0, 0, 0]);
  });
});

describe('spectral curves', () => {
  it('are drawn in the colours of truth and prediction', async () => {
    const bands = 60;
    const wavelength = Float64Array.from({ length: bands }, (_, b) => 400 + 10 * b + (b > 30 ? 120 : 0));
    const truth = Float32Array.from({ length: 4 * bands }, (_, i) => Math.sin(i / 9));
    const prediction = truth.map((t) => t + 0.3);
    const picture = await spectraPlot(
      prediction,
      truth,
      [
        { y: 0, x: 1 },
        { y: 1, x: 0 },
      ],
      { height: 2, width: 2, bands, wavelength, units: 'reflectance' },
    );
    const { data, info } = await sharp(picture.png).removeAlpha().raw().toBuffer({ resolveWithObject: true });
    expect([info.width, info.height]).toEqual([picture.width, picture.height]);
    let red = 0;
    let pale = 0;
    for (let i = 0; i < data.length; i += 3) {
      const [r, g, b] = [data[i]!, data[i + 1]!, data[i + 2]!];
      // the prediction's #c8253c and the truth's #a9b4c0
      if (r > 190 && g < 120 && b < 130) red++;
      if (Math.abs(r - 169) < 4 && Math.abs(g - 180) < 4 && Math.abs(b - 192) < 4) pale++;
    }
    // four curves of some 300 points each at least
    expect(red).toBeGreaterThan(1000);
    expect(pale).toBeGreaterThan(600);
  });

  it('bear values that are missing, and no wavelengths', async () => {
    const truth = Float32Array.from({ length: 8 }, (_, i) => i);
    const prediction = truth.slice();
    prediction[2] = Number.NaN;
    const picture = await spectraPlot(prediction, truth, [{ y: 0, x: 0 }], { height: 1, width: 1, bands: 8 });
    expect(picture.width).toBeGreaterThan(300);
  });

  it('show a truth that the prediction lies on, and stand below titles of one height', async () => {
    const bands = 60;
    // panels with axis labels of different lengths, which once moved the titles
    const truth = Float32Array.from(
      { length: 3 * bands },
      (_, i) => Math.sin(i / 9) * [1, 0.001, 1000][Math.floor(i / bands)]!,
    );
    const positions = [0, 1, 2].map((x) => ({ y: 0, x }));
    const picture = await spectraPlot(truth.slice(), truth, positions, { height: 1, width: 3, bands });
    const { info, at } = await pixels(picture.png);
    const isPale = ([r, g, b]: number[]) => Math.abs(r! - 169) < 4 && Math.abs(g! - 180) < 4 && Math.abs(b! - 192) < 4;
    const isDark = ([r, g, b]: number[]) => Math.max(r!, g!, b!) < 110;
    // the legend ends above row 60; the frames begin below row 110
    const thirds = [0, 1, 2].map((i) => Math.floor((i * info.width) / 3));
    const columns = Array.from({ length: Math.floor(info.width / 3) }, (_, x) => x);
    const firstDark = (left: number) => {
      for (let y = 62; y < info.height; y++) if (columns.some((x) => isDark(at(left + x, y)))) return y;
      return -1;
    };
    const tops = thirds.map(firstDark);
    expect(tops[0]).toBeGreaterThan(0);
    expect(tops).toEqual([tops[0], tops[0], tops[0]]);
    for (const left of thirds) {
      let pale = 0;
      for (let y = 110; y < info.height; y++) for (const x of columns) if (isPale(at(left + x, y))) pale++;
      // a line of some 300 points, two pixels wide on either side of the prediction
      expect(pale).toBeGreaterThan(300);
    }
  });
});
