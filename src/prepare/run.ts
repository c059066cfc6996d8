/** `prepare` of a list of scenes: several at once in threads, finished ones skipped, failures kept from the others. */
import { existsSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { BandliftError, EXIT } from '../base/errors.js';
import { makeFolder } from '../base/folders.js';
import { type Lock, waitForLock } from '../base/lock.js';
import { workerUrl } from '../base/worker.js';
import { WorkerClient } from '../base/worker_rpc.js';
import { PROCESS_BYTES } from './memory.js';
import { planScene, type ScenePlan } from './prepare.js';
import type { PatchProgress, Replies, Requests } from './prepare_worker.js';
import { finishedScene, type PrepareReport, sceneKey, writeRecord, writeReport } from './records.js';
import type { ListedScene } from './scene_list.js';
import type { PrepareOptions, SceneReport } from './types.js';

export type SceneSettings = Omit<PrepareOptions, 'scene' | 'out' | 'maxMemory' | 'progress' | 'interrupted'>;

export interface RunOptions {
  readonly scenes: readonly ListedScene[];
  /** Folder; scene NAME goes to NAME.h5. */
  readonly out: string;
  readonly settings: SceneSettings;
  /** Bytes of the whole process. */
  readonly maxMemory: number;
  /** Scenes at once; default as many as there are cores and memory allows. */
  readonly workers?: number;
  readonly resume: boolean;
  /** Where the report of all scenes goes. */
  readonly report: string;
  readonly watch: RunWatcher;
}

/** Told what happens; asked whether to go on. */
export interface RunWatcher {
  interrupted(): boolean;
  warn(text: string): void;
  /** Before the first scene: candidates over all of them. */
  begin(candidates: number, workers: number): void;
  progress(scene: string, settled: number, candidates: number, kept: number): void;
  finished(report: SceneReport, skipped: boolean): void;
  failed(scene: string, error: BandliftError): void;
}

export interface RunResult {
  readonly report: PrepareReport;
  /** Of this run, in no order. */
  readonly done: readonly SceneReport[];
  readonly skipped: readonly SceneReport[];
  readonly failures: readonly BandliftError[];
  readonly interrupted: boolean;
}

interface Task {
  readonly scene: ListedScene;
  readonly options: PrepareOptions;
  readonly key: string;
  readonly plan: ScenePlan;
}

/**
 * Prepares the scenes. A scene that fails is told and leaves the others alone; what is interrupted leaves nothing behind.
 * Errors: BandliftError where results are already there (without `resume`) or the folder cannot be written.
 */
export async function prepareScenes(options: RunOptions): Promise<RunResult> {
  const { out, watch } = options;
  if (statSync(out, { throwIfNoEntry: false })?.isDirectory() === false)
    throw new BandliftError('is a file', { file: out, expected: 'a folder for the patch files' }, EXIT.usage);
  makeFolder(out, 'give another --out');
  const there = options.scenes.find(({ name }) => existsSync(join(out, `${name}.h5`)));
  if (there && !options.resume)
    throw new BandliftError(
      'is already there',
      { file: join(out, `${there.name}.h5`), hint: 'add --resume to keep what is finished, or give another --out' },
      EXIT.usage,
    );
  const failures: BandliftError[] = [];
  const done: SceneReport[] = [];
  const skipped: SceneReport[] = [];
  const fail = async (scene: ListedScene, error: unknown) => {
    // anything else is a defect and ends the run
    if (!(error instanceof BandliftError)) throw error;
    failures.push(error);
    await writeRecord(out, scene.name, { scene: scene.path, name: scene.name, error: error.message });
    watch.failed(scene.path, error);
  };
  const tasks: Task[] = [];
  for (const scene of options.scenes) {
    if (watch.interrupted()) break;
    const prepare: PrepareOptions = { ...options.settings, scene: scene.path, out: join(out, `${scene.name}.h5`) };
    try {
      const key = await sceneKey(prepare);
      const finished = options.resume ? await finishedScene(out, scene.name, key) : undefined;
      if (finished) {
        skipped.push(finished);
        watch.finished(finished, true);
      } else tasks.push({ scene, options: prepare, key, plan: await planScene(prepare) });
    } catch (error) {
      await fail(scene, error);
    }
  }
  if (options.settings.bands) requireOneUnit(tasks);
  const workers = workersFor(tasks, options);
  const limit = (options.maxMemory - PROCESS_BYTES) / workers;
  watch.begin(
    tasks.reduce((sum, { plan }) => sum + plan.candidates, 0),
    workers,
  );
  const stop = new Int32Array(new SharedArrayBuffer(4));
  const watchStop = setInterval(() => Atomics.store(stop, 0, watch.interrupted() ? 1 : 0), 50);
  const queue = [...tasks];
  const turn = async () => {
    for (let task = queue.shift(); task && !watch.interrupted(); task = queue.shift()) {
      let lock: Lock | undefined;
      try {
        lock = await lockScene(task, watch);
        const other = await doneMeanwhile(out, task, options.resume);
        const report = other ?? (await inThread({ options: { ...task.options, maxMemory: limit }, stop }, task, watch));
        if (other === undefined) await writeRecord(out, task.scene.name, { key: task.key, report });
        (other === undefined ? done : skipped).push(report);
        watch.finished(report, other !== undefined);
      } catch (error) {
        if (error instanceof BandliftError && error.exitCode === EXIT.interrupted) return;
        await fail(task.scene, error);
      } finally {
        lock?.release();
      }
    }
  };
  try {
    await Promise.all(Array.from({ length: workers }, turn));
  } finally {
    clearInterval(watchStop);
    // after a defect the other threads stop, too
    Atomics.store(stop, 0, 1);
  }
  const interrupted = watch.interrupted() && done.length + skipped.length + failures.length < options.scenes.length;
  return { report: await writeReport(out, options.report), done, skipped, failures, interrupted };
}

/** Throws where scenes that are to be one training set are in different units, or where one does not say. */
function requireOneUnit(tasks: readonly Task[]): void {
  const [first] = tasks;
  const other = tasks.find(({ plan }) => plan.units === undefined || plan.units !== first!.plan.units);
  if (other === undefined || tasks.length < 2) return;
  throw new BandliftError(
    'its units are not those of the other scenes: reflectance and radiance are never mixed',
    {
      file: other.scene.path,
      field: 'units',
      found: other.plan.units ?? 'nothing',
      expected: `${first!.plan.units ?? 'units of every scene'} (${first!.scene.path})`,
      hint: "give a header that lacks them a line 'data units = reflectance', or prepare the scenes apart",
    },
    EXIT.usage,
  );
}

/** One process at a time prepares a scene; the others wait. */
function lockScene({ scene, options }: Task, watch: RunWatcher): Promise<Lock> {
  return waitForLock(
    `${options.out}.lock`,
    (holder, hint) => watch.warn(`${scene.name}: waiting for ${holder}, which prepares the same scene (${hint})`),
    () => {
      if (watch.interrupted()) throw new BandliftError('interrupted', { file: scene.path }, EXIT.interrupted);
    },
  );
}

/** What another process has made of the scene since this one began. Throws when it had other options. */
async function doneMeanwhile(
  out: string,
  { scene, options, key }: Task,
  resume: boolean,
): Promise<SceneReport | undefined> {
  if (!existsSync(options.out)) return undefined;
  const report = await finishedScene(out, scene.name, key);
  if (report !== undefined || resume) return report;
  throw new BandliftError(
    'was made in the meantime by another process with other options',
    { file: options.out, hint: 'give another --out' },
    EXIT.usage,
  );
}

/** Threads: as asked, or one a core; fewer where memory does not allow as many of the largest scene, at least one. */
function workersFor(tasks: readonly Task[], options: RunOptions): number {
  const largest = Math.max(1, ...tasks.map(({ plan }) => plan.bytes));
  const fit = Math.max(1, Math.floor((options.maxMemory - PROCESS_BYTES) / largest));
  const wanted = Math.max(1, Math.min(options.workers ?? availableParallelism(), tasks.length));
  if (options.workers !== undefined && fit < wanted)
    options.watch.warn(`${fit} scene${fit === 1 ? '' : 's'} at once instead of ${wanted}: more do not fit into memory`);
  return Math.min(wanted, fit);
}

/** Runs a scene in a thread. Rejects with the thread's BandliftError, or with one that says it died. */
async function inThread(request: Requests['scene'], { scene, plan }: Task, watch: RunWatcher): Promise<SceneReport> {
  const url = workerUrl('prepare/prepare_worker.js');
  const worker = new WorkerClient<Requests, Replies>(url, `${scene.path}: the thread that prepares it`);
  try {
    return await worker.ask('scene', request, [], ({ done, kept }: PatchProgress) =>
      watch.progress(scene.name, done, plan.candidates, kept),
    );
  } finally {
    await worker.close();
  }
}
