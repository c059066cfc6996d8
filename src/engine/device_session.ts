/**
 * A session over a device: compiled programs over shared buffers. A step zeroes the gradients, runs the micro-batches one
 * after another (their gradients add up), then norm, clipping and Adam. Calls are queued: one runs at a time.
 */
import type { NativeDevice, NativeProgram } from '../../bindings/addon.js';
import { BandliftError, EXIT } from '../base/errors.js';
import { parts } from '../compiler/micro_batch.js';
import { checkLossWeights } from '../graph/combined_loss.js';
import { SCALAR_COUNT, SCALARS } from '../graph/ops/optimizer.js';
import { LOSS_TERMS } from '../graph/ops/spectral_loss.js';
import { modelParameters, outputSize } from '../models/index.js';
import { checkBatch, sampleViews } from './batch.js';
import { HeldPatches, heldBytes, type PatchPart } from './held_patches.js';
import { INITIAL_LOSS_SCALE, type LossScaleState, nextLossScale } from './loss_scale.js';
import { DEFAULT_ADAM, planSession, planTarget, roomForPatches } from './memory_plan.js';
import { ParameterSnapshot } from './parameter_snapshot.js';
import { type Kept, ParameterStore } from './parameter_store.js';
import { ProgramCache } from './program_cache.js';
import { isLossScaled, type SampleProgram, sampleProgram } from './programs.js';
import { firstBad, lossTerms } from './readout.js';
import { RunQueue } from './run_queue.js';
import { BUFFER, ParameterStorage } from './storage.js';
import type {
  Batch,
  BatchLoss,
  HeldBatch,
  HeldSize,
  LossTerms,
  MemoryPlan,
  Session,
  SessionOptions,
  Snapshot,
  StepResult,
  StepScalars,
} from './types.js';

interface Accumulated {
  readonly terms: LossTerms;
  readonly firstBad: StepResult['firstBad'];
}

/** With ranks also of how many pixels. */
type Agreed = Accumulated & { readonly validPixels?: number };

export class DeviceSession implements Session {
  readonly options: SessionOptions;
  readonly plan: MemoryPlan;
  readonly deviceName: string;
  readonly deviceKind: Session['deviceKind'];
  readonly parameters: Session['parameters'];
  readonly #device: NativeDevice;
  readonly #storage: ParameterStorage;
  readonly #store: ParameterStore;
  readonly #programs: ProgramCache;
  #held: HeldPatches | undefined;
  #snapshot: ParameterSnapshot | 'no room' | undefined;
  readonly #scalars = new Float32Array(SCALAR_COUNT);
  #lossScale: LossScaleState | undefined;
  /** On their way to the other ranks. */
  #gradients: Float32Array | undefined;
  readonly #queue = new RunQueue();

  constructor(device: NativeDevice, deviceName: string, options: SessionOptions) {
    checkOptions(options);
    this.options = options;
    this.deviceName = deviceName;
    this.deviceKind = device.info().kind;
    this.#device = device;
    this.#storage = new ParameterStorage(modelParameters(options.model));
    this.parameters = this.#storage.parameters.map(({ name, shape, frozen }) => ({ name, shape, frozen }));
    const target = planTarget(device, options.device?.precision);
    this.plan = planSession(options, this.#storage, target);
    this.#lossScale = isLossScaled(options) ? INITIAL_LOSS_SCALE : undefined;
    this.#store = new ParameterStore(device, this.#storage, options, this.plan.arenaBytes);
    this.#programs = new ProgramCache(
      device,
      this.#storage,
      options,
      this.#store.buffers,
      this.plan.arenaBytes,
      target,
    );
  }

  // ---- patches on the device ----

