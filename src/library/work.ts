/** What all long work of the library has: a reporter, a signal to end it, and the device it computes on. */
import { BandliftError, EXIT } from '../base/errors.js';
import { type Reporter, silentReporter } from '../base/reporter.js';
import { checkDevice } from '../engine/device.js';
import { type DeviceChoice, parseDevice } from '../engine/device_choice.js';
import type { Precision } from '../engine/precision.js';

export interface WorkOptions {
  /** Told what happens: lines, warnings, progress. Default: nobody is. */
  readonly reporter?: Reporter;
  /**
   * Ends the work at its next step, tile or patch. What was done is kept as after Ctrl-C on the command line, and the promise
   * rejects with an AbortError.
   */
  readonly signal?: AbortSignal;
}

export interface DeviceWork extends WorkOptions {
  /** 'auto' (default: a GPU where one can be used), 'cpu', 'cuda' or 'cuda:NUMBER'. */
  readonly device?: string;
  /** Of arithmetic and images on a GPU; 'auto' (default): tf32 where it has it, else fp32. The CPU computes in fp32. */
  readonly precision?: 'auto' | Precision;
  /** Threads that compute on the CPU; results do not depend on it. Default: all physical cores. */
  readonly threads?: number;
}

/** The work was ended by its signal. `exitCode` is 130, as after Ctrl-C. */
export class AbortError extends BandliftError {
  override name = 'AbortError';
  constructor(what: string, hint?: string) {
    super(`${what} was interrupted`, hint === undefined ? {} : { hint }, EXIT.interrupted);
  }
}

/** The device that the options name. Throws a BandliftError for one that this machine lacks, before anything is read. */
export function deviceOf({ device = 'auto', precision = 'auto', threads }: DeviceWork): DeviceChoice {
  const choice = { ...parseDevice(device, precision), ...(threads === undefined ? {} : { threads }) };
  checkDevice(choice);
  return choice;
}

export const reporterOf = ({ reporter }: WorkOptions): Reporter => reporter ?? silentReporter;

export const interruptedBy =
  ({ signal }: WorkOptions): (() => boolean) =>
  () =>
    signal?.aborted === true;

/** Runs work; what ended because it was asked to is told as an AbortError. */
export async function abortable<T>(what: string, { signal }: WorkOptions, work: () => Promise<T>): Promise<T> {
  if (signal?.aborted) throw new AbortError(what);
  try {
    return await work();
  } catch (error) {
    if (error instanceof AbortError || !isInterruption(error)) throw error;
    throw new AbortError(what);
  }
}

const isInterruption = (error: unknown): boolean =>
  error instanceof BandliftError && error.exitCode === EXIT.interrupted;
