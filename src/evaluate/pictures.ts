/** Pictures of a prediction beside the truth, as PNG: for TensorBoard, reports and the pages. */
export { compositeBands, type ImageOptions, type Picture, rgbPair } from './rgb.js';
export { type PixelPosition, spectraPlot } from './spectra_plot.js';