  hold(size: HeldSize): boolean {
    if (this.#held !== undefined) throw new BandliftError('this session holds patches already');
    if (this.options.patchBands === true) return false;
    if (heldBytes(this.options, size) > roomForPatches(this.plan)) return false;
    try {
      this.#held = new HeldPatches(this.#device, this.options, size);
    } catch (error) {
      if ((error as { code?: string }).code !== 'ERR_OUT_OF_MEMORY') throw error;
      return false;
    }
    this.#programs.hold(this.#held);
    return true;
  }

  async keep(part: PatchPart, place: number, values: Float32Array): Promise<void> {
    if (this.#held === undefined) throw new BandliftError('this session holds no patches');
    await this.#held.keep(part, place, values);
  }

  // ---- training ----

  step(batch: Batch | HeldBatch, scalars: StepScalars): Promise<StepResult> {
    return this.#queue.exclusive(async () => {
      this.#requireTraining('step');
      this.#check(batch);
      const alone = this.options.ranks === undefined;
      const whole = alone && this.#storage.trainedLength > 0 && batch.size <= this.plan.microBatch;
      const { terms, firstBad, gradNorm, validPixels } = await (whole
        ? this.#wholeStep(batch, scalars)
        : this.#parts(batch, scalars));
      const finite = Number.isFinite(terms.total) && Number.isFinite(gradNorm);
      const result = {
        ...terms,
        gradNorm,
        ...(firstBad === undefined ? {} : { firstBad }),
        ...(validPixels === undefined ? {} : { validPixels }),
      };
      if (this.#lossScale === undefined) return { ...result, finite };
      // at scale 1 nothing was scaled: what is not finite then is not for want of range
      const skipped = !finite && this.#lossScale.scale > 1;
      this.#lossScale = nextLossScale(this.#lossScale, !finite);
      return { ...result, finite: finite || skipped, skipped };
    });
  }

  /** Everything in one run. */
  async #wholeStep(batch: Batch | HeldBatch, scalars: StepScalars): Promise<Agreed & { gradNorm: number }> {
    const terms = new Float64Array(LOSS_TERMS);
    const norm = new Float64Array(1);
    const views = [...this.#views(batch, 0, batch.size), this.#lossInput(batch), this.#scalarsOf(scalars)];
    await this.#queue.run(this.#programs.training(batch.size, isHeld(batch)), views, [terms, norm]);
    return { terms: lossTerms(terms), firstBad: firstBad(this.options, terms, 0), gradNorm: norm[0]! };
  }

  /** Micro-batch by micro-batch and rank by rank: their gradients add up, then comes the optimizer. */
  async #parts(batch: Batch | HeldBatch, scalars: StepScalars): Promise<Agreed & { gradNorm: number }> {
    if (this.#storage.trainedLength > 0) await this.#queue.run(this.#programs.fixed('zero'), [], []);
    const sums = await this.#agreedLoss('step', batch, false);
    await this.#sumGradients();
    const norm = new Float64Array(1);
    if (this.#storage.trainedLength > 0) {
      // a loss that is not finite must not move the parameters even if its gradient is: then only the norm is wanted
      this.#store.buffers[BUFFER.scalars]!.write(this.#scalarsOf(scalars));
      const program = Number.isFinite(sums.terms.total) ? 'optimizer' : 'norm';
      await this.#queue.run(this.#programs.fixed(program), [], [norm]);
    }
    return { ...sums, gradNorm: norm[0]! };
  }

  /** Number of valid pixels and, in fp16, what the loss's gradient is multiplied by. */
  #lossInput(batch: Batch | HeldBatch): Float64Array {
    return this.#lossScale === undefined
      ? Float64Array.of(batch.validPixels)
      : Float64Array.of(batch.validPixels, this.#lossScale.scale);
  }

  /** The loss of the whole batch, of which this rank has a part. */
  async #agreedLoss(kind: 'step' | 'evaluate', part: Batch | HeldBatch, ema: boolean): Promise<Agreed> {
    const { ranks } = this.options;
    if (ranks === undefined) return this.#loss(kind, part, ema);
    // a mean over the whole batch's pixels: what a micro-batch is divided by when one process computes it
    const validPixels = (await ranks.rows([part.validPixels])).reduce((sum, [own]) => sum + own!, 0);
    const { terms, firstBad: bad } = await this.#loss(kind, { ...part, validPixels }, ema);
    const { total, l1, l2, sam, gradient } = terms;
    const rows = await ranks.rows([
      total,
      l1,
      l2,
      sam,
      gradient,
      ...(bad ? [bad.patch, bad.y, bad.x, bad.band] : NONE),
    ]);
    const sum = (column: number) => rows.reduce((all, row) => all + row[column]!, 0);
    const at = rows.findIndex((row) => row[5]! >= 0);
    const [patch, y, x, band] = rows[at]?.subarray(5) ?? NONE;
    return {
      terms: { total: sum(0), l1: sum(1), l2: sum(2), sam: sum(3), gradient: sum(4) },
      firstBad: at < 0 ? undefined : { patch: at * this.options.batchSize + patch!, y: y!, x: x!, band: band! },
      validPixels,
    };
  }

  /** Adds up the gradients of all ranks. */
  async #sumGradients(): Promise<void> {
    const { ranks } = this.options;
    if (ranks === undefined || this.#storage.trainedLength === 0) return;
    this.#gradients ??= new Float32Array(this.#storage.trainedLength);
    const buffer = this.#store.buffers[BUFFER.gradients]!;
    await buffer.readAsync(this.#gradients);
    await ranks.sum(this.#gradients);
    await buffer.writeAsync(this.#gradients);
  }

  async #loss(kind: 'step' | 'evaluate', batch: Batch | HeldBatch, ema: boolean): Promise<Accumulated> {
    const sums = new Float64Array(LOSS_TERMS);
    const part = new Float64Array(LOSS_TERMS);
    let bad: StepResult['firstBad'];
    for (const { start, count } of parts(batch.size, this.plan.microBatch)) {
      const views = this.#views(batch, start, count);
      const program = this.#program(kind, count, ema, isHeld(batch));
      await this.#queue.run(program, [...views, this.#lossInput(batch)], [part]);
      for (let i = 0; i < 5; i++) sums[i]! += part[i]!;
      bad ??= firstBad(this.options, part, start);
    }
    return { terms: lossTerms(sums), firstBad: bad };
  }

  #scalarsOf({ learningRate, step, maxNorm, emaDecay }: StepScalars): Float32Array {
    const { beta1, beta2 } = this.options.adam ?? DEFAULT_ADAM;
    const s = this.#scalars;
    s[SCALARS.learningRate] = learningRate;
    s[SCALARS.biasCorrection1] = 1 - beta1 ** step;
    s[SCALARS.biasCorrection2] = 1 - beta2 ** step;
    s[SCALARS.emaDecay] = emaDecay;
    s[SCALARS.maxNorm] = maxNorm;
    s[SCALARS.gradScale] = 0;
    s[SCALARS.lossScale] = this.#lossScale?.scale ?? 1;
    return s;
  }

  // ---- evaluation ----

  evaluate(batch: Batch | HeldBatch, ema = false): Promise<BatchLoss & { finite: boolean }> {
    return this.#queue.exclusive(async () => {
      this.#check(batch);
      const { terms, validPixels } = await this.#agreedLoss('evaluate', batch, ema);
      const loss = validPixels === undefined ? terms : { ...terms, validPixels };
      return { ...loss, finite: Number.isFinite(terms.total) };
    });
  }

