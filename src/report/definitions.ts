/** What the numbers mean: domain.md 8 in words. */
import type { EvaluationResult } from '../evaluate/result.js';
import { counted, formatCount } from './format.js';
import { TIE } from './verdict.js';

export const DEFINITIONS: readonly (readonly [term: string, meaning: string])[] = [
  [
    'SAM',
    'Spectral angle: mean over valid pixels of the angle between the predicted and the true spectrum, in degrees. It compares shapes; a spectrum that is merely too bright has angle 0.',
  ],
  [
    'RMSE, MAE',
    'Root mean square and mean absolute difference over all valid pixels and bands, in the units of the data.',
  ],
  ['MRAE', 'Mean of |predicted − true| / |true|; true values of 0 are left out.'],
  ['PSNR', 'Mean over bands of 20 log₁₀(largest true value of the band / RMSE of the band), in dB.'],
  [
    'SSIM',
    'Structural similarity, mean over bands: 11 × 11 Gaussian window, σ 1.5, K₁ 0.01, K₂ 0.03, L = the range of the true band.',
  ],
  [
    'ERGAS',
    '100 / ratio · √(mean over bands of (RMSE of the band / mean of the true band)²), with the ratio of the pixel sizes.',
  ],
  ['CC', 'Pearson’s correlation of predicted and true values, mean over bands.'],
  [
    'Regions',
    'VNIR 400–1000 nm, SWIR 1000–2400 nm; clear bands 420–890, 990–1095, 1185–1320, 1500–1770 and 2050–2350 nm, away from water vapour, CO₂ and the ends of the detector.',
  ],
];

/** Which pixels and bands were counted, and when two methods count as equal. */
export function accounting(result: EvaluationResult): string[] {
  const { methods, goodBands, data } = result;
  const first = methods[0];
  const good = goodBands.filter((good) => good === 1).length;
  const pixels = data.patches * data.height * data.width;
  const sentences = [
    `${formatCount(good)} of ${counted(goodBands.length, 'band')} are counted${result.wavelength ? '' : '; the files do not say their wavelengths, so there are no regions'}.`,
  ];
  if (first) {
    const left = pixels - first.validPixels;
    const zero = Math.max(...methods.map((m) => m.zeroNormPixels));
    sentences.push(
      `${formatCount(first.validPixels)} of ${counted(pixels, 'pixel')} are valid${left > 0 ? '; the others are masked (no data or cloud) and count nowhere' : ''}.`,
    );
    if (zero > 0)
      sentences.push(
        `A spectrum of zeros has no angle: up to ${counted(zero, 'such pixel')} ${zero === 1 ? 'is' : 'are'} left out of SAM.`,
      );
  }
  sentences.push(
    `A tie is a difference below ${TIE.samDeg}° and ${100 * TIE.samShare} % in SAM, ${100 * TIE.rmseShare} % in RMSE or ${TIE.psnrDb} dB in PSNR: another seed moves the numbers as much.`,
  );
  return sentences;
}
