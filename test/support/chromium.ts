/** A real browser, found on PATH, to look at what bandlift writes for people. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe } from 'vitest';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

function chromiumPath(): string | undefined {
  for (const folder of [...(process.env.PATH ?? '').split(delimiter), '/usr/bin'])
    for (const name of NAMES)
      try {
        accessSync(join(folder, name), constants.X_OK);
        return join(folder, name);
      } catch {
        // the next one
      }
  if (process.env.BANDLIFT_REQUIRE_ALL === '1') throw new Error('no Chromium on PATH (apt-get install chromium)');
  return undefined;
}

/** Headless, and quiet on the network: a browser of its own accord asks its maker for updates. */
export const CHROMIUM_ARGUMENTS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
];

/** Declares tests in Chromium; without one they are skipped and the reason is printed. */
export function describeChromium(title: string, body: (executable: string) => void): void {
  const path = chromiumPath();
  if (path === undefined) describe.skip(`${title} (skipped: no Chromium on PATH)`, () => body(''));
  else describe(title, () => body(path));
}
