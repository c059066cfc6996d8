/** 300 damaged files of each kind in a process of their own: what would end the process ends that one. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

it.each(['geotiff', 'patches', 'landsat_metadata', 'envi', 'products', 'tar'])(
  '300 damaged files give a result or one clear line: %s',
  (reader) => {
    const script = fileURLToPath(new URL(`../fuzz/${reader}.mjs`, import.meta.url));
    const args = ['--max-old-space-size=512', script, '--count', '300', '--seed', '7'];
    const result = spawnSync(process.execPath, args, { encoding: 'utf8' });
    expect(result.stderr).toBe('');
    expect(result.stdout).toMatch(/^\d+ read, \d+ refused, 0 broken/);
    expect(result.status).toBe(0);
  },
);
