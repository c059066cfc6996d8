/** One scene in a thread of its own: what its HDF5 library took is given back when the thread ends. */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { BandliftError } from '../base/errors.js';
import { prepareScene } from './prepare.js';
import type { PrepareOptions, SceneReport } from './types.js';

export interface WorkerTask {
  readonly options: PrepareOptions;
  /** Shared; other than 0: stop between two patches. */
  readonly stop: Int32Array;
}

export type WorkerMessage =
  | { readonly kind: 'progress'; readonly done: number; readonly kept: number }
  | { readonly kind: 'report'; readonly report: SceneReport }
  /** `exitCode`: the message is meant for the user. */
  | { readonly kind: 'error'; readonly message: string; readonly exitCode?: number };

async function run({ options, stop }: WorkerTask, port: MessagePort): Promise<void> {
  const post = (message: WorkerMessage) => port.postMessage(message);
  try {
    const report = await prepareScene({
      ...options,
      progress: (done, _, kept) => post({ kind: 'progress', done, kept }),
      interrupted: () => Atomics.load(stop, 0) !== 0,
    });
    post({ kind: 'report', report });
  } catch (error) {
    if (error instanceof BandliftError) post({ kind: 'error', message: error.message, exitCode: error.exitCode });
    else post({ kind: 'error', message: (error as Error)?.stack ?? String(error) });
  }
}

if (parentPort) await run(workerData as WorkerTask, parentPort);
