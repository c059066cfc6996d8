/** Sizes of the sample. Apart from what generates it, so that `--help` shows them without loading that. */

/** What a first `train stage1` uses: small enough to train the full network in minutes on two cores. */
export const SAMPLE_DEFAULTS = { seed: 1, patchSize: 32, patches: 36, lines: 6 } as const;

/** As many patches in as many lines as the 30 m part has, so that one split fits both. */
export const FINE_DEFAULTS = { seed: 1, lines: 6, patch: 8, across: 2, along: 3 } as const;

export const LANDSAT_DEFAULTS = { seed: 1, line: 6, height: 96, width: 128 } as const;
