/**
 * SHA-256 of files' contents. Files of gigabytes are read once: their hashes are kept in a file of the caller's, with all
 * that changes when a file is written to. The time of its inode's change (ctime) is among it, which nobody can set back.
 */
import { createHash } from 'node:crypto';
import { createReadStream, readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { z } from 'zod';
import { writeFileAtomic } from './atomic.js';
import { fileError } from './files.js';

const knownSchema = z.record(z.string(), z.strictObject({ state: z.string(), sha256: z.string().length(64) }));
type Known = z.infer<typeof knownSchema>;

/** A file that changed later than this before it was read may change again without another time, ms. */
const SETTLED = 10_000;

function readKnown(path: string): Known {
  try {
    return knownSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    return {}; // only costs time
  }
}

async function stateOf(path: string): Promise<{ state: string; changed: number }> {
  const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
  return { state: [dev, ino, size, mtimeNs, ctimeNs].join(' '), changed: Number(ctimeNs / 1_000_000n) };
}

/** SHA-256 of a file's contents, in hexadecimal. */
export async function fileHash(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/**
 * The hashes of `paths`, in hexadecimal.
 *
 * @param memory file that keeps them for the next time
 * @param reading told before a file is read
 * @throws BandliftError for a file that cannot be read
 */
export async function contentHashes(
  paths: readonly string[],
  memory: string,
  reading: (path: string) => void = () => undefined,
): Promise<string[]> {
  const known = readKnown(memory);
  const learnt: Known = {};
  const hashes: string[] = [];
  for (const path of paths.map((p) => resolve(p))) {
    try {
      const started = Date.now();
      const { state, changed } = await stateOf(path);
      const old = known[path];
      if (old?.state === state) {
        hashes.push(old.sha256);
        continue;
      }
      reading(path);
      const sha256 = await fileHash(path);
      if (started - changed > SETTLED) learnt[path] = { state, sha256 };
      hashes.push(sha256);
    } catch (error) {
      throw fileError(error, path);
    }
  }
  // two processes may write at once: what one has learnt is then read again some day
  if (Object.keys(learnt).length > 0)
    await writeFileAtomic(memory, `${JSON.stringify({ ...readKnown(memory), ...learnt }, null, 1)}\n`).catch(
      () => undefined,
    );
  return hashes;
}
