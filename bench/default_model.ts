/** `npm run contest` and `npm run train:default`: measures the fits, or measures them and writes the default model and its card. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from '../src/base/atomic.js';
import { fileHash } from '../src/base/content_hash.js';
import { BandliftError, EXIT } from '../src/base/errors.js';
import { projectRoot } from '../src/base/version.js';
import { calibrationScore, calibrationTable } from '../src/fitted/calibration_protocol.js';
import { SumsOf } from '../src/fitted/candidates.js';
import { contestTable, coverageTable, measureCoverage, runContest } from '../src/fitted/contest.js';
import { modelCard } from '../src/fitted/model_card.js';
import { commonGrid, DEFAULT_SOURCES, loadSource } from '../src/fitted/sources.js';
import { writeSceneModel } from '../src/fitted/write_model.js';

const say = (text: string) => process.stdout.write(`${text}\n`);

async function main([what, folder, out = projectRoot()]: string[]): Promise<void> {
  if (folder === undefined || (what !== 'contest' && what !== 'train'))
    throw new BandliftError('give contest or train, and the folder of data', {}, EXIT.usage);
  const grid = commonGrid();
  const sources = [];
  for (const source of DEFAULT_SOURCES) sources.push(await loadSource(folder, source));
  const scenes = sources.map(({ scene }) => scene);
  const contest = runContest(scenes, grid.wavelength);
  const coverage = measureCoverage(contest.chosen, scenes, grid.wavelength);
  for (const line of [...contestTable(contest), '', ...coverageTable(coverage)]) say(line);
  const counts = [5, 20, 50];
  const sums = new SumsOf();
  const scores = scenes.flatMap(
    (scene) => calibrationScore(contest.chosen, scenes, scene, grid.wavelength, sums, { counts, draws: 5 }) ?? [],
  );
  for (const line of ['', ...calibrationTable(scores, counts)]) say(line);
  if (what === 'contest') return;
  const file = join(out, 'models/oli_reflectance.safetensors');
  const facts = await writeSceneModel(file, contest.chosen, sources, grid);
  const sha256 = await fileHash(file);
  const card = modelCard({ facts, sources, contest, coverage, sha256, bytes: statSync(file).size });
  await writeFileAtomic(join(out, 'docs/models/oli_reflectance.md'), card);
  say(`\nwrote ${file}`);
}

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = error instanceof BandliftError ? error.exitCode : 1;
});
