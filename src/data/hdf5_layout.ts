/**
 * Checks everything in a patch file's headers before any pixel is read, and describes the file (docs/specification.md,
 * section 4).
 */
import type { Dataset, File as Hdf5File } from 'h5wasm/node';
import { BandliftError } from '../base/errors.js';
import {
  coarsePatchSize,
  coarseSize,
  factorOf,
  fineSize,
  LANDSAT_TO_AVIRIS_NG,
  ratioOf,
  type SpatialRatio,
} from '../resample/ratio.js';
import { describeArray, findDataset, hasMask, type StoredArray, show } from './hdf5_dataset.js';
import { bandMaskOf, goodBandsOf, list, numberAttribute, scaleOf, sceneOf, textAttribute } from './hdf5_fields.js';
import type { CachedInput, PatchFile, Sides } from './types.js';

/** One side of a patch: the dataset it comes from, and what is made of it where the wanted one is missing. */
export interface StoredSide {
  readonly dataset: string;
  readonly array: StoredArray;
  /** Part of the stored image that is used, from its first pixel; all of it where absent. */
  readonly crop?: { readonly height: number; readonly width: number };
  /** How it is brought to Landsat's grid: the sensor's point spread for the cube, the mean for upsampled Landsat. */
  readonly degrade?: 'psf' | 'area';
  /** Mask of the stored grid, if the file has one. */
  readonly mask?: 'mask' | 'mask_lr';
}

export interface PatchLayout {
  readonly info: PatchFile;
  /** Landsat pixels are this many pixels of `aviris` wide, as the file says. */
  readonly downsamplingFactor?: number;
  /** Absent where the input comes from a cache of stage 1's predictions. */
  readonly input?: StoredSide;
  readonly target: StoredSide;
}

/** The documented layout's two datasets (docs/specification.md, section 4), on one grid. */
export const DEFAULT_SIDES: Sides = { input: 'landsat', target: 'aviris' };

/** Of `aviris` to Landsat's grid: what a file says, unless it says that both are one (then what is made of it is coarser). */
function ratioIn(file: Hdf5File, path: string): SpatialRatio {
  const factor = numberAttribute(file, path, 'downsampling_factor') ?? 1;
  return (factor > 1 ? ratioOf(factor) : undefined) ?? LANDSAT_TO_AVIRIS_NG;
}

/**
 * The two sides of a file. Without *_lr datasets Landsat's grid is laid over the fine one from its first pixel, and what
 * sticks out is cut off.
 */
function describeSides(
  file: Hdf5File,
  path: string,
  bytes: number,
  sides: Sides,
  ratio: SpatialRatio,
): Pick<PatchLayout, 'input' | 'target'> {
  const has = (name: string) => findDataset(file, path, name) !== undefined;
  const masked = (name: 'mask' | 'mask_lr') => (has(name) ? { mask: name } : {});
  const fine = describeArray(file, path, bytes, 'aviris');
  const [, height, width] = fine.shape;
  const coarse = { height: coarsePatchSize(height, ratio), width: coarsePatchSize(width, ratio) };
  const crop = { height: fineSize(coarse.height, ratio), width: fineSize(coarse.width, ratio) };
  const needsGrid = sides.input !== 'landsat' || sides.target !== 'aviris';
  if (needsGrid && !has('aviris_lr') && (coarse.height === 0 || coarse.width === 0))
    throw new BandliftError(`patches are too small for ${ratio.down} x ${ratio.down} Landsat pixels`, {
      file: path,
      field: 'aviris',
      found: `${height} x ${width} pixels`,
      expected: `at least ${ratio.up} x ${ratio.up}`,
    });
  const side = (name: Exclude<Sides['input'] | Sides['target'], 'stage1'>): StoredSide => {
    if (name === 'landsat') return { dataset: name, array: describeArray(file, path, bytes, name), ...masked('mask') };
    const cut = has('aviris_lr') || !needsGrid ? {} : { crop };
    if (name === 'aviris') return { dataset: name, array: fine, ...cut, ...masked('mask') };
    if (has(name)) return { dataset: name, array: describeArray(file, path, bytes, name), ...masked('mask_lr') };
    const from = name === 'aviris_lr' ? 'aviris' : 'landsat';
    const array = from === 'aviris' ? fine : describeArray(file, path, bytes, 'landsat');
    return { dataset: from, array, crop, degrade: from === 'aviris' ? 'psf' : 'area', ...masked('mask') };
  };
  const target = side(sides.target);
  return sides.input === 'stage1' ? { target } : { input: side(sides.input), target };
}

/** Pixels of a side as it is delivered. */
function sideSize({ array, crop, degrade }: StoredSide, ratio: SpatialRatio): { height: number; width: number } {
  const { height, width } = crop ?? { height: array.shape[1], width: array.shape[2] };
  return degrade ? { height: coarseSize(height, ratio), width: coarseSize(width, ratio) } : { height, width };
}

/**
 * Describes an open file of `bytes` bytes. Throws a BandliftError naming dataset, what was found and what was expected.
 * @param cached stage 1's predictions, where they are the input
 */
