/**
 * How a stage will be computed, before anything is: its segments, the tiles of each and the memory they take. Tiles are as
 * large as the memory allows, because a halo costs less the larger its tile is.
 */

import { formatBytes } from '../base/bytes.js';
import { BandliftError, EXIT } from '../base/errors.js';
import { elements, type Graph, GraphBuilder, graphCost, prune, type ValueId } from '../graph/ir.js';
import { buildModel } from '../models/index.js';
import type { ModelSpec } from '../models/spec.js';
import { area, type Region } from '../tiling/footprint.js';
import { type Segment, type SegmentedGraph, segmentGraph } from '../tiling/segments.js';
import { type TileGraph, tileGraph } from '../tiling/tile_graph.js';
import type { TilePrograms } from '../tiling/tile_programs.js';
import { makeGrid, shareOf, type TileGrid, tileCount, tileRegion } from './tiles.js';

export interface SegmentPlan {
  readonly segment: Segment;
  readonly grid: TileGrid;
  /** Pixels of the scene that a tile reads beyond its own on each side, at most. */
  readonly halo: number;
  readonly arenaBytes: number;
  /** Arrays that hold what tiles read and write. */
  readonly bufferBytes: number;
  /** Of all its tiles. */
  readonly flops: number;
  /** The largest tile, and which part of its results is its own. */
  readonly largest: { readonly tile: TileGraph; readonly wanted: ReadonlyMap<ValueId, Region> };
}

export interface StagePlan {
  readonly spec: ModelSpec;
  readonly scene: SegmentedGraph;
  readonly segments: readonly SegmentPlan[];
  /** The largest of all segments; buffers and arena are shared. */
  readonly arenaBytes: number;
  readonly bufferBytes: number;
  /** Everything the process is expected to take at most; with the arena, unless that lies on a device of its own. */
  readonly totalBytes: number;
  /** Bytes on such a device. */
  readonly deviceBytes: number;
  /** Maps kept on the disk between segments, and the raster of valid pixels, bytes. */
  readonly scratchBytes: number;
  readonly flops: number;
}

export interface PlanOptions {
  /** Bytes the whole process may take. */
  readonly maxMemory: number;
  /** Bytes of a device with memory of its own, where tiles are computed; without it they are computed in the process's. */
  readonly deviceMemory?: number;
  /** Taken already (parameters included), and what comes without being planned (garbage, caches of readers). */
  readonly baseBytes: number;
  /** Side of the tiles; default: as large as fits. */
  readonly tile?: number;
  /** Height and width of the tiles of each segment, where an interrupted prediction has chosen them. */
  readonly tiles?: readonly (readonly [number, number])[];
}

/** What is taken already differs by this much between two starts of the same process. */
const SLACK = 32 * 2 ** 20;

/** Rows and columns of a tile that are tried. */
const SIDES = [
  1, 2, 4, 6, 8, 10, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512,
];

/** The output that says how many bands of each pixel lie on a bound. */
export const CLAMPED = 'clamped';

/** The network over the whole scene: nothing is computed at this size. */
export function sceneGraph(spec: ModelSpec, height: number, width: number): Graph {
  const builder = new GraphBuilder();
  const { output, clamped } = buildModel(builder, spec, builder.input('input', [1, height, width, spec.inBands]));
  builder.output('prediction', output);
  if (clamped !== undefined) builder.output(CLAMPED, clamped);
  return prune(builder.build());
}

/** Values that a segment's tiles write: maps, sources of means, results. */
export function targetsOf(segment: Segment): ValueId[] {
  return [...new Set([...segment.maps, ...segment.means.map(({ source }) => source), ...segment.results])];
}

/** The parts of all targets that belong to a tile. */
export function wantedOf(scene: SegmentedGraph, segment: Segment, grid: TileGrid, tile: Region): Map<ValueId, Region> {
  const wanted = new Map<ValueId, Region>();
  for (const id of targetsOf(segment)) {
    const share = shareOf(grid, scene.layouts.get(id)!, tile);
    if (share !== undefined) wanted.set(id, share);
  }
  return wanted;
}

/** Whether tiles must be full rows. */
const isRaster = (scene: SegmentedGraph): boolean => [...scene.layouts.values()].some(({ kind }) => kind === 'line');

/**
 * Plans a stage. Throws an out-of-memory error that says what would fit.
 *
 * @param programs knows the arena that a tile needs
 */
