/**
 * `prepare`: one airborne cube to one file of paired patches (docs/specification.md, section 5): bands kept and sorted, the
 * fine grid, what Landsat would see of it through its real responses and point spread function on the exact 15/2 grid,
 * nodata accounted for.
 */
import { rm } from 'node:fs/promises';
import { BandliftError, EXIT } from '../base/errors.js';
import type { WrittenPatch } from '../data/patch_writer.js';
import { cropGeo, pixelToMap } from '../raster/geo.js';
import { coarseSize } from '../resample/ratio.js';
import type { LineScene } from '../scenes/line_scene.js';
import { openLine } from '../scenes/open_line.js';
import type { NoiseModel } from '../spectra/oli_noise.js';
import { type BandResampling, resampleBands } from '../spectra/resample_bands.js';
import { LANDSAT8_OLI, type SensorResponse } from '../spectra/response.js';
import { describePatches } from './description.js';
import { FACTOR, type FineGrid, fineGrid, RATIO, spectralGrid } from './fine_grid.js';
import { checkMemory, sceneBytes, tiledBytes } from './memory.js';
import { PairReader } from './pair_reader.js';
import { checkEven, PatchGrid, type PatchPlace, patchSide } from './patch_grid.js';
import { type PatchCounts, PatchOutput } from './patch_output.js';
import { addNoise, noiseModels, sceneWeights, simulate, upsample } from './simulate.js';
import { storedSpectra, writeTiles } from './spectral_pairs.js';
import { TileGrid } from './tiles.js';
import { DEFAULT_SIDE, PREPARE_DEFAULTS, type PrepareOptions, type SceneReport } from './types.js';

export type { PrepareOptions, SceneReport } from './types.js';

/** Landsat's grid laid over the scene from fine pixel (y, x) on. */
interface Phase {
  readonly y: number;
  readonly x: number;
  /** The scene from there on. */
  readonly grid: FineGrid;
  readonly patches: PatchGrid;
}

interface Job {
  readonly options: PrepareOptions;
  readonly scene: LineScene;
  readonly grid: FineGrid;
  /** One for each phase of Landsat's grid; the first is that of the scene itself. None for pairs on one grid. */
  readonly phases: readonly Phase[];
  /** Of pairs on one grid. */
  readonly tiles?: TileGrid;
  readonly sensor?: SensorResponse;
  readonly weights: readonly Float64Array[];
  readonly noise: readonly NoiseModel[];
  /** How the bands that are stored are made of the scene's. */
  readonly resampling?: BandResampling;
}

/** What a scene will take. */
export interface ScenePlan {
  /** Bytes. */
  readonly bytes: number;
  readonly units?: string;
  /** Patches that are looked at. */
  readonly candidates: number;
}

/** Checks a scene and the options against each other without reading more than a few rows. Errors as `prepareScene`. */
export async function planScene(options: PrepareOptions): Promise<ScenePlan> {
  const { job, bytes } = await openJob(options);
  await job.scene.close();
  const { units } = job.scene;
  return { ...(units !== undefined && { units }), bytes, candidates: candidatesOf(job) };
}

const candidatesOf = (job: Job): number => job.tiles?.candidates ?? total(job, (p) => p.candidates);

/** A count over all phases. */
const total = ({ phases }: Job, count: (patches: PatchGrid) => number): number =>
  phases.reduce((sum, { patches }) => sum + count(patches), 0);

/** Options of one kind of pairs that mean nothing for the other. */
function checkKind(options: PrepareOptions): void {
  const spectral = options.pairs === 'spectral';
  const wrong = spectral
    ? (['patch', 'stride', 'keepGsd'] as const).find((name) => options[name] !== undefined && options[name] !== false)
    : (['tile'] as const).find((name) => options[name] !== undefined);
  const phases = spectral && (options.phases ?? 1) !== 1 ? 'phases' : undefined;
  const field = wrong ?? phases;
  if (field === undefined) return;
  throw new BandliftError(
    spectral ? 'means nothing for pairs on one grid' : 'is for pairs on one grid',
    {
      field: `--${field === 'keepGsd' ? 'keep-gsd' : field}`,
      expected: spectral ? '--tile, --gsd' : '--pairs spectral',
      hint: spectral ? 'leave it out' : 'the side of other patches is --patch',
    },
    EXIT.usage,
  );
}

function checkOptions(options: PrepareOptions): void {
  const { patch, stride, maxNodata, tile, phases = 1 } = options;
  checkKind(options);
  if (tile !== undefined && !(Number.isInteger(tile) && tile >= 1))
    throw new BandliftError('must be a number of pixels', { field: 'tile', found: tile }, EXIT.usage);
  if (!Number.isInteger(phases) || phases < 1 || 15 % phases !== 0)
    throw new BandliftError(
      'must divide 15',
      { field: 'phases', found: phases, expected: '1, 3, 5 or 15' },
      EXIT.usage,
    );
  if (patch !== undefined) checkEven(patch, 'patch');
  if (stride !== undefined) checkEven(stride, 'stride');
  if (maxNodata !== undefined && !(maxNodata >= 0 && maxNodata < 1))
    throw new BandliftError(
      'must be a share',
      { field: 'max-nodata', found: maxNodata, expected: 'from 0 to less than 1' },
      EXIT.usage,
    );
}

