/** The main thread's end of a data worker. */
import { workerUrl } from '../base/worker.js';
import { WorkerClient } from '../base/worker_rpc.js';
import type { Replies, Requests } from './worker_protocol.js';

export class DataWorker extends WorkerClient<Requests, Replies> {
  /** `url` is for tests. */
  constructor(url: URL = workerUrl('data/hdf5_worker.js')) {
    super(url, 'the thread that reads the data');
  }
}
