/** `bandlift sample` at work: generated flight lines (ENVI) and their patches (HDF5): what runs when no data is given. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from '../base/atomic.js';
import { duration } from '../base/duration.js';
import { BandliftError, EXIT } from '../base/errors.js';
import { FINE_DEFAULTS, LANDSAT_DEFAULTS, SAMPLE_DEFAULTS } from '../sample/defaults.js';
import { generateFineSample, generateLandsatSample } from '../sample/fine.js';
import { generateSample } from '../sample/sample.js';
import type { SampleUnits } from '../sample/scene.js';
import { Output } from './output.js';

export interface SampleFlags {
  out: string;
  seed: number;
  patchSize: number;
  patches: number;
  units: SampleUnits;
  fine: boolean;
  json?: boolean;
}

const MARKER = 'sample.json';
const FINE_MARKER = 'sample_4m.json';

export async function runSample(flags: SampleFlags): Promise<void> {
  const output = new Output(flags.json === true);
  if (existsSync(join(flags.out, MARKER)))
    throw new BandliftError(
      'this folder already holds a sample',
      { file: flags.out, hint: 'remove it or give another --out' },
      EXIT.usage,
    );
  await writeSample(flags.out, flags, output);
  if (flags.fine) await writeFineSample(flags.out, flags.seed, flags.units, output);
}

async function writeSample(
  out: string,
  options: { seed: number; patchSize: number; patches: number; units: SampleUnits },
  output: Output,
): Promise<void> {
  const started = Date.now();
  output.line(`generating the sample scene in ${out} ...`);
  const { seed, patchSize, patches, units } = options;
  const result = await generateSample({ out, seed, patchSize, patches, units });
  // written last: a folder with this file is complete
  await writeFileAtomic(
    join(out, MARKER),
    `${JSON.stringify({ seed, patchSize, patches, units, files: result.files }, null, 1)}\n`,
  );
  for (const file of result.files) output.line(`  ${file}`);
  output.line(`${result.patches} patches, ${result.bands} bands, in ${duration((Date.now() - started) / 1000)}`);
  output.event('sample', { out, ...result });
}

async function writeFineSample(out: string, seed: number, units: SampleUnits, output: Output): Promise<void> {
  const started = Date.now();
  output.line(`generating the 4 m part of the sample in ${out} ...`);
  const result = await generateFineSample({
    ...FINE_DEFAULTS,
    out,
    seed,
    units,
    progress: (done, total) => output.line(`  flight line ${done} of ${total}`),
  });
  const landsat = await generateLandsatSample({ ...LANDSAT_DEFAULTS, out, seed, units });
  const files = [...result.files, ...landsat];
  await writeFileAtomic(
    join(out, FINE_MARKER),
    `${JSON.stringify({ ...FINE_DEFAULTS, seed, units, files }, null, 1)}\n`,
  );
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

/** Seed and units of the sample in a folder, by its marker file. Version 0.1.0 wrote no units: its samples are in radiance. */
function readMarker(path: string): { seed: number; units: SampleUnits } {
  const { seed, units = 'radiance' } = JSON.parse(readFileSync(path, 'utf8')) as { seed: number; units?: SampleUnits };
  return { seed, units };
}

/** Says which sample is used; a model of radiance cannot read a level-2 product, which is worth a word. */
function tell(output: Output, text: string, units: SampleUnits): void {
  output.line(text);
  if (units === 'radiance')
    output.warn(
      'the sample is in radiance: a model of it cannot read Landsat level-2 scenes, which are in reflectance; ' +
        'remove the folder ./sample to get one in reflectance',
    );
}

/** The folder of the default sample's 30 m patches, generated once. */
export async function defaultSample(output: Output): Promise<string> {
  const out = 'sample';
  const marker = join(out, MARKER);
  if (existsSync(marker)) {
    tell(output, `no --data-dir given: training on the generated sample in ./${out}`, readMarker(marker).units);
  } else {
    checkIncomplete(out, 'patches');
    output.line('no --data-dir given: training on a generated sample scene');
    await writeSample(out, { ...SAMPLE_DEFAULTS, units: 'reflectance' }, output);
  }
  return join(out, 'patches');
}

/**
 * The folder of the default sample's patches of both grids (4 m and 30 m), generated once, with the seed and the units of
 * the 30 m part where that is there.
 */
export async function defaultFineSample(output: Output): Promise<string> {
  const out = 'sample';
  const marker = join(out, FINE_MARKER);
  if (existsSync(marker)) {
    tell(
      output,
      `no --data-dir given: training on the 4 m part of the generated sample in ./${out}`,
      readMarker(marker).units,
    );
  } else {
    checkIncomplete(out, 'patches_4m');
    output.line('no --data-dir given: training on the 4 m part of a generated sample');
    const coarse = join(out, MARKER);
    const { seed, units } = existsSync(coarse)
      ? readMarker(coarse)
      : { seed: SAMPLE_DEFAULTS.seed, units: 'reflectance' as const };
    await writeFineSample(out, seed, units, output);
  }
  return join(out, 'patches_4m');
}
