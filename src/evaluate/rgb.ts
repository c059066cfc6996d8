/** Colour composites of prediction and truth, side by side. */
import sharp from 'sharp';

export interface ImageOptions {
  readonly height: number;
  readonly width: number;
  readonly bands: number;
  /** Band centres, nm. */
  readonly wavelength?: ArrayLike<number>;
  /** Of the values, for axes. */
  readonly units?: string;
}

export interface Picture {
  readonly png: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** Red, green, blue, nm. */
const RGB_NM = [640, 550, 460];
/** Shares of the values that are stretched to black and white. */
const BLACK = 0.02;
const WHITE = 0.98;
/** Brightens the middle, as the eye expects. */
const GAMMA = 1 / 1.4;
/** Pixels of a panel are drawn as squares so large that it is about this wide. */
const PANEL = 384;
const CAPTION = 26;
const GAP = 8;
const INVALID = [128, 128, 128];

/** Bands to show: nearest to 640, 550, 460 nm, or the middles of the thirds of the band range from long to short. */
export function compositeBands(bands: number, wavelength?: ArrayLike<number>): [number, number, number] {
  if (!wavelength)
    return [5, 3, 1].map((sixth) => Math.min(bands - 1, Math.floor((bands * sixth) / 6))) as [number, number, number];
  return RGB_NM.map((nm) => {
    let best = 0;
    for (let b = 1; b < bands; b++) if (Math.abs(wavelength[b]! - nm) < Math.abs(wavelength[best]! - nm)) best = b;
    return best;
  }) as [number, number, number];
}

/** Black and white point of one band over both images; values that are not finite are left out. */
function stretch(images: readonly Float32Array[], band: number, bands: number): [number, number] {
  const values: number[] = [];
  for (const image of images)
    for (let i = band; i < image.length; i += bands) if (Number.isFinite(image[i]!)) values.push(image[i]!);
  if (values.length === 0) return [0, 1];
  const sorted = Float64Array.from(values).sort();
  const at = (share: number) => sorted[Math.round(share * (sorted.length - 1))]!;
  const [low, high] = [at(BLACK), at(WHITE)];
  return [low, high > low ? high : low + 1];
}

/** [height, width, 3] bytes, with each pixel `zoom` bytes wide and high. */
function panel(
  image: Float32Array,
  o: ImageOptions,
  chosen: readonly number[],
  ranges: readonly [number, number][],
  zoom: number,
): Buffer {
  const [w, h] = [o.width * zoom, o.height * zoom];
  const out = Buffer.alloc(w * h * 3);
  for (let y = 0; y < h; y++)
    for (let x = 0; x < w; x++) {
      const at = (Math.floor(y / zoom) * o.width + Math.floor(x / zoom)) * o.bands;
      const valid = chosen.every((b) => Number.isFinite(image[at + b]!));
      for (let k = 0; k < 3; k++) {
        const [low, high] = ranges[k]!;
        const share = Math.min(1, Math.max(0, (image[at + chosen[k]!]! - low) / (high - low)));
        out[(y * w + x) * 3 + k] = valid ? Math.round(255 * share ** GAMMA) : INVALID[k]!;
      }
    }
  return out;
}

/**
 * Prediction left, truth right, with the same stretch (2 to 98 % of both together, by channel); pixels without data grey.
 * @param prediction [height, width, bands]
 * @param truth the same
 */
export async function rgbPair(prediction: Float32Array, truth: Float32Array, options: ImageOptions): Promise<Picture> {
  const { height, width, bands, wavelength } = options;
  const chosen = compositeBands(bands, wavelength);
  const ranges = chosen.map((band) => stretch([prediction, truth], band, bands));
  const zoom = Math.max(1, Math.round(PANEL / width));
  const [w, h] = [width * zoom, height * zoom];
  const raw = { width: w, height: h, channels: 3 as const };
  const size = { width: 2 * w + GAP, height: h + CAPTION };
  const which = chosen.map((b) => (wavelength ? `${wavelength[b]!.toFixed(0)}` : `band ${b + 1}`)).join(' / ');
  const title = (text: string, x: number) =>
    `<text x="${x}" y="${CAPTION - 8}" font-family="sans-serif" font-size="15" fill="#222">${text}</text>`;
  const note = `${which}${wavelength ? ' nm' : ''}`;
  const captions = `<svg xmlns="http://www.w3.org/2000/svg" width="${size.width}" height="${CAPTION}">${title('prediction', 4)}${title('truth', w + GAP + 4)}<text x="${size.width - 4}" y="${CAPTION - 8}" text-anchor="end" font-family="sans-serif" font-size="12" fill="#777">${w >= 200 ? note : ''}</text></svg>`;
  const { data, info } = await sharp({ create: { ...size, channels: 3, background: '#ffffff' } })
    .composite([
      { input: panel(prediction, options, chosen, ranges, zoom), raw, left: 0, top: CAPTION },
      { input: panel(truth, options, chosen, ranges, zoom), raw, left: w + GAP, top: CAPTION },
      { input: Buffer.from(captions), left: 0, top: 0 },
    ])
    .png()
    .toBuffer({ resolveWithObject: true });
  return { png: data, width: info.width, height: info.height };
}
