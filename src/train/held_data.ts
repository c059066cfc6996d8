/**
 * A run's patches on the device: written once before the first step, so that an epoch moves nothing but their numbers. Order,
 * turns and mixture are the loader's own, so a run ends with the same bits whether its patches are held or read anew.
 */

import { formatBytes } from '../base/bytes.js';
import { BandliftError, EXIT } from '../base/errors.js';
import type { Reporter } from '../base/reporter.js';
import { ownRange, type PatchReader, schedule } from '../data/loader.js';
import type { LoadedBatch, LoaderOptions } from '../data/types.js';
import { heldBytes } from '../engine/held_patches.js';
import { roomForPatches } from '../engine/memory_plan.js';
import type { Session } from '../engine/types.js';
import type { BatchSource, BatchSources, TrainingBatch } from './batch_source.js';
import type { TrainConfig } from './config.js';
import type { Mixture, TrainingData } from './data_setup.js';
import { stageBatches } from './staged_batches.js';

/** Where everything lies, once it is held. */
interface Inventory {
  readonly square: boolean;
  /** Place of each patch among the inputs and among the targets. */
  readonly places: ReadonlyMap<number, number>;
  /** Place of the mixture's other input of each training patch. */
  readonly others: ReadonlyMap<number, number>;
  /** Valid pixels, by place. */
  readonly valid: Float64Array;
}

class HeldData implements BatchSource {
  readonly #held: Inventory;
  readonly #mixture: Mixture | undefined;

  constructor(held: Inventory, mixture?: Mixture) {
    this.#held = held;
    this.#mixture = mixture;
  }

  async *batches(options: LoaderOptions): AsyncGenerator<TrainingBatch> {
    const { batchSize, startBatch = 0 } = options;
    const { square, places: known, others, valid } = this.#held;
    const { order, turns } = schedule(options, square);
    const isOther = this.#mixture?.choices(options);
    for (let start = startBatch * batchSize; start < order.length; start += batchSize) {
      const [first, end] = ownRange(options, start, order.length);
      const patches = order.slice(first, end);
      const whole = options.part ? { whole: order.slice(start, start + batchSize) } : {};
      const targets = patches.map((patch) => known.get(patch)!);
      const places = patches.flatMap((patch, i) => [
        isOther?.() ? others.get(patch)! : targets[i]!,
        targets[i]!,
        turns[first + i]!,
      ]);
      const validPixels = targets.reduce((sum, place) => sum + valid[place]!, 0);
      yield { size: patches.length, patches, ...whole, places: Float64Array.from(places), validPixels, release() {} };
    }
  }
}

/**
 * Where a run's batches come from. On a GPU, or where `--data-on-device on` asks for it, training and validation patches are
 * put on the device if they fit beside the plan; else they are read anew in every epoch, on a GPU uploaded a batch ahead.
 * Throws (exit 5) where `on` cannot be done.
 */
export async function batchSources(
  config: TrainConfig,
  data: TrainingData,
  session: Session,
  report: Reporter,
): Promise<BatchSources> {
  const wanted = config.data_on_device;
  const streamed = { training: data.training ?? data.reader, validation: data.reader };
  const onGpu = session.deviceKind === 'cuda';
  if (data.set.bandMasks && wanted === 'on')
    throw new BandliftError(
      'patches that differ in their good bands are not held on the device',
      {
        field: '--data-on-device',
        found: wanted,
        hint: 'leave the option out: they are then read anew in every epoch',
      },
      EXIT.usage,
    );
  if (data.set.bandMasks) return streamed;
  if (data.movable && wanted === 'on')
    throw new BandliftError(
      'random crops are not held on the device',
      { field: '--data-on-device', found: wanted, hint: 'leave out --data-on-device or --crop' },
      EXIT.usage,
    );
  if (!data.movable && (wanted === 'on' || (wanted === 'auto' && onGpu))) {
    const held = await holdData(config, data, session, report);
    if (held) return held;
  }
  if (!onGpu) return streamed;
  const stage = stageBatches(session);
  return stage ? { training: stage(streamed.training), validation: stage(streamed.validation) } : streamed;
}

async function holdData(
  config: TrainConfig,
  data: TrainingData,
  session: Session,
  report: Reporter,
): Promise<BatchSources | undefined> {
  const { train, validation } = data.split;
  const patches = [...train, ...validation];
  const places = new Map(patches.map((patch, i) => [patch, i]));
  const others = new Map(data.training ? train.map((patch, i) => [patch, patches.length + i]) : []);
  const size = { inputs: patches.length + others.size, targets: patches.length };
  const bytes = formatBytes(heldBytes(session.options, size));
  if (!session.hold(size)) {
    const what = `${bytes} of ${patches.length} patches do not fit on the device beside the plan`;
    if (config.data_on_device === 'on') throw doesNotFit(session, bytes, patches.length);
    report.line(`data: read anew in every epoch; ${what}`);
    return undefined;
  }
  const valid = new Float64Array(patches.length);
  await fill(config, data, data.reader, patches, async (batch, i) => {
    const place = places.get(batch.patches[i]!)!;
    await session.keep('input', place, part(batch.input, batch.size, i));
    await session.keep('target', place, part(batch.target, batch.size, i));
    const mask = batch.mask && part(batch.mask, batch.size, i);
    if (mask) await session.keep('mask', place, mask);
    valid[place] = mask ? mask.reduce((sum, m) => sum + m, 0) : batch.validPixels / batch.size;
  });
  if (data.training)
    await fill(config, data, data.training.other, train, (batch, i) =>
      session.keep('input', others.get(batch.patches[i]!)!, part(batch.input, batch.size, i)),
    );
  report.line(`data: ${patches.length} patches held on the device, ${bytes}`);
  const held = { square: data.set.height === data.set.width, places, others, valid };
  return { training: new HeldData(held, data.training), validation: new HeldData(held) };
}

function doesNotFit({ plan }: Session, found: string, patches: number): BandliftError {
  return new BandliftError(
    `${patches} patches do not fit on the device`,
    {
      field: '--data-on-device',
      found,
      expected: `at most ${formatBytes(roomForPatches(plan))} beside the ${formatBytes(plan.totalBytes)} planned`,
      hint: 'leave the option out: they are then read anew in every epoch',
    },
    EXIT.outOfMemory,
  );
}

/** Calls `keep` for every patch, as the loader delivers it without a turn. */
async function fill(
  config: TrainConfig,
  { normalization, masked }: TrainingData,
  reader: PatchReader,
  patches: readonly number[],
  keep: (batch: LoadedBatch, i: number) => Promise<void>,
): Promise<void> {
  const { input, target } = normalization;
  const options = { patches, batchSize: config.batch_size, normalize: { input, target }, mask: masked };
  for await (const batch of reader.batches(options)) {
    for (let i = 0; i < batch.size; i++) await keep(batch, i);
    batch.release();
  }
}

const part = (values: Float32Array, patches: number, i: number): Float32Array => {
  const length = values.length / patches;
  return values.subarray(i * length, (i + 1) * length);
};
