/** 300 damaged TIFFs in a process of their own: what would end the process ends that one. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

it('300 damaged TIFFs give pixels or one clear line', () => {
  const script = fileURLToPath(new URL('../fuzz/geotiff.mjs', import.meta.url));
  const result = spawnSync(process.execPath, ['--max-old-space-size=512', script, '--count', '300', '--seed', '7'], {
    encoding: 'utf8',
  });
  expect(result.stderr).toBe('');
  expect(result.stdout).toMatch(/^\d+ read, \d+ refused, 0 broken/);
  expect(result.status).toBe(0);
});