export function describeLayout(
  file: Hdf5File,
  path: string,
  bytes: number,
  sides: Sides = DEFAULT_SIDES,
  cached?: CachedInput,
): PatchLayout {
  const ratio = ratioIn(file, path);
  const { input, target } = describeSides(file, path, bytes, sides, ratio);
  const { height, width } = sideSize(target, ratio);
  const [patches, , , outBands] = target.array.shape;
  const inputSize = input ? sideSize(input, ratio) : cached!;
  const inBands = input ? input.array.shape[3] : cached!.bands;
  const sameDataset = sides.input === 'landsat' && sides.target === 'aviris';
  const stored = input?.array.shape;
  if (stored) checkOrder(path, input, target);
  if (stored && (stored[0] !== patches || (sameDataset && (stored[1] !== height || stored[2] !== width))))
    throw new BandliftError(`does not match '${target.dataset}'`, {
      file: path,
      field: input.dataset,
      found: show(stored),
      expected: `(${patches},${sameDataset ? `${height},${width}` : 'H,W'},bands)`,
    });
  checkGrids(path, sides, ratio, { height, width }, inputSize);
  const declared = numberAttribute(file, path, 'n_patches');
  if (declared !== undefined && declared !== patches)
    throw new BandliftError('does not match the datasets', {
      file: path,
      field: 'attribute n_patches',
      found: declared,
      expected: patches,
    });
  const scale = scaleOf(file, path);
  const nodata = numberAttribute(file, path, 'nodata');
  const masks = [target, ...(input ? [input] : [])].map((side) => checkMask(file, path, side, patches));
  const centres = list(file, path, 'wavelength', [outBands]);
  const [wavelength, fwhm] = [centres, list(file, path, 'fwhm', [outBands])].map((v) => v && inNanometres(v, centres));
  const origins = list(file, path, 'origins', [patches, 2]);
  const goodBands = goodBandsOf(file, path, outBands);
  if (goodBands?.every((g) => g === 0))
    throw new BandliftError('has no good band', { file: path, field: 'good_bands', expected: '1 for good bands' });
  const info: PatchFile = {
    path,
    patches,
    height,
    width,
    inputHeight: inputSize.height,
    inputWidth: inputSize.width,
    sides,
    ratio,
    inBands,
    outBands,
    scene: sceneOf(file, path),
    masked: masks.includes(true) || nodata !== undefined,
    ...optional('wavelength', wavelength),
    ...optional('fwhm', fwhm),
    ...optional('goodBands', goodBands),
    ...optional('bandMask', bandMaskOf(file, path, patches, outBands)),
    ...optional('origins', origins && originsOnGrid(origins, sides, target, file, ratio)),
    ...optional('nodata', nodata),
    ...optional('scale', scale),
    ...optional('units', textAttribute(file, 'units')),
    ...optional('sensor', textAttribute(file, 'sensor')),
    ...optional('responseHash', textAttribute(file, 'response_hash')),
  };
  const downsamplingFactor = numberAttribute(file, path, 'downsampling_factor');
  return { info, ...(input && { input }), target, ...(downsamplingFactor !== undefined && { downsamplingFactor }) };
}

/** The orders of dimensions that other programs write, told by the two sides together. */
function checkOrder(path: string, input: StoredSide, target: StoredSide): void {
  const [a, b] = [input.array.shape, target.array.shape];
  const differ = (...dimensions: number[]) => [0, 1, 2, 3].every((d) => (a[d] !== b[d]) === dimensions.includes(d));
  const fail = (order: string, numpy: string) => {
    throw new BandliftError(`its dimensions look like ${order}`, {
      file: path,
      field: input.dataset,
      found: `${show(a)}, and ${show(b)} of '${target.dataset}'`,
      expected: '(N,H,W,bands)',
      hint: `write both as ${numpy}`,
    });
  };
  if (differ(1)) fail('(N,bands,H,W), channels first', 'numpy.moveaxis(x, 1, -1)');
  if (differ(0)) fail('(bands,W,H,N), as MATLAB stores them', 'numpy.transpose(x)');
}

/** Origins count fine pixels; on Landsat's grid they count Landsat's. */
function originsOnGrid(
  origins: Float64Array,
  sides: Sides,
  { array }: StoredSide,
  file: Hdf5File,
  ratio: SpatialRatio,
): Int32Array {
  if (sides.target === 'aviris') return Int32Array.from(origins);
  const fine = (file.get('aviris') as Dataset).metadata.shape![1]!;
  const factor = array.shape[1] === fine ? factorOf(ratio) : fine / array.shape[1];
  return Int32Array.from(origins, (v) => Math.round(v / factor));
}

/** Both sides on one grid, or `down` input pixels on `up` target pixels. */
function checkGrids(
  path: string,
  sides: Sides,
  { up, down }: SpatialRatio,
  target: { height: number; width: number },
  input: { height: number; width: number },
): void {
  const same = target.height === input.height && target.width === input.width;
  const wanted = sides.target === 'aviris' && sides.input !== 'landsat';
  const fits = down * target.height === up * input.height && down * target.width === up * input.width;
  if (wanted ? fits : same) return;
  throw new BandliftError('the two grids do not fit each other', {
    file: path,
    field: sides.input,
    found: `${input.height} x ${input.width} pixels for ${target.height} x ${target.width} of ${sides.target}`,
    expected: wanted ? `${down} for ${up}` : 'the same size',
  });
}

/** Checks the mask of a side; false where the file has none. */
function checkMask(file: Hdf5File, path: string, side: StoredSide, patches: number): boolean {
  const [, height, width] = side.array.shape;
  return side.mask !== undefined && hasMask(file, path, side.mask, [patches, height, width]);
}

function optional<K extends keyof PatchFile>(
  key: K,
  value: PatchFile[K] | undefined,
): { [P in K]?: NonNullable<PatchFile[P]> } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]?: NonNullable<PatchFile[P]> });
}

/** No sensor of ours sees below 100 nm or beyond 100 um: smaller band centres are in um, and so are the widths beside them. */
function inNanometres(values: Float64Array, centres: Float64Array | undefined): Float64Array {
  const micrometres = centres?.every((centre) => centre < 100) === true;
  return micrometres ? values.map((v) => Number((v * 1000).toPrecision(12))) : values;
}
