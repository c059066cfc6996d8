/** What a reader must know to judge the numbers: definitions, masks, and where the baselines come from. */

/** @param ratio of ERGAS: fine pixels per coarse pixel */
export function definitionNotes(ratio: number): string[] {
  return [
    'SAM is the mean over valid pixels of the angle between predicted and true spectrum; pixels where either spectrum is zero are left out and counted. For a region the angle is over its bands alone.',
    'RMSE and MAE are over all valid pixels and bands of the set, in physical units; MRAE leaves out true values of 0.',
    "PSNR is the mean over bands of 20 log10(largest true value / RMSE of the band); CC the mean over bands of Pearson's correlation; bands where either is undefined are left out of the mean.",
    'SSIM is the mean over bands and patches under an 11 x 11 Gaussian of sigma 1.5 with K1 = 0.01, K2 = 0.03 and L = the range of the true values of the band over all patches evaluated; only windows that lie wholly inside a patch and hold no invalid pixel count.',
    `ERGAS = 100 / ${ratio} sqrt(mean over bands of (RMSE / mean true value)^2); the ratio is ${ratio === 1 ? '1, as input and output share one grid' : `${ratio} fine pixels per coarse one`}.`,
    'Regions: VNIR 400-1000 nm; SWIR 1000-2400 nm; clear, away from water vapour: 420-890, 990-1095, 1185-1320, 1500-1770, 2050-2350 nm. Bad bands and invalid pixels count nowhere.',
  ];
}

/** Radiance flatters: its shape is the sun's, whatever is on the ground. */
export function unitNotes(units: string | null): string[] {
  return units !== null && /^reflectance$/i.test(units)
    ? []
    : [
        `The data are in ${units || 'units that the files do not name'}. In radiance small angles need little skill, as every spectrum has the shape of sunlight: judge by the distance to the scaled mean spectrum. Radiance and reflectance are never compared with each other.`,
      ];
}

/**
 * @param fitted what the baselines are fitted on, in words; undefined where they need no fit
 * @param basis what the oracle's basis is fitted on
 */
export function splitNotes(
  { split, own }: { readonly split: string; readonly own: boolean },
  description: string,
  fitted: string | undefined,
  basis: string,
): string[] {
  const patches = !own
    ? "All patches are evaluated; they are not those of the checkpoint's run."
    : split === 'all'
      ? 'All patches are evaluated, those of the training split too: the numbers flatter every fitted method.'
      : `The ${split} split is that of the checkpoint: ${description}.`;
  const fits =
    fitted === undefined
      ? `The basis of the oracle is fitted on ${basis}; the baselines need no fit.`
      : `Baselines are fitted on ${fitted}, the basis of the oracle on ${basis}.`;
  return [patches, fits];
}