export function planStage(
  spec: ModelSpec,
  height: number,
  width: number,
  programs: TilePrograms,
  options: PlanOptions,
): StagePlan {
  const scene = segmentGraph(sceneGraph(spec, height, width));
  const wide = isRaster(scene);
  const fixed = options.baseBytes;
  const deviceLimit = options.deviceMemory ?? Number.POSITIVE_INFINITY;
  let [arenaBytes, bufferBytes] = [0, 0];
  const segments: SegmentPlan[] = [];
  // the last segment makes the output and takes the most; the others use the same memory
  for (const segment of [...scene.segments].reverse()) {
    const tried = new Map<number, SegmentPlan>();
    const attempt = (side: number): SegmentPlan => {
      if (!tried.has(side)) {
        const grid = evenGrid(makeGrid(height, width, side, wide ? width : side), options.tile !== undefined);
        tried.set(side, planSegment(scene, segment, grid, programs));
      }
      return tried.get(side)!;
    };
    const total = (plan: SegmentPlan) =>
      needs(fixed, Math.max(arenaBytes, plan.arenaBytes), Math.max(bufferBytes, plan.bufferBytes), options);
    const fits = (side: number) => {
      const { host, device } = total(attempt(side));
      return host <= options.maxMemory && device <= deviceLimit;
    };
    const chosen = options.tiles?.[segment.index];
    const plan =
      chosen === undefined
        ? attempt(chooseSide(fits, Math.max(height, wide ? 1 : width), options, () => total(attempt(1))))
        : planSegment(scene, segment, makeGrid(height, width, ...chosen), programs);
    arenaBytes = Math.max(arenaBytes, plan.arenaBytes);
    bufferBytes = Math.max(bufferBytes, plan.bufferBytes);
    segments.unshift(plan);
  }
  const { host: totalBytes, device: deviceBytes } = needs(fixed, arenaBytes, bufferBytes, options);
  if (deviceBytes > deviceLimit) throw beyondDevice(deviceBytes, deviceLimit);
  if (options.tiles !== undefined && totalBytes > options.maxMemory + SLACK)
    throw new BandliftError(
      'the tiles of the interrupted prediction do not fit into the memory allowed',
      {
        field: 'max-memory',
        found: formatBytes(options.maxMemory),
        expected: formatBytes(totalBytes),
        hint: 'allow as much as before, or begin again with --restart',
      },
      EXIT.outOfMemory,
    );
  return {
    spec,
    scene,
    segments,
    arenaBytes,
    bufferBytes,
    totalBytes,
    deviceBytes,
    scratchBytes: scratchBytes(scene, height * width),
    flops: segments.reduce((sum, { flops }) => sum + flops, 0),
  };
}

interface Needs {
  /** Bytes of the process, and of a device with memory of its own. */
  readonly host: number;
  readonly device: number;
}

/** Where a tile's memory lies: the arena on the device that has its own, all else in the process. */
function needs(fixed: number, arena: number, buffers: number, { deviceMemory }: PlanOptions): Needs {
  return deviceMemory === undefined
    ? { host: fixed + buffers + arena, device: 0 }
    : { host: fixed + buffers, device: arena };
}

const beyondDevice = (needed: number, limit: number) =>
  new BandliftError(
    "the tiles do not fit into the device's memory",
    {
      field: '--device',
      found: formatBytes(limit),
      expected: `at least ${formatBytes(needed)}`,
      hint: 'wait until others have left it, give smaller tiles (--tile, --restart), another GPU or --device cpu',
    },
    EXIT.outOfMemory,
  );

function chooseSide(
  fits: (side: number) => boolean,
  longest: number,
  options: PlanOptions,
  least: () => Needs,
): number {
  const candidates = SIDES.filter((_, i) => i === 0 || SIDES[i - 1]! < longest);
  let [low, high] = [0, candidates.length];
  // the first that does not fit; memory grows with the side
  while (low < high) {
    const middle = (low + high) >> 1;
    if (fits(candidates[middle]!)) low = middle + 1;
    else high = middle;
  }
  const limit = formatBytes(options.maxMemory);
  if (low === 0) {
    const { host, device } = least();
    if (host <= options.maxMemory) throw beyondDevice(device, options.deviceMemory ?? 0);
    throw new BandliftError(
      'not even the smallest tile fits into the memory allowed',
      { field: 'max-memory', found: limit, expected: `at least ${formatBytes(host)}` },
      EXIT.outOfMemory,
    );
  }
  const largest = candidates[low - 1]!;
  const { tile } = options;
  if (tile === undefined || tile <= largest) return tile ?? largest;
  if (!fits(tile))
    throw new BandliftError(
      'tiles of this size do not fit into the memory allowed',
      { field: 'tile', found: tile, hint: `tiles of ${largest} pixels fit into ${limit}; or raise --max-memory` },
      EXIT.outOfMemory,
    );
  return tile;
}