async function openJob(options: PrepareOptions): Promise<{ job: Job; bytes: number; notes: string[] }> {
  checkOptions(options);
  const scene = await openLine(options.scene, {
    bands: 'kept',
    ...(options.bandCentres && { bandCentres: options.bandCentres }),
    ...(options.ortho !== undefined && { ortho: options.ortho }),
    // an eighth of what the scene may take: at least a chunk is kept
    ...(options.maxMemory !== undefined && { cacheBytes: Math.max(2 ** 24, Math.floor(options.maxMemory / 8)) }),
  });
  try {
    if (options.pairs === 'spectral') return spectralJob(scene, options);
    const grid = fineGrid(scene, options);
    const { side, note } = patchSide(grid, options.patch, options.scene);
    const resampled = options.bands?.wavelength.length;
    const bytes = sceneBytes(scene, grid, side, resampled);
    checkMemory(scene, grid, side, options.maxMemory, resampled);
    const phases = layPhases(grid, side, options);
    return { job: { options, scene, grid, phases, ...seenBy(scene, options) }, bytes, notes: note ? [note] : [] };
  } catch (error) {
    await scene.close();
    throw error;
  }
}

/** The sensor, the weights of the scene's bands in its bands, and its noise; nothing for a scene without wavelengths. */
function seenBy(scene: LineScene, options: PrepareOptions): Pick<Job, 'sensor' | 'weights' | 'noise' | 'resampling'> {
  const { wavelength, fwhm, goodBands: good } = scene;
  if (wavelength === undefined) {
    if (options.bands) throw noWavelengths(scene, 'cannot be brought to other bands');
    return { weights: [], noise: [] };
  }
  const sensor = options.sensor ?? LANDSAT8_OLI;
  return {
    sensor,
    weights: sceneWeights(scene, sensor),
    noise: options.noise ? noiseModels(scene, sensor) : [],
    ...(options.bands && {
      resampling: resampleBands({ wavelength, ...(fwhm && { fwhm }), good }, options.bands, scene.path),
    }),
  };
}

const noWavelengths = ({ path }: LineScene, why: string): BandliftError =>
  new BandliftError(`the scene has no wavelengths: it ${why}`, {
    file: path,
    field: 'wavelength',
    hint: 'give --wavelengths FILE',
  });

function spectralJob(scene: LineScene, options: PrepareOptions): { job: Job; bytes: number; notes: string[] } {
  if (scene.wavelength === undefined) throw noWavelengths(scene, 'makes no pairs on one grid');
  const grid = spectralGrid(scene, options.gsd);
  const seen = seenBy(scene, options);
  const tiles = new TileGrid(grid, options.tile ?? DEFAULT_SIDE, options.maxNodata ?? PREPARE_DEFAULTS.maxNodata);
  const bytes = tiledBytes(
    scene,
    grid,
    tiles.side,
    seen.weights.length,
    options.maxMemory,
    options.bands?.wavelength.length,
  );
  return { job: { options, scene, grid, phases: [], tiles, ...seen }, bytes, notes: [] };
}

/**
 * One scene to one patch file, in this thread. The file appears whole or not at all.
 * Errors: BandliftError naming the scene and what is wrong with it or with the options; exit code 130 when interrupted.
 */
export async function prepareScene(options: PrepareOptions): Promise<SceneReport> {
  const started = Date.now();
  const { job, notes } = await openJob(options);
  const { scene, grid, sensor } = job;
  const { side, stride } = job.tiles ? { side: job.tiles.side, stride: job.tiles.side } : job.phases[0]!.patches;
  const pixels = (job.tiles ? side : FACTOR * side) ** 2;
  try {
    const counts = await writePatches(job);
    const kept = counts.patches;
    const warnings = [...scene.warnings, ...grid.warnings, ...notes];
    if (!sensor)
      warnings.push(
        `${options.scene}: the header has no wavelengths; the patches are for stage 2 alone (--wavelengths gives a table of them)`,
      );
    if (kept === 0) {
      warnings.push(`${options.scene}: no patch was kept`);
      await rm(options.out, { force: true });
    }
    return {
      scene: options.scene,
      name: scene.name,
      ...(kept > 0 && { file: options.out }),
      lines: scene.height,
      samples: scene.width,
      bands: {
        stored: scene.storedBands,
        kept: job.resampling?.bands ?? scene.bands,
        withoutData: (job.resampling?.good ?? scene.goodBands).reduce((sum, good) => sum + 1 - good, 0),
      },
      ...(scene.units !== undefined && { units: scene.units }),
      ...(sensor && { sensor: sensor.sensor }),
      gsd: {
        ...(grid.sourceGsd !== undefined && { source: grid.sourceGsd }),
        ...(grid.gsd !== undefined && { fine: grid.gsd, coarse: (job.tiles ? 1 : FACTOR) * grid.gsd }),
      },
      ...(job.tiles && { pairs: 'spectral' as const }),
      ...(grid.resampled !== undefined && { resampled: grid.resampled }),
      patch: side,
      stride,
      phases: options.phases ?? 1,
      candidates: candidatesOf(job),
      kept,
      dropped: { empty: counts.empty, nodata: counts.nodata, outside: total(job, (p) => p.outside) },
      ...(kept > 0 && { validShare: counts.validPixels / (kept * pixels) }),
      seconds: (Date.now() - started) / 1000,
      warnings,
    };
  } finally {
    await scene.close();
  }
}

