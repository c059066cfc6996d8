/**
 * Absorption of what surfaces are made of, by wavelength (nm). Positions and widths of the bands are those of textbooks;
 * the heights are rounded. Good enough for spectra that look and mix like real ones, not for retrieval.
 */

/** Liquid water, 1/cm, rounded after Pope & Fry (1997) below 700 nm and Hale & Querry (1973) above. */
const WATER: readonly (readonly [number, number])[] = [
  [350, 1.5e-4],
  [400, 6.6e-5],
  [450, 9.2e-5],
  [500, 2.0e-4],
  [550, 5.7e-4],
  [600, 2.2e-3],
  [650, 3.4e-3],
  [700, 6.2e-3],
  [740, 2.2e-2],
  [760, 2.6e-2],
  [800, 2.0e-2],
  [850, 4.3e-2],
  [900, 6.8e-2],
  [940, 0.2],
  [970, 0.48],
  [1000, 0.36],
  [1070, 0.15],
  [1120, 0.3],
  [1160, 1.0],
  [1195, 1.25],
  [1260, 1.0],
  [1310, 1.5],
  [1350, 3.5],
  [1400, 13],
  [1450, 30],
  [1500, 18],
  [1550, 10],
  [1600, 6.7],
  [1660, 5.5],
  [1700, 6.0],
  [1760, 8.2],
  [1820, 9.0],
  [1870, 20],
  [1910, 80],
  [1940, 120],
  [2000, 70],
  [2050, 42],
  [2100, 26],
  [2200, 16.5],
  [2260, 18.5],
  [2300, 25],
  [2350, 36],
  [2400, 52],
  [2500, 95],
  [2600, 150],
];

/** Interpolated linearly in the logarithm. */
function water(at: number): number {
  let i = 1;
  while (i < WATER.length - 1 && WATER[i]![0] < at) i++;
  const [w0, a0] = WATER[i - 1]!;
  const [w1, a1] = WATER[i]!;
  const t = (at - w0) / (w1 - w0);
  return Math.exp(Math.log(a0) * (1 - t) + Math.log(a1) * t);
}

/** Sum of Gaussians [centre nm, sigma nm, height]. */
export function gaussians(at: number, bands: readonly (readonly [number, number, number])[]): number {
  let sum = 0;
  for (const [centre, sigma, height] of bands) sum += height * Math.exp(-0.5 * ((at - centre) / sigma) ** 2);
  return sum;
}

const decay = (at: number, length: number) => Math.exp(-(at - 400) / length);
const curve =
  (...bands: (readonly [number, number, number])[]) =>
  (at: number) =>
    gaussians(at, bands);

/**
 * Each by wavelength; height 1 at the strongest band, except water in 1/cm. Positions: leaf pigments after Feret et al.
 * (2008), leaf compounds after Curran (1989), minerals after Hunt (1977) and Clark (1999), evaporites after Crowley (1991),
 * hydrocarbons after Cloutis (1989).
 */
const CURVES = {
  water,
  chlorophyll: curve(
    [420, 30, 0.85],
    [450, 22, 0.6],
    [480, 22, 0.75],
    [520, 30, 0.3],
    [575, 45, 0.28],
    [625, 24, 0.4],
    [652, 16, 0.45],
    [678, 13, 1],
    [698, 11, 0.28],
  ),
  carotenoid: curve([425, 22, 0.8], [450, 18, 1], [482, 16, 0.85], [505, 16, 0.25]),
  anthocyanin: curve([525, 26, 0.6], [550, 24, 1], [590, 22, 0.3]),
  /** Brown pigments and humic matter. */
  brown: (w: number) => decay(w, 140),
  /** Charred matter: almost grey. */
  char: (w: number) => decay(w, 2200),
  /** Cellulose, lignin, protein. */
  dryMatter: (w: number) =>
    0.5 * decay(w, 90) +
    gaussians(w, [
      [1200, 40, 0.08],
      [1510, 45, 0.25],
      [1730, 28, 0.35],
      [2100, 45, 0.9],
      [2180, 30, 0.3],
      [2300, 32, 1],
      [2345, 20, 0.5],
      [2490, 60, 1.1],
    ]),
  hematite: curve([400, 70, 1], [495, 38, 0.9], [535, 30, 0.85], [650, 36, 0.1], [860, 50, 0.2]),
  goethite: curve([400, 50, 1], [425, 40, 0.6], [485, 30, 0.75], [650, 45, 0.1], [920, 75, 0.16]),
  /** Ferrous iron of basalt: olivine and pyroxene. */
  ferrous: curve([400, 120, 0.5], [1010, 120, 1], [1900, 220, 0.45]),
  kaolinite: curve([1395, 10, 0.4], [1414, 12, 0.8], [1915, 20, 0.3], [2165, 14, 0.6], [2207, 15, 1], [2385, 16, 0.3]),
  smectite: curve([1414, 20, 0.9], [1460, 45, 0.4], [1910, 24, 1.2], [2208, 24, 0.7]),
  illite: curve([1412, 16, 0.4], [1912, 24, 0.6], [2205, 26, 0.8], [2348, 20, 0.5], [2440, 26, 0.4]),
  /** Magnesium hydroxyl: chlorite, serpentine. */
  chlorite: curve([1395, 14, 0.3], [2250, 20, 0.5], [2328, 24, 1], [2390, 20, 0.4]),
  calcite: curve([1880, 24, 0.2], [1990, 24, 0.3], [2160, 22, 0.2], [2338, 26, 1]),
  dolomite: curve([1860, 24, 0.2], [1970, 24, 0.25], [2140, 22, 0.2], [2318, 27, 1]),
  gypsum: curve(
    [1000, 30, 0.12],
    [1200, 26, 0.2],
    [1446, 22, 1],
    [1490, 20, 0.8],
    [1538, 20, 0.65],
    [1750, 22, 0.55],
    [1945, 28, 1.5],
    [2178, 24, 0.4],
    [2215, 22, 0.5],
    [2270, 24, 0.35],
  ),
  /** Hydrocarbons: roofing membranes, plastic film, bitumen. */
  hydrocarbon: curve(
    [1190, 14, 0.15],
    [1395, 18, 0.2],
    [1725, 16, 0.7],
    [1765, 12, 0.4],
    [2310, 22, 1],
    [2350, 18, 0.8],
  ),
  /** Cobalt blue and phthalocyanine green, the pigments of coloured roofs and courts. */
  cobalt: curve([545, 35, 0.7], [590, 30, 1], [640, 28, 0.9], [1250, 110, 0.35], [1480, 130, 0.4]),
  phthalocyanine: curve([380, 40, 0.6], [640, 45, 1], [700, 35, 0.9], [745, 25, 0.4]),
  /** Zinc: the broad dip of galvanised sheet. */
  zinc: curve([1010, 90, 1]),
  /** General darkening of soils towards the ultraviolet. */
  soilSlope: (w: number) => decay(w, 230),
} as const;

/** Every curve at the given band centres (nm). */
export type Absorption = { readonly [K in keyof typeof CURVES]: Float64Array } & { readonly wavelength: Float64Array };

export function absorptionAt(wavelength: Float64Array): Absorption {
  const curves = Object.entries(CURVES).map(([name, curve]) => [name, wavelength.map(curve)]);
  return { ...Object.fromEntries(curves), wavelength } as Absorption;
}
