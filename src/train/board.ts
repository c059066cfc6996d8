/**
 * What a run shows in TensorBoard: its folder `tensorboard/` with the settings (text and hparams) and the final test, and
 * below it one run for each curve of a chart: `train`, `validation` and one for each closed-form baseline, a horizontal line
 * of the validation split. The same tag in each, so that a chart compares them. Angles are in degrees.
 */
import { join } from 'node:path';
import type { LossTerms } from '../engine/types.js';
import type { MethodResult } from '../metrics/types.js';
import { type Hyperparameter, TensorBoardWriter } from './tensorboard.js';

/** By name: loss terms of a baseline on the validation split, in the space the model works in. */
export type Baselines = Readonly<Record<string, LossTerms>>;

export const degrees = (radians: number) => (radians * 180) / Math.PI;

export function lossScalars(terms: LossTerms): Record<string, number> {
  return { loss: terms.total, l1: terms.l1, sam_deg: degrees(terms.sam), spectral_gradient: terms.gradient };
}

/** Plain values only, as a table of runs shows them. */
function hyperparameters(config: object): Record<string, Hyperparameter> {
  const plain = Object.entries(config).filter(([, value]) => ['number', 'string', 'boolean'].includes(typeof value));
  return Object.fromEntries(plain) as Record<string, Hyperparameter>;
}

const CODE = '```';

export class Board {
  readonly #root: TensorBoardWriter;
  readonly #train: TensorBoardWriter;
  readonly #validation: TensorBoardWriter;
  readonly #baselines: readonly [TensorBoardWriter, LossTerms][];

  /** `resumeStep`: where a run goes on whose folder may hold later points; they are dropped. */
  constructor(folder: string, baselines: Baselines, resumeStep: number | undefined) {
    const open = (name: string) =>
      new TensorBoardWriter(join(folder, name), resumeStep === undefined ? {} : { resumeStep });
    this.#root = open('');
    this.#train = open('train');
    this.#validation = open('validation');
    this.#baselines = Object.entries(baselines).map(([name, terms]) => [open(name.replaceAll(' ', '_')), terms]);
  }

  /** The settings, once for a run. */
  start(config: object, yaml: string): void {
    this.#root.text('config', `${CODE}yaml\n${yaml}${CODE}`, 0);
    this.#root.sessionStart(hyperparameters(config), Date.now() / 1000);
    this.flush();
  }

  validation(terms: LossTerms, step: number): void {
    write(this.#validation, lossScalars(terms), step);
    for (const [writer, baseline] of this.#baselines) write(writer, lossScalars(baseline), step);
  }

  train(terms: LossTerms, others: Readonly<Record<string, number>>, step: number): void {
    write(this.#train, { ...lossScalars(terms), ...others }, step);
  }

  image(tag: string, png: Uint8Array, width: number, height: number, step: number): void {
    this.#validation.image(tag, png, width, height, step);
  }

  /** The final table; the last row is the model's. One step behind the last, so that a run that goes on drops it. */
  test(rows: readonly MethodResult[], table: string, lastStep: number): void {
    const step = lastStep + 1;
    const model = rows.at(-1)?.regions.all;
    if (model)
      write(this.#root, { 'test/sam_deg': model.samDeg, 'test/rmse': model.rmse, 'test/psnr_db': model.psnr }, step);
    this.#root.text('test', `${CODE}\n${table}\n${CODE}`, step);
    this.#root.sessionEnd(Date.now() / 1000, step);
    this.flush();
  }

  flush(): void {
    for (const writer of this.#writers()) writer.flush();
  }

  close(): void {
    for (const writer of this.#writers()) writer.close();
  }

  #writers(): TensorBoardWriter[] {
    return [this.#root, this.#train, this.#validation, ...this.#baselines.map(([writer]) => writer)];
  }
}

function write(writer: TensorBoardWriter, scalars: Readonly<Record<string, number>>, step: number): void {
  for (const [tag, value] of Object.entries(scalars)) if (Number.isFinite(value)) writer.scalar(tag, value, step);
}
