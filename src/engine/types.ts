/** The seam between training/prediction and the engine: batches and numbers in, numbers out. Implemented by session.ts. */
import type { ModelSpec } from '../models/spec.js';
import type { RankGroup } from '../ranks/group.js';
import type { LossScaleState } from './loss_scale.js';
import type { Precision } from './precision.js';

export interface LossWeights {
  readonly l1: number;
  readonly l2: number;
  readonly sam: number;
  readonly gradient: number;
}

/** Stage 1's combination (docs/specification.md, section 2). */
export const COMBINED_LOSS: LossWeights = { l1: 1, l2: 0, sam: 0.1, gradient: 0.1 };

/** Stage 2's (docs/specification.md, section 2). */
export const SPATIAL_LOSS: LossWeights = { l1: 1, l2: 0, sam: 0.05, gradient: 0 };

export interface AdamOptions {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
}

export interface SessionOptions {
  readonly model: ModelSpec;
  readonly loss: LossWeights;
  readonly adam?: AdamOptions;
  /** Size of the input patches in pixels; targets and masks have the model's output size (models/index.ts outputSize). */
  readonly height: number;
  readonly width: number;
  /** Largest batch a step will be given. */
  readonly batchSize: number;
  /** 1 = a good band, 0 = left out of the loss; length outBands. */
  readonly bandMask?: Float32Array;
  /** Whether batches say of each patch which bands are good, instead of `bandMask`. Such patches are not held on the device. */
  readonly patchBands?: boolean;
  /** Whether batches carry a pixel mask. */
  readonly pixelMask?: boolean;
  /** Keep an exponential moving average of the parameters. */
  readonly ema?: boolean;
  readonly device?: {
    readonly kind: 'auto' | 'cpu' | 'cuda';
    /** CUDA's number of the GPU; default: the first that can be used. */
    readonly index?: number;
    /** Default: fp32 on the CPU, on CUDA tf32 where the GPU has it. */
    readonly precision?: Precision;
    /** CUDA: only kernels whose results do not vary from run to run. Default true. */
    readonly deterministic?: boolean;
    readonly threads?: number;
    readonly isa?: 'auto' | 'avx512' | 'avx2' | 'baseline';
  };
  /** 'infer' leaves out gradients and moments: `step` and `gradients` are refused. Default 'train'. */
  readonly mode?: 'train' | 'infer';
  /**
   * The ranks this session trains with: every rank gives its part of a batch (which may be empty) to `step` and `evaluate`, in
   * the same order, and gets the results of the whole batch. Everything else is of this rank alone.
   */
  readonly ranks?: RankGroup;
  /** Bytes for everything the engine allocates (arena, parameters, moments, staging). A batch that does not fit is split. */
  readonly maxMemory?: number;
}

export interface Batch {
  /** Patches in this batch (<= SessionOptions.batchSize). */
  readonly size: number;
  /** [size, h, w, inBands], normalised. */
  readonly input: Float32Array;
  /** [size, H, W, outBands], normalised; H x W is the output size. */
  readonly target: Float32Array;
  /** [size, H, W], 1 = valid. Present exactly when SessionOptions.pixelMask. */
  readonly mask?: Float32Array;
  /** [size, outBands], 1 = a good band of this patch. Present exactly when SessionOptions.patchBands. */
  readonly bandMask?: Float32Array;
  /** Number of valid pixels over the whole batch. */
  readonly validPixels: number;
}

/** How many patches a device holds; inputs may be more where targets have several (stage 2's mixture). */
export interface HeldSize {
  readonly inputs: number;
  readonly targets: number;
}

/** A batch of patches that the device holds (Session.hold). */
export interface HeldBatch {
  readonly size: number;
  /** [size, 3]: place among the held inputs, place among the held targets, turn 0..7 (data/assemble.ts). */
  readonly places: Float64Array;
  /** Number of valid pixels over the whole batch. */
  readonly validPixels: number;
}

export interface LossTerms {
  readonly total: number;
  readonly l1: number;
  readonly l2: number;
  /** Radians. */
  readonly sam: number;
  readonly gradient: number;
}

export interface StepScalars {
  readonly learningRate: number;
  /** 1-based number of this optimizer step, for Adam's bias correction. */
  readonly step: number;
  /** 0 = no clipping. */
  readonly maxNorm: number;
  /** Decay of the moving average at this step. */
  readonly emaDecay: number;
}

