/** `bandlift sample`: generated flight lines (ENVI) and their patches (HDF5): what runs when no data is given. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { BandliftError, EXIT } from '../errors.js';
import { writeFileAtomic } from '../io/atomic.js';
import { FINE_DEFAULTS, generateFineSample, generateLandsatSample, LANDSAT_DEFAULTS } from '../sample/fine.js';
import { generateSample, SAMPLE_DEFAULTS } from '../sample/sample.js';
import { integer } from './options.js';
import { duration, Output } from './output.js';

const MARKER = 'sample.json';
const FINE_MARKER = 'sample_4m.json';

interface Flags {
  out: string;
  seed: number;
  patchSize: number;
  patches: number;
  fine: boolean;
  json?: boolean;
}

export function addSample(program: Command): void {
  program
    .command('sample')
    .description(
      'write generated flight lines (ENVI cubes at 30 m and 4 m), their patch files and a Landsat scene: seeded, no download',
    )
    .option('--out <dir>', 'folder to write to', 'sample')
    .option('--seed <n>', 'of the scene', integer(0, 0xffffffff), SAMPLE_DEFAULTS.seed)
    .option('--patch-size <pixels>', 'side of a patch in pixels', integer(4, 1024), SAMPLE_DEFAULTS.patchSize)
    .option('--patches <n>', 'patches over all flight lines', integer(3, 10000), SAMPLE_DEFAULTS.patches)
    .option(
      '--no-fine',
      'leave out the 4 m part: patches of both grids for stage 2, and a Landsat scene to predict from',
    )
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
      if (flags.fine) await writeFineSample(flags.out, flags.seed, output);
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

async function writeFineSample(out: string, seed: number, output: Output): Promise<void> {
  const started = Date.now();
  output.line(`generating the 4 m part of the sample in ${out} ...`);
  const result = await generateFineSample({ ...FINE_DEFAULTS, out, seed });
  const landsat = await generateLandsatSample({ ...LANDSAT_DEFAULTS, out, seed });
  const files = [...result.files, ...landsat];
  await writeFileAtomic(join(out, FINE_MARKER), `${JSON.stringify({ ...FINE_DEFAULTS, seed, files }, null, 1)}\n`);
  for (const file of files) output.line(`  ${file}`);
  output.line(
    `${result.patches} patches of both grids and a Landsat scene, in ${duration((Date.now() - started) / 1000)}`,
  );
  output.event('fine sample', { out, patches: result.patches, files });
}

/** Refuses a folder that holds something of that name but no whole sample. */
function checkIncomplete(out: string, part: string): void {
  if (existsSync(join(out, part)) || !existsSync(out)) return;
  if (existsSync(join(out, MARKER))) return;
  throw new BandliftError('the folder ./sample exists but holds no complete sample', {
    hint: 'remove it, or give --data-dir',
  });
}

/** The folder of the default sample's 30 m patches, generated once. */
export async function defaultSample(output: Output): Promise<string> {
  const out = 'sample';
  const marker = join(out, MARKER);
  if (existsSync(marker)) {
    JSON.parse(readFileSync(marker, 'utf8'));
    output.line(`no --data-dir given: training on the generated sample in ./${out}`);
  } else {
    checkIncomplete(out, 'patches');
    output.line('no --data-dir given: training on a generated sample scene');
    await writeSample(out, SAMPLE_DEFAULTS, output);
  }
  return join(out, 'patches');
}

/** The folder of the default sample's patches of both grids (4 m and 30 m), generated once. */
export async function defaultFineSample(output: Output): Promise<string> {
  const out = 'sample';
  const marker = join(out, FINE_MARKER);
  if (existsSync(marker)) {
    JSON.parse(readFileSync(marker, 'utf8'));
    output.line(`no --data-dir given: training on the 4 m part of the generated sample in ./${out}`);
  } else {
    checkIncomplete(out, 'patches_4m');
    output.line('no --data-dir given: training on the 4 m part of a generated sample');
    await writeFineSample(out, SAMPLE_DEFAULTS.seed, output);
  }
  return join(out, 'patches_4m');
}
