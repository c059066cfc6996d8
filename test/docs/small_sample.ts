/** A sample as `bandlift sample` writes it, but small: every line of the tutorial runs on it in seconds. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generateFineSample, generateLandsatSample } from '../../src/sample/fine.js';
import { generateSample } from '../../src/sample/sample.js';

/** @param fine whether there is a 4 m part */
export async function writeSmallSample(out: string, { fine = true } = {}): Promise<void> {
  const seed = 1;
  await generateSample({ out, seed, patchSize: 8, patches: 12, lines: 3 });
  writeFileSync(join(out, 'sample.json'), JSON.stringify({ seed, units: 'reflectance' }));
  if (fine) await generateFineSample({ out, seed, lines: 3, patch: 8, across: 1, along: 2 });
  await generateLandsatSample({ out, seed, line: 9, height: 50, width: 60 });
  writeFileSync(join(out, 'sample_4m.json'), JSON.stringify({ seed, units: 'reflectance' }));
}
