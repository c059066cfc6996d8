/** The model card of the default model, in Markdown. Every number in it comes from the run that wrote it. */
import type { SceneModelFacts } from '../checkpoint/schema.js';
import { type ContestResult, type Coverage, contestTable, coverageTable } from './contest.js';
import type { LoadedSource } from './sources.js';

export interface CardFacts {
  readonly facts: SceneModelFacts;
  readonly sources: readonly LoadedSource[];
  readonly contest: ContestResult;
  readonly coverage: readonly Coverage[];
  /** Of the model's file. */
  readonly sha256: string;
  readonly bytes: number;
}

const row = (cells: readonly (string | number)[]) => `| ${cells.join(' | ')} |`;

export function modelCard({ facts, sources, contest, coverage, sha256, bytes }: CardFacts): string {
  const { chosen } = contest;
  const bad = facts.bands.wavelength.filter((_, b) => facts.goodBands[b] === 0);
  return `${[
    '# The model in the box: oli_reflectance',
    '',
    'Written by `npm run train:default`. `bandlift predict SCENE --out OUT` uses this model when no `--stage1` is given.',
    '',
    row(['', '']),
    row(['---', '---']),
    row(['file', `\`models/oli_reflectance.safetensors\`, ${bytes.toLocaleString('en')} bytes, SHA-256 \`${sha256}\``]),
    row(['input', 'the 7 reflective bands of Landsat 8 or 9 (OLI, OLI-2), surface reflectance, 0 to 1']),
    row([
      'output',
      `surface reflectance in the ${facts.bands.wavelength.length} bands of AVIRIS-NG, ${facts.bands.wavelength[0]} to ${facts.bands.wavelength.at(-1)} nm`,
    ]),
    row([
      'flagged in `bbl`',
      `${bad.length} bands in strong water vapour, which 7 bands cannot tell: ${bad[0]} to ${bad.at(-1)} nm, at 1330 to 1500 and 1770 to 2000 nm`,
    ]),
    row([
      'form',
      'a quadratic function of the 7 bands for each band: one regression, computed by the graph like any network',
    ]),
    row(['uncertainty', `calibrated on ${facts.uncertainty.scenes} scenes, each left out in turn`]),
    '',
    '## Recipe',
    '',
    `*${chosen.name}*: ridge regression on the 7 bands and their 28 squares and products. Every scene counts the same. A spectrum`,
    `weighs brightness^-${chosen.power}. Each spectrum is also seen under ${chosen.exposures.join(', ')} times its light, so that the`,
    `result depends little on brightness, which the spectral angle does not see. Penalty ${chosen.penalty.linear} for bands and`,
    `${chosen.penalty.products} for products, relative to the mean square of a feature; ${chosen.penalty.intercept ? 'with' : 'no'} intercept, so that black ${chosen.penalty.intercept ? 'need not stay' : 'stays'} black.`,
    'Source spectra are brought to the common grid by a Gaussian of the band where the source is finer than half of it, by linear',
    'interpolation where it is coarser, never beyond their range; each scene trains only the bands that it knows. OLI is simulated',
    'from the grid with the measured responses of Landsat 8 (docs/specification.md, section 5), without noise.',
    '',
    '## Data',
    '',
    row(['scene', 'what', 'spectra used', 'of', 'bands known', 'SHA-256 of the data file']),
    row(['---', '---', '---:', '---:', '---:', '---']),
    ...sources.map(({ source, scene, sha256: hash, stored }) =>
      row([source.name, source.note, scene.count, stored, scene.good.reduce((sum, g) => sum + g, 0), `\`${hash}\``]),
    ),
    '',
    '## On scenes it has not seen',
    '',
    'Each scene is left out in turn: mean spectral angle in degrees over at most 2,500 pixels of the scene, in bands clear of water',
    'vapour (docs/specification.md, section 8). *Shape* fits divide by brightness and need more than one regression, so they were',
    'compared only. The last row picks for each scene the fit that the other scenes would have chosen: the number to expect of the',
    'whole procedure, since the fit in bold was picked with these scores.',
    '',
    ...contestTable(contest),
    '',
    'Intervals of 90 % of a model that saw neither the scene nor a factor from it:',
    '',
    ...coverageTable(coverage),
    '',
    '## Limits',
    '',
    `- It has seen ${sources.length} scenes: oak savanna, chaparral, a lake and woods, roofs, one scene from orbit, and a library. Dark water, snow,`,
    '  crops in rows and salt are hardly in it or not at all. The library shows what happens far from the others.',
    '- A spectrum from 7 bands is an estimate. Where a narrow feature has no band of OLI near it, the prediction shows the usual one.',
    '- Real Landsat differs from simulated Landsat: atmosphere, adjacency, registration. Known pixels of a scene help most.',
    '- Surface reflectance only; radiance and other sensors are refused.',
    `- ${facts.uncertainty.scenes} scenes cannot promise 90 % for a new one; the table above is what was seen.`,
  ].join('\n')}\n`;
}