/** Tiles of about equal size instead of a narrow rest, with even sides, so that resampling falls alike in all of them. */
function evenGrid(grid: TileGrid, asked: boolean): TileGrid {
  if (asked) return grid;
  const even = (size: number, parts: number) => Math.ceil(size / parts / 2) * 2;
  const { height, width, rows, columns } = grid;
  const tileWidth = columns === 1 ? width : Math.min(grid.tileWidth, even(width, columns));
  return makeGrid(height, width, rows === 1 ? height : Math.min(grid.tileHeight, even(height, rows)), tileWidth);
}

/** Tiles at the borders and in the middle: the largest that a tile can need is among them. */
function representatives(grid: TileGrid): number[] {
  const spots = (count: number) =>
    [...new Set([0, 1, count >> 1, count - 2, count - 1])].filter((i) => i >= 0 && i < count);
  return spots(grid.rows).flatMap((row) => spots(grid.columns).map((column) => row * grid.columns + column));
}

const bytesOf = (parts: TileGraph['reads']): number => parts.reduce((sum, { shape }) => sum + 4 * elements(shape), 0);

function planSegment(scene: SegmentedGraph, segment: Segment, grid: TileGrid, programs: TilePrograms): SegmentPlan {
  let largest: { tile: TileGraph; wanted: Map<ValueId, Region>; region: Region; bytes: number } | undefined;
  for (const index of representatives(grid)) {
    const region = tileRegion(grid, index);
    const wanted = wantedOf(scene, segment, grid, region);
    if (wanted.size === 0) continue;
    const tile = tileGraph(scene, segment, wanted);
    const bytes = bytesOf(tile.reads) + bytesOf(tile.writes);
    if (largest === undefined || bytes > largest.bytes) largest = { tile, wanted, region, bytes };
  }
  const { tile, wanted, region } = largest!;
  const share = area(region) / (grid.height * grid.width);
  return {
    segment,
    grid,
    halo: haloOf(scene, tile, region),
    arenaBytes: programs.arenaBytes(tile),
    // this tile and the next one's reads, results as computed and without their halo, input as it comes from the file
    bufferBytes: 2 * bytesOf(tile.reads) + 2 * bytesOf(tile.writes) + 2 * inputBytes(scene, tile),
    flops: Math.round(graphCost(tile.graph).flops / share),
    largest: { tile, wanted },
  };
}

const inputBytes = ({ graph }: SegmentedGraph, tile: TileGraph): number =>
  bytesOf(tile.reads.filter(({ value }) => graph.values[value]!.role === 'input'));

/** In pixels of the scene, over all that the tile reads. */
function haloOf(scene: SegmentedGraph, tile: TileGraph, region: Region): number {
  const input = scene.graph.values.find((value) => value.role === 'input')!;
  let halo = 0;
  for (const { value, region: part } of tile.reads) {
    const { kind, h, w } = scene.layouts.get(value)!;
    if (kind === 'line' || h === 1) continue;
    const [sy, sx] = [input.shape[1] / h, input.shape[2] / w];
    halo = Math.max(halo, region.y0 - part.y0 * sy, part.y1 * sy - region.y1);
    halo = Math.max(halo, region.x0 - part.x0 * sx, part.x1 * sx - region.x1);
  }
  return Math.ceil(halo);
}

/** Maps of all segments, and one byte for every pixel where there is more than one pass. */
function scratchBytes({ graph, segments }: SegmentedGraph, pixels: number): number {
  const maps = segments.flatMap(({ maps }) => maps);
  const bytes = maps.reduce((sum, id) => sum + 4 * elements(graph.values[id]!.shape), 0);
  return bytes + (segments.length > 1 ? pixels : 0);
}

export const stageTiles = (plan: StagePlan): number =>
  plan.segments.reduce((sum, { grid }) => sum + tileCount(grid), 0);
