/** `bandlift sample`: a generated flight scene (ENVI) and its patches (HDF5): what runs when no data is given. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { BandliftError, EXIT } from '../errors.js';
import { writeFileAtomic } from '../io/atomic.js';
import { generateSample, SAMPLE_DEFAULTS } from '../sample/sample.js';
import { integer } from './options.js';
import { duration, Output } from './output.js';

const MARKER = 'sample.json';

interface Flags {
  out: string;
  seed: number;
  patchSize: number;
  patches: number;
  json?: boolean;
}

export function addSample(program: Command): void {
  program
    .command('sample')
    .description('write a generated flight scene (ENVI cube) and its patch files: seeded, no download')
    .option('--out <dir>', 'folder to write to', 'sample')
    .option('--seed <n>', 'of the scene', integer(0, 0xffffffff), SAMPLE_DEFAULTS.seed)
    .option('--patch-size <pixels>', 'side of a patch in pixels', integer(4, 1024), SAMPLE_DEFAULTS.patchSize)
    .option('--patches <n>', 'patches over all flight lines', integer(3, 10000), SAMPLE_DEFAULTS.patches)
    .option('--json', 'one JSON object on stdout instead of text')
    .action(async (flags: Flags) => {
      const output = new Output(flags.json === true);
      if (existsSync(join(flags.out, MARKER)))
        throw new BandliftError(
          'this folder already holds a sample',
          { file: flags.out, hint: 'remove it or give another --out' },
          EXIT.usage,
        );
      await writeSample(flags.out, flags, output);
    });
}

async function writeSample(
  out: string,
  options: { seed: number; patchSize: number; patches: number },
  output: Output,
): Promise<void> {
  const started = Date.now();
  output.line(`generating the sample scene in ${out} ...`);
  const { seed, patchSize, patches } = options;
  const result = await generateSample({ out, seed, patchSize, patches });
  // written last: a folder with this file is complete
  await writeFileAtomic(
    join(out, MARKER),
    `${JSON.stringify({ seed, patchSize, patches, files: result.files }, null, 1)}\n`,
  );
  for (const file of result.files) output.line(`  ${file}`);
  output.line(`${result.patches} patches, ${result.bands} bands, in ${duration((Date.now() - started) / 1000)}`);
  output.event('sample', { out, ...result });
}

/** The folder of the default sample's patches, generated once. */
export async function defaultSample(output: Output): Promise<string> {
  const out = 'sample';
  const marker = join(out, MARKER);
  if (existsSync(marker)) {
    JSON.parse(readFileSync(marker, 'utf8'));
    output.line(`no --data-dir given: training on the generated sample in ./${out}`);
  } else {
    if (existsSync(out) && !existsSync(join(out, 'patches')))
      throw new BandliftError('the folder ./sample exists but holds no complete sample', {
        hint: 'remove it, or give --data-dir',
      });
    output.line('no --data-dir given: training on a generated sample scene');
    await writeSample(out, SAMPLE_DEFAULTS, output);
  }
  return join(out, 'patches');
}
