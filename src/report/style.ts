/** The style sheet of the report. Charts are drawn in light colours; a dark page gives each colour its twin. */
import { INK } from './chart.js';
import { DENSITY_COLOR } from './scatter.js';

/** Colour of a chart -> on a dark page. */
const DARK_TWINS: readonly (readonly [string, string])[] = [
  [INK.text, '#e6edf3'],
  [INK.soft, '#9da7b3'],
  [INK.rule, '#444c56'],
  [INK.grid, '#262c34'],
  [INK.shade, '#1d2229'],
  ['#1a1a1a', '#f0f3f6'],
  ['#d1472c', '#ff7b5c'],
  ['#a83280', '#e57cc0'],
  ['#0b6fb4', '#4ea8ea'],
  ['#008a68', '#35c79c'],
  ['#c98300', '#eab04a'],
  ['#4ba3d4', '#8fd0f5'],
  ['#7a5cc0', '#b39bf0'],
  ['#8b919b', '#8b949e'],
  [DENSITY_COLOR, '#7fb2ff'],
];

const twins = DARK_TWINS.map(
  ([light, dark]) => `svg [stroke="${light}"]{stroke:${dark}}svg [fill="${light}"]{fill:${dark}}`,
).join('\n');

export const STYLE = `
:root {
  color-scheme: light dark;
  --page: #ffffff; --raised: #f6f8fa; --ink: #1f2328; --soft: #57606a; --rule: #d0d7de; --faint: #eaeef2;
  --accent: #d1472c; --tint: #fdf1ee; --bar: #9fb3c8;
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif;
}
main, footer { max-width: 1080px; margin: 0 auto; padding: 0 24px; }
header { padding: 48px 0 0; }
.kicker { margin: 0 0 4px; color: var(--soft); font-size: 14px; letter-spacing: 0.02em; }
h1 { margin: 0 0 8px; font-size: 32px; line-height: 1.2; font-weight: 650; letter-spacing: -0.01em; overflow-wrap: anywhere; }
h2 { margin: 56px 0 8px; font-size: 22px; line-height: 1.3; font-weight: 650; letter-spacing: -0.005em; }
h3 { margin: 32px 0 10px; font-size: 16px; line-height: 1.4; font-weight: 650; }
h3 small, caption small { font-weight: 400; color: var(--soft); font-size: 14px; margin-left: 6px; }
p { margin: 0 0 12px; max-width: 72ch; }
.subtitle, .lead, .note { color: var(--soft); }
.note { font-size: 14px; }
.verdict { margin: 24px 0 28px; padding: 18px 22px; background: var(--raised); border-left: 4px solid var(--soft); border-radius: 0 6px 6px 0; }
.verdict p { margin: 0; max-width: 78ch; font-size: 17px; }
.verdict strong { font-weight: 650; }
.verdict[data-standing='ahead'] { border-left-color: #2a8f5b; }
.verdict[data-standing='behind'] { border-left-color: var(--accent); }
.verdict[data-standing='level'], .verdict[data-standing='mixed'] { border-left-color: #c98300; }

.rankings { display: grid; grid-template-columns: repeat(auto-fit, minmax(280px, 1fr)); gap: 28px 36px; margin: 0; }
.ranking h3 { margin: 0 0 8px; }
.ranking ol { list-style: none; margin: 0; padding: 0; }
.ranking li { display: grid; grid-template-columns: 1fr auto; column-gap: 12px; margin: 0 0 7px; font-size: 13.5px; line-height: 1.4; }
.ranking .value { font-variant-numeric: tabular-nums; }
.ranking .track { grid-column: 1 / -1; height: 6px; background: var(--faint); border-radius: 3px; overflow: hidden; }
.ranking .track i { display: block; height: 100%; background: var(--bar); border-radius: 3px; }
.ranking .model { font-weight: 650; }
.ranking .model .track i { background: var(--accent); }
.ranking li:not(.oracle) + .oracle { border-top: 1px solid var(--rule); padding-top: 8px; margin-top: 11px; }
.ranking .oracle { color: var(--soft); }
.ranking .oracle .track i { background: repeating-linear-gradient(115deg, var(--bar) 0 2px, transparent 2px 5px); }

.scroll { position: relative; overflow-x: auto; margin: 0 0 8px; }
table { border-collapse: collapse; width: 100%; font-size: 14.5px; font-variant-numeric: tabular-nums lining-nums; }
caption { text-align: left; font-weight: 650; font-size: 16px; padding: 20px 0 6px; }
th, td { padding: 5px 0 5px 18px; text-align: right; white-space: nowrap; vertical-align: baseline; }
th { font-weight: 400; }
th:first-child { text-align: left; padding-left: 10px; position: sticky; left: 0; background: var(--page); }
th:last-child, td:last-child { padding-right: 10px; }
thead th { font-weight: 650; font-size: 13px; border-bottom: 1.5px solid var(--rule); line-height: 1.3; }
thead th { vertical-align: top; }
thead small { display: block; font-weight: 400; color: var(--soft); }
tbody tr:not(.group) th { white-space: normal; min-width: 130px; }
tbody tr.group th { padding-top: 12px; color: var(--soft); font-size: 12.5px; letter-spacing: 0.02em; }
tbody tr:not(.group) > * { border-bottom: 1px solid var(--faint); }
tr.model > * { background: var(--tint) !important; }
tr.model th { font-weight: 650; }
tr.oracle td, tr.oracle th { color: var(--soft); }
.best { font-weight: 700; }
.best::before { content: '★'; font-size: 0.72em; margin-right: 4px; color: var(--accent); vertical-align: 0.12em; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

figure { margin: 0; min-width: 0; }
figcaption { font-size: 14px; line-height: 1.45; color: var(--soft); }
figcaption b { color: var(--ink); font-weight: 650; }
.charts { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 28px 36px; margin: 16px 0; }
.charts figcaption { margin: 0 0 6px 4px; }
svg.chart { display: block; font-family: inherit; width: 100%; max-width: 540px; height: auto; }
.squares { grid-template-columns: repeat(auto-fit, minmax(230px, 1fr)); gap: 24px; }
.squares svg.chart { max-width: 320px; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 22px; list-style: none; margin: 12px 0 4px; padding: 0; font-size: 14px; }
.legend svg { width: 34px; height: 10px; margin-right: 8px; vertical-align: 1px; }

.panels { display: grid; grid-template-columns: repeat(var(--columns), minmax(0, 1fr)); gap: 0 18px; margin: 10px 0 8px; }
.panels figure { display: grid; grid-template-rows: subgrid; grid-row: span 3; align-content: start; margin-bottom: 18px; }
.panels figcaption { align-self: end; }
.panels img { display: block; width: 100%; height: auto; image-rendering: pixelated; background: var(--raised); border-radius: 2px; }
.panels figcaption { margin: 0 0 5px; color: var(--ink); }
.scale { margin-top: 7px; font-size: 12.5px; color: var(--soft); font-variant-numeric: tabular-nums; }
.scale i { display: block; height: 8px; border-radius: 2px; }
.scale div { display: grid; grid-template-columns: 1fr auto 1fr; margin-top: 2px; }
.scale div span:last-child { text-align: right; }
.scale p { margin: 0; font-size: inherit; text-align: center; }

dl { display: grid; grid-template-columns: minmax(120px, max-content) minmax(0, 1fr); gap: 7px 24px; margin: 12px 0; font-size: 15px; }
dt { font-weight: 600; }
dd { margin: 0; max-width: 78ch; overflow-wrap: anywhere; }
ul.plain { margin: 12px 0; padding-left: 20px; max-width: 80ch; font-size: 15px; }
ul.plain li { margin: 0 0 5px; }
details summary { cursor: pointer; }
code { font: 0.9em ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace; }
footer { margin: 56px auto 0; padding-top: 16px; padding-bottom: 40px; color: var(--soft); font-size: 13.5px; }
footer::before { content: ''; display: block; border-top: 1px solid var(--rule); margin-bottom: 16px; }

.narrow { display: none; }
@media screen and (max-width: 720px) {
  .narrow { display: inline; }
  main, footer { padding: 0 16px; }
  header { padding-top: 28px; }
  h1 { font-size: 26px; }
  h2 { margin-top: 44px; }
  .charts { grid-template-columns: minmax(0, 1fr); }
  .panels { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 0 12px; }
  .verdict { padding: 14px 16px; }
  table { font-size: 13.5px; }
  th, td { padding-left: 13px; }
  caption small { display: block; margin: 0; max-width: calc(100vw - 32px); }
  dl { grid-template-columns: minmax(0, 1fr); gap: 0; }
  dd { margin-bottom: 10px; }
}
@media (prefers-color-scheme: dark) {
  @media screen {
    :root {
      --page: #14171c; --raised: #1c2128; --ink: #e6edf3; --soft: #9da7b3; --rule: #444c56; --faint: #262c34;
      --accent: #ff7b5c; --tint: #2b201e; --bar: #5b7088;
    }
    ${twins}
  }
}
@media print {
  @page { margin: 16mm 14mm; }
  body { font-size: 10.5pt; }
  main, footer { max-width: none; padding: 0; }
  header { padding: 0; }
  h2, h3, caption { break-after: avoid; }
  figure, tr, .verdict, .ranking { break-inside: avoid; }
  .scroll { overflow: visible; }
  table { font-size: 9pt; }
  th, td { padding-left: 8px; }
  .rankings { grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 20px; }
  .charts { gap: 14px 18px; }
  .squares { grid-template-columns: repeat(4, minmax(0, 1fr)); }
  .panels { gap: 0 10px; }
  h2 { margin-top: 32px; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
`;
