/** How to read the numbers, and what was counted. The formulas come with the result, in its notes. */
import type { EvaluationResult } from '../evaluate/result.js';
import { counted, formatCount } from './format.js';
import { TIE } from './verdict.js';

export const GLOSSARY: readonly (readonly [term: string, meaning: string])[] = [
  [
    'SAM',
    'Spectral angle: how far the shape of the spectrum is off, in degrees. A spectrum that is merely too bright or too dark has angle 0.',
  ],
  ['RMSE, MAE', 'How far values are off, in the units of the data. RMSE weighs large errors more.'],
  ['MRAE', 'How far values are off as a share of the true value: dark pixels weigh as much as bright ones.'],
  ['PSNR', 'The brightest true value against RMSE, band by band, in decibels: 6 dB more is half the error.'],
  [
    'SSIM',
    'How alike two pictures look in their local brightness, contrast and structure, band by band; 1 is the same.',
  ],
  ['ERGAS', 'RMSE as a share of the mean of the band, over all bands, for the ratio of the pixel sizes.'],
  ['CC', 'Correlation of predicted and true values, band by band; 1 is a straight line.'],
  ['Below 0', 'Share of the predicted values that are negative: radiance and reflectance never are.'],
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