/** The scene without its first y rows and x columns. */
function from(grid: FineGrid, y: number, x: number): FineGrid {
  if (y === 0 && x === 0) return grid;
  const { georeference } = grid;
  return {
    ...grid,
    height: grid.height - y,
    width: grid.width - x,
    ...(georeference && { georeference: cropGeo(georeference, { x, y }) }),
    read: (window, values, valid) => grid.read({ ...window, y: window.y + y, x: window.x + x }, values, valid),
  };
}

function layPhases(grid: FineGrid, side: number, options: PrepareOptions): Phase[] {
  const { phases = 1, stride = side, maxNodata = PREPARE_DEFAULTS.maxNodata } = options;
  return Array.from({ length: phases * phases }, (_, i) => {
    const [y, x] = [Math.floor(i / phases), i % phases].map((p) => (p * 15) / phases) as [number, number];
    const part = from(grid, y, x);
    return { y, x, grid: part, patches: new PatchGrid(part, side, stride, maxNodata) };
  });
}

async function writePatches(job: Job): Promise<PatchCounts> {
  const { options, scene, tiles } = job;
  const side = tiles?.side ?? job.phases[0]!.patches.side;
  const info = describePatches(job, side);
  const output = new PatchOutput(
    options,
    info,
    candidatesOf(job),
    total(job, (p) => p.outside),
  );
  return output.fill(async () => {
    if (tiles) await writeTiles(job, tiles, output);
    for (const phase of job.phases) {
      const { grid, patches } = phase;
      let reader: PairReader | undefined;
      for (const row of patches.rows) {
        const { kept, empty, nodata } = patches.select(row);
        await output.skip(empty, nodata);
        for (const place of kept) {
          reader ??= new PairReader(grid, scene.bands, patches.side);
          await output.append(pairAt(job, phase, reader, place));
        }
      }
    }
  });
}

/** Reads and simulates one patch. */
function pairAt(job: Job, phase: Phase, reader: PairReader, place: PatchPlace): WrittenPatch {
  const { options, scene, weights } = job;
  const { grid } = phase;
  const { side } = phase.patches;
  reader.read(place.row, place.column);
  const { size, coarseValid } = reader;
  const mask = jointMask(reader.fineValid, coarseValid, size, side);
  const [y, x] = [FACTOR * place.row, FACTOR * place.column];
  const g = grid.georeference?.geotransform;
  const corner = g && pixelToMap(g, x, y);
  let landsat: { landsat: Float32Array; landsatLr: Float32Array } | undefined;
  if (weights.length > 0) {
    const image = simulate(reader.coarse, scene.bands, weights);
    if (job.noise.length > 0)
      addNoise(image, { ...place, side }, job.noise, {
        seed: options.seed ?? PREPARE_DEFAULTS.seed,
        scene: scene.name,
        columns: coarseSize(grid.width, RATIO),
      });
    blank(image, coarseValid, weights.length);
    const upsampled = upsample(image, coarseValid, side, size, weights.length);
    blank(upsampled, mask, weights.length);
    landsat = { landsat: upsampled, landsatLr: Float32Array.from(image) };
  }
  return {
    aviris: storedSpectra(job, reader.fine, scene.bands),
    ...landsat,
    avirisLr: storedSpectra(job, Float32Array.from(reader.coarse), scene.bands),
    mask,
    maskLr: coarseValid,
    origin: [phase.y + y, phase.x + x],
    ...(g && corner && { geotransform: [corner[0], g[1], g[2], corner[1], g[4], g[5]] }),
  };
}

/** Fine pixels that are valid and whose middle lies in a valid coarse pixel. */
function jointMask(fine: Uint8Array, coarse: Uint8Array, size: number, side: number): Uint8Array {
  const of = Int32Array.from({ length: size }, (_, i) => Math.floor((i + 0.5) / FACTOR));
  return fine.map((valid, at) => valid & coarse[of[Math.floor(at / size)]! * side + of[at % size]!]!);
}

/** Sets the pixels that are not valid to 0. */
function blank(image: Float32Array | Float64Array, valid: Uint8Array, bands: number): void {
  for (let pixel = 0; pixel < valid.length; pixel++)
    if (valid[pixel] === 0) image.fill(0, pixel * bands, (pixel + 1) * bands);
}
