import { mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { replaceFile, writeAll, writeFileAtomic } from '../../src/base/atomic.js';
import { processSpace } from '../../src/base/process_lock.mjs';
import { temporaryFolder } from '../support/temporary.js';

const folder = temporaryFolder();

it('replaces a file and leaves nothing else', async () => {
  const path = join(folder, 'a.txt');
  await writeFileAtomic(path, 'first, longer');
  await writeFileAtomic(path, 'zwei ä');
  expect(readFileSync(path, 'utf8')).toBe('zwei ä');
  expect(readdirSync(folder)).toEqual(['a.txt']);
});

it('keeps the old file when writing fails half way', async () => {
  const path = join(folder, 'a.txt');
  writeFileSync(path, 'old');
  const failing = replaceFile(path, 10, async (handle) => {
    await writeAll(handle, Uint8Array.of(1, 2, 3));
    throw new Error('stopped');
  });
  await expect(failing).rejects.toThrow('stopped');
  expect(readFileSync(path, 'utf8')).toBe('old');
  expect(readdirSync(folder)).toEqual(['a.txt']);
});

it('says in one line what is wrong with the path', async () => {
  const missing = join(folder, 'none', 'a.txt');
  await expect(writeFileAtomic(missing, 'x')).rejects.toMatchObject({
    name: 'BandliftError',
    message: `${missing}: no such file or folder; check the path`,
  });
  const isFolder = join(folder, 'sub');
  mkdirSync(isFolder);
  await expect(writeFileAtomic(isFolder, 'x')).rejects.toMatchObject({ name: 'BandliftError' });
  expect(readdirSync(folder).sort()).toEqual(['a.txt', 'sub']);
});

it('names the file and the space it needs when the disk is full', async () => {
  // /dev/full answers ENOSPC to every write; so the test need not fill a disk
  const path = join(folder, 'b.bin');
  const full = replaceFile(path, 4096, async () => {
    writeFileSync('/dev/full', new Uint8Array(4096));
  });
  await expect(full).rejects.toThrow(
    /b\.bin: the disk is full; found [\d,]+ bytes free, expected room for 4,096 bytes/,
  );
  expect(readdirSync(folder).sort()).toEqual(['a.txt', 'sub']);
});

it('leaves the old file whole at the moment of a kill, and the next write clears up', async () => {
  // what kill -9 in the middle of writing leaves on the disk is what the disk shows at that moment
  const path = join(folder, 'sub', 'c.txt');
  writeFileSync(path, 'old');
  await replaceFile(path, 6, async (handle) => {
    await writeAll(handle, new TextEncoder().encode('new'));
    expect(readFileSync(path, 'utf8')).toBe('old');
    await writeAll(handle, new TextEncoder().encode('er'));
  });
  expect(readFileSync(path, 'utf8')).toBe('newer');
  // of a process of this machine that has ended (the number is above the largest of Linux), and of another machine
  writeFileSync(`${path}.${processSpace()}-4194305-1-00000000.tmp`, 'the rest of a killed process');
  writeFileSync(`${path}.00000000-4194305-1-00000000.tmp`, 'may be at work');
  await writeFileAtomic(path, 'newest');
  expect(readFileSync(path, 'utf8')).toBe('newest');
  expect(readdirSync(join(folder, 'sub')).sort()).toEqual(['c.txt', 'c.txt.00000000-4194305-1-00000000.tmp']);
  // until it has not grown for a day
  const old = new Date(Date.now() - 25 * 3600 * 1000);
  utimesSync(`${path}.00000000-4194305-1-00000000.tmp`, old, old);
  await writeFileAtomic(path, 'newest');
  expect(readdirSync(join(folder, 'sub'))).toEqual(['c.txt']);
});

it('writers of one file at once do not disturb each other, and a failing one removes only its own', async () => {
  const path = join(folder, 'sub', 'd.txt');
  const failing = replaceFile(path, 1, async () => {
    await writeFileAtomic(path, 'whole');
    throw new Error('stopped');
  });
  await expect(failing).rejects.toThrow('stopped');
  await Promise.all(Array.from({ length: 20 }, (_, i) => writeFileAtomic(path, `${i}`.repeat(1000))));
  expect(
    new Set(
      readFileSync(path, 'utf8')
        .match(/^(\d+?)\1*$/)!
        .slice(1),
    ).size,
  ).toBe(1);
  expect(readdirSync(join(folder, 'sub')).sort()).toEqual(['c.txt', 'd.txt']);
});
