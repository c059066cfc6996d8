/**
 * metrics.jsonl: one JSON object a line, each with its `step`. After an interruption the file is brought to what an
 * uninterrupted run would hold at the step from which it goes on.
 */
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { writeFileAtomic } from '../base/atomic.js';
import { BandliftError } from '../base/errors.js';
import { fileError, writeError } from '../base/files.js';

export interface MetricsRecord {
  readonly step: number;
  readonly [field: string]: number | string | boolean | null;
}

/** A line's record, undefined where the line is torn or no record. */
function parseLine(line: string): MetricsRecord | undefined {
  try {
    const record = JSON.parse(line) as MetricsRecord | null;
    return typeof record?.step === 'number' ? record : undefined;
  } catch {
    return undefined;
  }
}

/** Lines up to and including `step`. Only the last line may be torn (kill -9 while it was written): it is dropped. */
function linesUpTo(
  text: string,
  step: number,
  path: string,
): {
  lines: string[];
  dropped: number;
  last?: MetricsRecord;
} {
  const lines: string[] = [];
  let last: MetricsRecord | undefined;
  const all = text.split('\n'); // a whole file ends with '\n': the last piece is empty
  for (const [i, line] of all.entries()) {
    if (i === all.length - 1) break;
    const record = parseLine(line);
    if (record === undefined)
      throw new BandliftError('not a line of metrics', {
        file: path,
        field: `line ${i + 1}`,
        hint: 'repair the file or move it away, then resume again',
      });
    if (record.step > step) break; // steps never fall within a file
    lines.push(line);
    last = record;
  }
  return { lines, dropped: all.length - 1 - lines.length, ...(last ? { last } : {}) };
}

const sameFields = (a: MetricsRecord, b: MetricsRecord) => Object.keys(a).join() === Object.keys(b).join();

export class MetricsLog {
  /** Whole lines of later steps that were taken out when the log was opened. */
  readonly dropped: number;
  readonly #path: string;
  readonly #fd: number;
  /** Bytes in the file, and where its last line starts. */
  #size: number;
  #lastStart: number;
  #last: MetricsRecord | undefined;

  private constructor(path: string, fd: number, { lines, dropped, last }: ReturnType<typeof linesUpTo>) {
    this.dropped = dropped;
    this.#path = path;
    this.#fd = fd;
    this.#size = lines.reduce((sum, line) => sum + Buffer.byteLength(line) + 1, 0);
    this.#lastStart = this.#size - (lines.length > 0 ? Buffer.byteLength(lines.at(-1)!) + 1 : 0);
    this.#last = last;
  }

  /** A new log, or with `resumeStep` the existing one without what was measured after that step. */
  static async open(path: string, resumeStep?: number): Promise<MetricsLog> {
    let kept: ReturnType<typeof linesUpTo> = { lines: [], dropped: 0 };
    try {
      if (resumeStep !== undefined) kept = linesUpTo(await readFile(path, 'utf8'), resumeStep, path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw fileError(error, path);
    }
    await writeFileAtomic(path, kept.lines.map((line) => `${line}\n`).join(''));
    return new MetricsLog(path, openSync(path, 'r+'), kept);
  }

  /**
   * Adds a line. Values that JSON has no number for (NaN, infinity) become null. A record of the same step and fields as
   * the line before is that measurement taken again (the run stopped between this line and its checkpoint): it takes
   * that line's place.
   */
  append(record: MetricsRecord): void {
    const line = Buffer.from(`${JSON.stringify(record)}\n`);
    const again = this.#last !== undefined && this.#last.step === record.step && sameFields(this.#last, record);
    const start = again ? this.#lastStart : this.#size;
    try {
      if (again) ftruncateSync(this.#fd, start);
      for (let done = 0; done < line.length; )
        done += writeSync(this.#fd, line, done, line.length - done, start + done);
    } catch (error) {
      throw writeError(error, this.#path, line.length);
    }
    this.#lastStart = start;
    this.#size = start + line.length;
    this.#last = record;
  }

  close(): void {
    closeSync(this.#fd);
  }
}