  predict(input: Float32Array, size: number, ema = false): Promise<Float32Array> {
    return this.#queue.exclusive(async () => {
      const { height, width, model } = this.options;
      const expected = size * height * width * model.inBands;
      if (input.length !== expected) {
        throw new BandliftError('predict: wrong number of values', { field: 'input', found: input.length, expected });
      }
      const output = outputSize(model, height, width);
      const [inNumbers, outNumbers] = [height * width * model.inBands, output.height * output.width * model.outBands];
      const prediction = new Float32Array(size * outNumbers);
      for (const { start, count } of parts(size, this.plan.microBatch)) {
        const slice = (array: Float32Array, numbers: number) =>
          array.subarray(start * numbers, (start + count) * numbers);
        const program = this.#program('predict', count, ema);
        await this.#queue.run(program, [slice(input, inNumbers)], [slice(prediction, outNumbers)]);
      }
      return prediction;
    });
  }

  gradients(batch: Batch, withInput = false): ReturnType<Session['gradients']> {
    return this.#queue.exclusive(async () => {
      this.#requireTraining('gradients');
      checkBatch(batch, this.options);
      const kind = withInput ? 'gradients_input' : 'gradients';
      const named = sampleProgram(kind, batch.size, this.options);
      // everything at once, in an arena of its own: this is for checks, not for training
      const { program, dispose } = this.#programs.apart(named);
      try {
        const terms = new Float64Array(LOSS_TERMS);
        const output = new Float32Array(batch.target.length);
        const inputGradient = new Float32Array(withInput ? batch.input.length : 0);
        if (this.#storage.trainedLength > 0) await this.#queue.run(this.#programs.fixed('zero'), [], []);
        const views = sampleViews(batch, this.options, 0, batch.size);
        const outputs = [terms, output, ...(withInput ? [inputGradient] : [])];
        await this.#queue.run(program, [...views, this.#lossInput(batch)], outputs);
        const gradients = this.#store.readFlat(BUFFER.gradients);
        if (withInput) gradients.set('input', inputGradient);
        const scale = this.#lossScale?.scale ?? 1;
        for (const values of gradients.values()) for (let i = 0; i < values.length; i++) values[i]! /= scale;
        return { loss: lossTerms(terms), output, gradients };
      } finally {
        dispose();
      }
    });
  }

  // ---- parameters ----

  initialize(seed: number): void {
    this.#queue.requireIdle('initialize');
    this.#store.initialize(seed);
  }

  read(what: Kept): Map<string, Float32Array> {
    this.#queue.requireIdle('read');
    return this.#store.read(what);
  }

  snapshot(): Promise<() => Promise<Snapshot>> {
    return this.#queue.exclusive(async () => {
      this.#requireTraining('snapshot');
      const kept = this.#store.kept();
      const together = (values: readonly Map<string, Float32Array>[]) =>
        Object.fromEntries(kept.map(([what], i) => [what, values[i]!])) as unknown as Snapshot;
      const copies = this.#copies();
      if (copies === undefined) {
        const now = together(kept.map(([what]) => this.#store.read(what)));
        return async () => now;
      }
      const read = await copies.take((program) => this.#queue.run(program, [], []));
      return async () =>
        together((await read()).map((flat, i) => this.#store.named(kept[i]![0], this.#store.parts(flat))));
    });
  }

  /** Room for a copy on the device, made at the first snapshot; undefined where there is none, or nothing to gain. */
  #copies(): ParameterSnapshot | undefined {
    if (this.deviceKind === 'cpu' || this.#storage.trainedLength === 0) return undefined;
    if (this.#snapshot === undefined) {
      const which = this.#store.kept().map(([, buffer]) => buffer);
      try {
        const { buffers } = this.#store;
        this.#snapshot = new ParameterSnapshot(this.#device, buffers, which, this.#storage.trainedLength);
      } catch (error) {
        if ((error as { code?: string }).code !== 'ERR_OUT_OF_MEMORY') throw error;
        this.#snapshot = 'no room';
      }
    }
    return this.#snapshot === 'no room' ? undefined : this.#snapshot;
  }

  write(what: Kept, values: ReadonlyMap<string, Float32Array>): void {
    this.#queue.requireIdle('write');
    this.#store.write(what, values);
  }

  lossScale(): LossScaleState | undefined {
    return this.#lossScale;
  }

  setLossScale(state: LossScaleState): void {
    this.#queue.requireIdle('setLossScale');
    if (this.#lossScale === undefined) throw new BandliftError('only fp16 has a loss scale', { field: 'lossScale' });
    this.#lossScale = state;
  }

  // ---- running ----

  #program(kind: SampleProgram, samples: number, ema: boolean, fed = false): NativeProgram {
    if (ema && this.options.ema !== true) throw new BandliftError('this session keeps no moving average');
    return this.#programs.samples(kind, samples, { ema, fed });
  }

  #check(batch: Batch | HeldBatch): void {
    if (batch.size === 0 && this.options.ranks !== undefined) return; // another rank has this batch's patches
    if (!isHeld(batch)) checkBatch(batch, this.options);
    else if (this.#held === undefined) throw new BandliftError('this session holds no patches');
    else this.#held.check(batch);
  }

  /** The arrays of a part of a batch; a held one only says where its patches are. */
  #views(batch: Batch | HeldBatch, start: number, count: number): (Float32Array | Float64Array)[] {
    return isHeld(batch) ? [this.#held!.places(batch, start, count)] : sampleViews(batch, this.options, start, count);
  }

  abort(): void {
    this.#queue.abort();
  }

  #requireTraining(what: string): void {
    if (this.options.mode === 'infer') throw new BandliftError(`${what}: this session was made for prediction only`);
  }

  /** Seconds by instruction in each program's last run; empty unless BANDLIFT_PROFILE=1 was set. */
  profile(): Map<string, { label: string; op: string; seconds: number }[]> {
    return this.#programs.profile();
  }

  /** Why programs are not replayed from a recording, by name; empty where all are, and on the CPU. */
  unrecorded(): Map<string, string> {
    return this.#programs.unrecorded();
  }

  dispose(): void {
    if (!this.#queue.close()) return;
    this.#programs.dispose();
    if (this.#snapshot !== 'no room') this.#snapshot?.dispose();
    this.#store.dispose();
    this.#held?.dispose();
    this.#device.dispose();
  }
}

/** Instead of a place that is not finite. */
const NONE = [-1, 0, 0, 0] as const;

const isHeld = (batch: Batch | HeldBatch): batch is HeldBatch => 'places' in batch;

function checkOptions(options: SessionOptions): void {
  for (const field of ['height', 'width', 'batchSize'] as const) {
    if (!Number.isSafeInteger(options[field]) || options[field] < 1) {
      throw new BandliftError('must be a whole number of at least 1', { field, found: options[field] }, EXIT.usage);
    }
  }
  checkLossWeights(options.loss);
  const { bandMask, patchBands, model } = options;
  if (bandMask !== undefined && patchBands === true)
    throw new BandliftError('bands are good for all patches or for each', { field: 'bandMask' });
  if (bandMask !== undefined && bandMask.length !== model.outBands) {
    throw new BandliftError('wrong length', { field: 'bandMask', found: bandMask.length, expected: model.outBands });
  }
}
