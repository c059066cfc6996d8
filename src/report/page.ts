/** From a result and its drawn figures to the text of report.html. */
import { Eta } from 'eta';
import type { EvaluationResult } from '../evaluate/result.js';
import { accounting, GLOSSARY } from './definitions.js';
import type { Figures } from './figures.js';
import { capital, counted, escapeText, formatCount, listed, prettyUnits, sentence } from './format.js';
import { spectraStrokes } from './spectra.js';
import { type Stroke, strokesOf } from './strokes.js';
import { STYLE } from './style.js';
import { metricTables, rankings } from './tables.js';
import { TEMPLATE } from './template.js';
import { splitText, type Verdict, verdict } from './verdict.js';

const STAGES: Readonly<Record<EvaluationResult['stage'], string>> = {
  'stage 1': 'From Landsat bands to those of an imaging spectrometer',
  'stage 2': 'From coarse pixels to fine ones',
  'end to end': 'From Landsat bands to spectra in fine pixels',
};

const legend = (strokes: ReadonlyMap<string, Stroke>): string =>
  `<ul class="legend">${[...strokes]
    .map(
      ([label, s]) =>
        `<li><svg viewBox="0 0 34 10" aria-hidden="true"><path d="M0 5H34" fill="none" stroke="${s.color}" stroke-width="${s.width + 0.4}" stroke-dasharray="${s.dash.join(' ')}"/></svg>${escapeText(label)}</li>`,
    )
    .join('')}</ul>`;

/** 'ahead' and 'behind' only when no comparison says otherwise. */
function overall({ comparisons }: Verdict): string {
  const standings = new Set(comparisons.map((c) => c.standing).filter((s) => s !== 'unknown'));
  if (standings.size === 0) return 'unknown';
  return standings.size === 1 ? [...standings][0]! : standings.has('ahead') ? 'mixed' : 'behind';
}

const FILES_SHOWN = 12;

function provenance(result: EvaluationResult, created: string): [string, string[]][] {
  const { data, wavelength } = result;
  const files = data.files.map((file) => (file.startsWith(`${data.path}/`) ? file.slice(data.path.length + 1) : file));
  const more = files.length - FILES_SHOWN;
  const names = listed(more > 0 ? [...files.slice(0, FILES_SHOWN), `${formatCount(more)} more`] : files);
  const range = wavelength
    ? `${Math.min(...wavelength).toFixed(0)}–${Math.max(...wavelength).toFixed(0)} nm`
    : 'wavelengths unknown';
  return [
    ['Made', [`${created} by bandlift ${result.version}`]],
    ...result.models.map((model): [string, string[]] => [
      `Stage ${model.stage}`,
      [
        `${model.kind}, ${counted(model.parameters, 'parameter')}${model.epoch === undefined ? '' : `, epoch ${formatCount(model.epoch)}`}`,
        model.file,
      ],
    ]),
    ['Data', [data.path, names]],
    [data.scenes.length === 1 ? 'Scene' : 'Scenes', [listed(data.scenes)]],
    ['Patches', [`${formatCount(data.patches)} of ${data.height} × ${data.width} pixels`]],
    ['Split', [data.split]],
    ['Bands', [`${formatCount(result.goodBands.length)}, ${range}`]],
    ['Units', [prettyUnits(data.units) || 'not named in the files']],
    ['Sensor', [data.sensor ?? 'not named in the files']],
  ];
}

/** '2026-11-23T02:52:11.123Z' -> '2026-11-23 02:52 UTC'; anything else as it is. */
const moment = (created: string) =>
  /^\d{4}-\d\d-\d\dT\d\d:\d\d.*Z$/.test(created) ? `${created.slice(0, 10)} ${created.slice(11, 16)} UTC` : created;

export function renderPage(result: EvaluationResult, figures: Figures): string {
  const { data } = result;
  const judged = verdict(result);
  const created = moment(result.created);
  const kinds = listed([...new Set(result.models.map((m) => m.kind))]);
  const heading = `${capital(result.stage)}: ${judged.model ?? (kinds || 'baselines')}`;
  const bands = counted(result.goodBands.length, 'band');
  const patchKind = /^(test|validation)$/.test(data.split) ? `${data.split} ` : '';
  const scenes = data.scenes.length <= 3 ? listed(data.scenes) : counted(data.scenes.length, 'scene');
  const page = {
    ...figures,
    result,
    created,
    escape: escapeText,
    sentence,
    legend,
    heading,
    lead: `${capital(splitText(data.split))}, in physical units.`,
    title: `${heading}${scenes && ` on ${scenes}`} · bandlift evaluation`,
    subtitle: `${STAGES[result.stage]}: ${counted(data.patches, `${patchKind}patch`, `${patchKind}patches`)} of ${data.height} × ${data.width} pixels${scenes && ` from ${scenes}`}, ${bands}, ${prettyUnits(data.units) || 'units unknown'}.`,
    verdict: judged,
    standing: overall(judged),
    rankings: rankings(result),
    tables: metricTables(result),
    strokes: strokesOf(result),
    spectraStrokes: spectraStrokes(result),
    notes: [...result.notes, ...accounting(result)],
    glossary: GLOSSARY,
    provenance: provenance(result, created),
    style: STYLE,
  };
  return new Eta({ autoEscape: true, autoTrim: false, cache: false }).renderString(TEMPLATE, page);
}
