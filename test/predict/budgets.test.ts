/** Tiles under two limits: the process's memory, and that of a device which has its own. */
import { describe, expect, it } from 'vitest';
import { elements } from '../../src/graph/ir.js';
import type { ModelSpec } from '../../src/models/spec.js';
import { planStage } from '../../src/predict/stage_plan.js';
import type { TilePrograms } from '../../src/tiling/tile_programs.js';

const RIDGE: ModelSpec = { kind: 'ridge', inBands: 7, outBands: 100 };
const SIDE = 512;
/** An arena of 1000 bytes for each number that a tile reads: far more than its buffers take. */
const programs = {
  arenaBytes: (tile: { reads: readonly { shape: readonly [number, number, number, number] }[] }) =>
    tile.reads.reduce((sum, { shape }) => sum + 1000 * elements(shape), 0),
} as unknown as TilePrograms;
const GIB = 2 ** 30;

const plan = (maxMemory: number, deviceMemory?: number) =>
  planStage(RIDGE, SIDE, SIDE, programs, {
    maxMemory,
    baseBytes: 2 ** 20,
    ...(deviceMemory === undefined ? {} : { deviceMemory }),
  });

describe('memory of process and device', () => {
  it('in one memory the arena counts with the buffers', () => {
    const one = plan(GIB);
    expect(one.totalBytes).toBe(2 ** 20 + one.arenaBytes + one.bufferBytes);
    expect(one.totalBytes).toBeLessThanOrEqual(GIB);
    expect(one.deviceBytes).toBe(0);
    // 512 x 512 pixels of 7 numbers would take 1.8 GiB
    expect(one.segments[0]!.grid.tileHeight).toBeLessThan(SIDE);
  });

  it('a device with room takes tiles that the process could not', () => {
    const two = plan(GIB, 80 * GIB);
    expect(two.segments[0]!.grid.tileHeight).toBe(SIDE);
    expect(two.deviceBytes).toBe(1000 * 7 * SIDE * SIDE);
    expect(two.totalBytes).toBe(2 ** 20 + two.bufferBytes);
  });

  it('--max-memory of a large machine does not overfill a small device', () => {
    const small = plan(64 * GIB, GIB);
    expect(small.deviceBytes).toBeLessThanOrEqual(GIB);
    expect(small.segments[0]!.grid.tileHeight).toBeLessThan(SIDE);
  });

  it('says which of the two is too small', () => {
    expect(() => plan(64 * GIB, 6999)).toThrow(
      /--device: the tiles do not fit into the device's memory; found .*--device cpu/,
    );
    expect(() => plan(2 ** 20, 64 * GIB)).toThrow(
      /max-memory: not even the smallest tile fits into the memory allowed/,
    );
  });
});
