/** Where bandlift does not build it says so at once, before anything is installed. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

it('a machine that is not Linux gets one line', () => {
  const script = fileURLToPath(new URL('../../scripts/build.mjs', import.meta.url));
  const mac = 'data:text/javascript,Object.defineProperty(process,"platform",{value:"darwin"})';
  const { status, stderr } = spawnSync(process.execPath, ['--import', mac, script], { encoding: 'utf8' });
  expect({ status, stderr }).toEqual({
    status: 1,
    stderr: 'error: bandlift runs on Linux (x86-64 or arm64), this is darwin: use a Linux machine or a container\n',
  });
});
