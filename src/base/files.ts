/** Reading files from outside: every failure of the system becomes one line that names the file. */
import { readSync, statfsSync } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { BandliftError, EXIT } from './errors.js';

const REASONS: Record<string, [message: string, hint: string]> = {
  ENOENT: ['no such file or folder', 'check the path'],
  ENOTDIR: ['a part of the path is not a folder', 'check the path'],
  EISDIR: ['is a folder', 'give a file'],
  EACCES: ['no permission', 'check the permissions of the file and its folder'],
  EPERM: ['no permission', 'check the permissions of the file and its folder'],
  EROFS: ['the file system is read-only', 'choose another folder'],
  EMFILE: ['too many open files', 'raise the limit (ulimit -n)'],
  EIO: ['the disk reports an error', 'check the disk'],
  ENAMETOOLONG: ['the name is too long', 'choose a shorter one'],
};

/** What a code of the system means, in words. */
export const reasonOf = (code: string): string => REASONS[code]?.[0] ?? `the system refuses (${code})`;

/** A system error as a BandliftError; anything else (and a BandliftError) is returned as it is. */
export function fileError(error: unknown, path: string): unknown {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  if (error instanceof BandliftError || code === undefined || !/^E[A-Z0-9]+$/.test(code)) return error;
  const [message, hint] = REASONS[code] ?? [`the system refuses (${code})`, undefined];
  return new BandliftError(message, { file: path, ...(hint === undefined ? {} : { hint }) });
}

function freeSpace(folder: string): string | undefined {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return `${(bavail * bsize).toLocaleString('en')} bytes free`;
  } catch {
    return undefined; // only makes the message poorer
  }
}

/** What to say when `bytes` did not fit on the disk of `path`: a full disk, a quota or a limit on the size of files. */
export function diskFullError(path: string, bytes: number): BandliftError {
  const free = freeSpace(dirname(path));
  return new BandliftError(
    'the disk is full',
    {
      file: path,
      ...(free === undefined ? {} : { found: free }),
      expected: `room for ${bytes.toLocaleString('en')} bytes`,
      hint: 'free some space or choose another folder; what was there before is unchanged',
    },
    EXIT.failure,
  );
}

/** True for the codes that mean "no room": disk full, quota used up, file larger than allowed. */
export function isDiskFull(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT', 'EFBIG'].includes((error as NodeJS.ErrnoException | null)?.code ?? '');
}

/** An error met while writing `bytes` to `path`, as a BandliftError. */
export function writeError(error: unknown, path: string, bytes: number): unknown {
  return isDiskFull(error) ? diskFullError(path, bytes) : fileError(error, path);
}

export interface OpenFile {
  readonly path: string;
  readonly handle: FileHandle;
  /** Bytes. */
  readonly size: number;
  /** Where the file begins, if it is a part of another one. */
  readonly offset?: number;
}

/** Opens a regular file, gives it to `use` and closes it. Throws a BandliftError for what is missing or no file. */
export async function withFile<T>(path: string, use: (file: OpenFile) => Promise<T>): Promise<T> {
  try {
    // before opening: a named pipe would block
    const info = await stat(path);
    if (!info.isFile())
      throw new BandliftError(info.isDirectory() ? 'is a folder' : 'is not a regular file', {
        file: path,
        hint: 'give a file',
      });
    const handle = await open(path, 'r');
    try {
      return await use({ path, handle, size: (await handle.stat()).size });
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw fileError(error, path);
  }
}

/** One system call reads at most this much (Linux stops just below 2 GiB). */
const CHUNK = 2 ** 30;

/** Fills `target` from `position` (bytes) on. Throws when the file ends before. */
export async function readAt(file: OpenFile, position: number, target: Uint8Array): Promise<void> {
  let done = 0;
  while (done < target.length) {
    const length = Math.min(CHUNK, target.length - done);
    const { bytesRead } = await file.handle.read(target, done, length, (file.offset ?? 0) + position + done);
    if (bytesRead === 0)
      throw new BandliftError('the file ends early', {
        file: file.path,
        found: `${position + done} bytes`,
        expected: `${position + target.length}`,
        hint: 'it is incomplete or is being written; copy or make it again',
      });
    done += bytesRead;
  }
}

/** The same at once. */
export function readAtNow(file: OpenFile, position: number, target: Uint8Array): void {
  for (let done = 0; done < target.length; ) {
    const length = Math.min(CHUNK, target.length - done);
    const count = readSync(file.handle.fd, target, done, length, (file.offset ?? 0) + position + done);
    if (count === 0)
      throw new BandliftError('the file ends early', {
        file: file.path,
        found: `${position + done} bytes`,
        expected: `${position + target.length}`,
        hint: 'it is incomplete or is being written; copy or make it again',
      });
    done += count;
  }
}

/** Memory for data of `what`, whose size was checked against the file before. */
export function allocate(bytes: number, path: string, what: string): ArrayBuffer {
  try {
    return new ArrayBuffer(bytes);
  } catch {
    throw new BandliftError(
      `no memory for ${what}`,
      { file: path, expected: `${bytes.toLocaleString('en')} bytes` },
      EXIT.outOfMemory,
    );
  }
}
