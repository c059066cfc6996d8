/** Tells the plan, and how far a prediction has come: rate and time left, on a bar or in lines. */

import { formatBytes } from '../base/bytes.js';
import type { Reporter } from '../base/reporter.js';
import { cubeBytes } from '../scenes/cube_description.js';
import type { PlannedStage, PredictionPlan } from './plan.js';
import type { SegmentPlan } from './stage_plan.js';
import { tileCount } from './tiles.js';

/** Without a terminal a line is printed this often, in seconds. */
const LINE_SECONDS = 15;

export class Monitor {
  readonly #reporter: Reporter;
  readonly #plan: PredictionPlan;
  readonly #stages: readonly PlannedStage[];
  #bar: { update(done: number, status: string): void; stop(): void } | undefined;
  #began = Date.now();
  #first: number | undefined;
  #told = 0;

  constructor(reporter: Reporter, plan: PredictionPlan) {
    this.#reporter = reporter;
    this.#plan = plan;
    this.#stages = plan.stages;
  }

  tellPlan(): void {
    const { line } = this.#reporter;
    const say = (text: string) => line.call(this.#reporter, text);
    say(`device       ${this.#plan.device}`);
    for (const { name, description, plan } of this.#stages) {
      const { height, width, bands, dataType, interleave } = description;
      say(
        `${name.padEnd(12)} ${plan.spec.kind} to ${height} x ${width} x ${bands} ${dataType} ${interleave}, ${formatBytes(cubeBytes(description))}`,
      );
      for (const [first, last] of alike(plan.segments)) {
        const { grid, halo } = plan.segments[first]!;
        const passes = first === last ? `pass ${first + 1}` : `passes ${first + 1} to ${last + 1}`;
        const of = plan.segments.length === 1 ? '1 pass' : `${passes} of ${plan.segments.length}`;
        say(
          `             ${of}: ${tileCount(grid)} tile${tileCount(grid) === 1 ? '' : 's'} of ${grid.tileHeight} x ${grid.tileWidth}, halo ${halo}`,
        );
      }
    }
    const { memoryBytes, deviceBytes, diskBytes } = this.#plan;
    say(
      `memory       ${formatBytes(memoryBytes)}${deviceBytes > 0 ? `, and ${formatBytes(deviceBytes)} of the device's` : ''}`,
    );
    say(`disk         ${formatBytes(diskBytes)} while it runs`);
    this.#reporter.event('plan', this.#facts());
  }

  #facts(): Record<string, unknown> {
    return {
      device: this.#plan.device,
      memory_bytes: this.#plan.memoryBytes,
      disk_bytes: this.#plan.diskBytes,
      stages: this.#stages.map(({ name, description, plan }) => ({
        stage: name,
        network: plan.spec.kind,
        height: description.height,
        width: description.width,
        bands: description.bands,
        output_bytes: cubeBytes(description),
        scratch_bytes: plan.scratchBytes,
        arena_bytes: plan.arenaBytes,
        buffer_bytes: plan.bufferBytes,
        flops: plan.flops,
        passes: plan.segments.map(({ grid, halo }) => ({
          tiles: tileCount(grid),
          tile_height: grid.tileHeight,
          tile_width: grid.tileWidth,
          halo,
        })),
      })),
    };
  }

  beginStage(stage: number): void {
    this.stop();
    const { plan, description, name } = this.#stages[stage]!;
    this.#began = Date.now();
    this.#first = undefined;
    const pixels = description.height * description.width;
    this.#bar = this.#reporter.progress(pixels, 'px');
    this.#reporter.event('stage', { stage: name, passes: plan.segments.length });
  }

  /** @param tiles done of the segment */
  update(stage: number, segment: SegmentPlan, tiles: number): void {
    const { plan, description, name } = this.#stages[stage]!;
    const earlier = plan.segments.slice(0, segment.segment.index).reduce((sum, { flops }) => sum + flops, 0);
    const share = (earlier + (segment.flops * tiles) / tileCount(segment.grid)) / Math.max(1, plan.flops);
    const now = Date.now();
    // a resumed stage begins somewhere
    this.#first ??= share - segment.flops / tileCount(segment.grid) / Math.max(1, plan.flops);
    const seconds = (now - this.#began) / 1000;
    const rate = (share - this.#first) / Math.max(seconds, 1e-3);
    const pixels = description.height * description.width;
    const megabytes = (rate * cubeBytes(description)) / 1e6;
    const pass = plan.segments.length > 1 ? `, pass ${segment.segment.index + 1} of ${plan.segments.length}` : '';
    const status = `${name}${pass}, ${megabytes.toFixed(1)} MB/s`;
    this.#bar?.update(Math.round(share * pixels), status);
    if (this.#reporter.isTerminal || now - this.#told < LINE_SECONDS * 1000) return;
    this.#told = now;
    const left = (1 - share) / Math.max(rate, 1e-12);
    this.#reporter.line(
      `${name}${pass}: ${(100 * share).toFixed(1)} %, ${Math.round(rate * pixels)} px/s, ${megabytes.toFixed(1)} MB/s, ${Math.ceil(left)} s left`,
    );
    this.#reporter.event('progress', { stage: name, pass: segment.segment.index + 1, share, seconds_left: left });
  }

  /** The stage is done. */
  endStage(stage: number): void {
    const { plan, name } = this.#stages[stage]!;
    const seconds = (Date.now() - this.#began) / 1000;
    this.stop();
    this.#reporter.line(`${name}: 100.0 %, ${seconds.toFixed(1)} s`);
    this.#reporter.event('progress', { stage: name, pass: plan.segments.length, share: 1, seconds_left: 0 });
  }

  stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }
}

/** Runs of segments with the same tiles and halo, first and last. */
function alike(segments: readonly SegmentPlan[]): [number, number][] {
  const runs: [number, number][] = [];
  const form = ({ grid, halo }: SegmentPlan) => `${grid.tileHeight} ${grid.tileWidth} ${halo}`;
  segments.forEach((plan, i) => {
    const run = runs.at(-1);
    if (run !== undefined && form(segments[run[0]]!) === form(plan)) run[1] = i;
    else runs.push([i, i]);
  });
  return runs;
}