/** Of an evaluation or a step. */
export interface BatchLoss extends LossTerms {
  /** With ranks: the number of valid pixels over the whole batch. */
  readonly validPixels?: number;
}

export interface StepResult extends BatchLoss {
  /** L2 norm of the whole gradient before clipping. */
  readonly gradNorm: number;
  /** False when the loss or the gradient held NaN or infinity: the parameters were then left untouched. */
  readonly finite: boolean;
  /** fp16: the gradient overflowed; the step was left out and the loss scale halved. Loss and norm may not be finite. */
  readonly skipped?: boolean;
  /** Where the prediction was first not finite, if it was: patch in the (whole) batch, row, column, band. */
  readonly firstBad?: { readonly patch: number; readonly y: number; readonly x: number; readonly band: number };
}

export interface MemoryPlan {
  /** Patches computed at once; smaller than the batch when memory is limited. */
  readonly microBatch: number;
  readonly arenaBytes: number;
  readonly parameterBytes: number;
  /** Gradients, moments, moving average. */
  readonly optimizerBytes: number;
  /** All of the above. */
  readonly totalBytes: number;
  /** What may be taken altogether; what is left of it can hold patches. */
  readonly limitBytes: number;
}

/** By PyTorch's names, as `read` gives them; `ema` where the session keeps one. */
export interface Snapshot {
  readonly parameters: Map<string, Float32Array>;
  readonly m: Map<string, Float32Array>;
  readonly v: Map<string, Float32Array>;
  readonly ema?: Map<string, Float32Array>;
}

export interface Session {
  readonly options: SessionOptions;
  readonly plan: MemoryPlan;
  readonly deviceName: string;
  readonly deviceKind: 'cpu' | 'cuda';
  /** PyTorch names and shapes in named_parameters() order. `frozen` ones are not trained. */
  readonly parameters: readonly {
    readonly name: string;
    readonly shape: readonly number[];
    readonly frozen: boolean;
  }[];
  /** Starts all parameters as PyTorch would (regression weights and moments at 0), from this seed; `ema` becomes a copy. */
  initialize(seed: number): void;
  /**
   * Makes room on the device for patches that are used again and again. False where they do not fit beside the plan (or the
   * device has less memory than it said): then batches come with their numbers. Once in a session.
   */
  hold(size: HeldSize): boolean;
  /**
   * Writes a part of a held patch, or of several at places that follow each other: `input` or `target` [h, w, bands]
   * normalised, `mask` [h, w] at the target's place. Goes on beside a running step, which must not use these places; the
   * array must not be touched until it is done.
   */
  keep(part: 'input' | 'target' | 'mask', place: number, values: Float32Array): Promise<void>;
  step(batch: Batch | HeldBatch, scalars: StepScalars): Promise<StepResult>;
  /** Forward and loss only. `ema` uses the moving average. */
  evaluate(batch: Batch | HeldBatch, ema?: boolean): Promise<BatchLoss & { finite: boolean }>;
  /** [size, H, W, outBands], normalised. */
  predict(input: Float32Array, size: number, ema?: boolean): Promise<Float32Array>;
  /** Gradients of the loss by name (for `verify` and tests); parameters stay as they are. With 'input' as an extra entry when asked. */
  gradients(
    batch: Batch,
    withInput?: boolean,
  ): Promise<{ loss: LossTerms; output: Float32Array; gradients: Map<string, Float32Array> }>;
  /** 'ema' holds frozen parameters as they are; 'm' and 'v' only trained ones. */
  read(what: 'parameters' | 'm' | 'v' | 'ema'): Map<string, Float32Array>;
  /**
   * Everything a checkpoint holds as it is after the calls before this one. Resolves when it is safe from the calls after it,
   * to a function that has the numbers, which a GPU gives while it computes on.
   */
  snapshot(): Promise<() => Promise<Snapshot>>;
  /** Writes the parameters that are named and leaves the others; names and sizes are checked. */
  write(what: 'parameters' | 'm' | 'v' | 'ema', values: ReadonlyMap<string, Float32Array>): void;
  /** State of dynamic loss scaling (fp16), part of a checkpoint; undefined in other precisions. */
  lossScale(): LossScaleState | undefined;
  setLossScale(state: LossScaleState): void;
  /** Stops a running step or prediction before its next instruction (rejects with code ERR_ABORTED). */
  abort(): void;
  dispose(): void;
}
