/** Widths of Gaussians. */

/** Full width at half maximum in standard deviations. */
export const FWHM_SIGMAS = 2 * Math.sqrt(2 * Math.log(2));

/** The same as the protocol of the point spread function rounds it (docs/specification.md, section 5). */
export const ROUNDED_FWHM_SIGMAS = 2.355;
