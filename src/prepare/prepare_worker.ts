/** One scene in a thread of its own: what its HDF5 library took is given back when the thread ends. */
import { parentPort } from 'node:worker_threads';
import { serve } from '../base/worker_rpc.js';
import { prepareScene } from './prepare.js';
import type { PrepareOptions, SceneReport } from './types.js';

export interface Requests {
  scene: {
    readonly options: PrepareOptions;
    /** Shared; other than 0: stop between two patches. */
    readonly stop: Int32Array;
  };
}

export interface Replies {
  scene: SceneReport;
}

/** Told after each patch. */
export interface PatchProgress {
  readonly done: number;
  readonly kept: number;
}

if (parentPort)
  serve<Requests, Replies>(parentPort, {
    scene: ({ options, stop }, progress) =>
      prepareScene({
        ...options,
        progress: (done, _, kept) => progress({ done, kept } satisfies PatchProgress),
        interrupted: () => Atomics.load(stop, 0) !== 0,
      }),
  });
