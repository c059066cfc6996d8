/** Colours of places and strokes of scenes. Each colour has a contrast of 3 : 1 and more on the light and the dark page. */
export const PLACES = ['#c8465a', '#2a7ccf', '#2a8f60', '#b06a12', '#8a5ccf', '#0b8599', '#b8479e', '#6f7d1f'];
/** Dashes of the scenes' curves, in their order. */
export const DASHES: readonly (readonly number[])[] = [[], [6, 3], [2, 3], [9, 3, 2, 3], [1, 2], [12, 4]];
