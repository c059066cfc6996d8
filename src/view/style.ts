/** The page's looks: light and dark, from 390 px up. Text has a contrast of 4.5 : 1 and more. */
export const STYLE = `
:root { color-scheme: light dark; --page: #fff; --panel: #f4f6f8; --ink: #1f2328; --soft: #57606a; --faint: #d8dee4; --edge: #868e96; --focus: #0b5cad; --cursor: #1f2328; }
@media (prefers-color-scheme: dark) {
  :root { --page: #14171c; --panel: #1d2229; --ink: #e6edf3; --soft: #a3adb8; --faint: #343b44; --edge: #7d8590; --focus: #79b8ff; --cursor: #e6edf3; }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
html, body { margin: 0; height: 100%; }
body { background: var(--page); color: var(--ink); font: 14px/1.45 system-ui, sans-serif; display: flex; flex-direction: column; }
header { display: flex; flex-wrap: wrap; align-items: center; gap: 4px 18px; padding: 8px 14px; background: var(--panel); border-bottom: 1px solid var(--faint); }
h1 { font-size: 15px; margin: 0; }
form, form > span, fieldset, .row { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 14px; }
fieldset { border: 0; padding: 0; margin: 0; min-width: 0; }
legend { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
label { min-width: 0; overflow-wrap: anywhere; }
input, select, button { font: inherit; color: inherit; background: var(--page); border: 1px solid var(--edge); border-radius: 4px; padding: 3px 7px; min-height: 28px; max-width: 100%; }
input[type=checkbox] { min-height: 0; width: 16px; height: 16px; vertical-align: -3px; accent-color: var(--focus); }
input[type=number] { width: 92px; }
input[type=range] { padding: 0; border: 0; width: 160px; vertical-align: middle; accent-color: var(--focus); }
button { cursor: pointer; }
button[aria-pressed=true] { background: var(--ink); color: var(--page); }
:focus-visible { outline: 2px solid var(--focus); outline-offset: 1px; }
main { flex: 1; min-height: 0; display: grid; grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); gap: 14px; padding: 12px 14px; }
section { min-width: 0; min-height: 0; display: flex; flex-direction: column; gap: 8px; }
#stage { flex: 1; min-height: 220px; display: grid; grid-template-columns: repeat(var(--columns, 1), minmax(0, 1fr)); grid-auto-rows: minmax(0, 1fr); gap: 8px; }
figure { margin: 0; min-height: 0; display: flex; flex-direction: column; }
figure canvas { flex: 1; min-height: 0; width: 100%; height: 0; background: var(--panel); border: 1px solid var(--faint); touch-action: none; cursor: crosshair; }
figcaption { color: var(--soft); white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
p { margin: 0; }
#status, #reading { min-height: 1.45em; font-variant-numeric: tabular-nums; }
#legend, dd { color: var(--soft); }
#scale { display: inline-flex; align-items: center; gap: 6px; }
#scale-bar { display: inline-block; height: 7px; border: 2px solid var(--ink); border-top: 0; }
#plot { width: 100%; height: 44vh; min-height: 240px; touch-action: pan-y; cursor: crosshair; }
#numbers { height: 44vh; min-height: 240px; overflow: auto; border: 1px solid var(--faint); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); padding: 4px 8px; }
th, td { text-align: right; padding: 2px 8px; white-space: nowrap; }
th { background: var(--panel); }
#pins { list-style: none; margin: 0; padding: 0; display: grid; gap: 4px; }
#pins li { display: flex; align-items: center; gap: 8px; font-variant-numeric: tabular-nums; }
#pins li span:not(.swatch) { flex: 1; min-width: 0; }
.swatch { width: 14px; height: 14px; border-radius: 50%; flex: none; }
output { font-variant-numeric: tabular-nums; font-weight: 600; }
summary { cursor: pointer; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 2px 12px; margin: 6px 0; }
dt { font-weight: 600; }
dd { margin: 0; }
#spectra { overflow: auto; padding: 2px; }
@media (max-width: 899px) {
  main { display: flex; flex-direction: column; flex: none; }
  #stage { flex: none; height: 62vh; }
  #spectra { overflow: visible; }
  dl { grid-template-columns: minmax(0, 1fr); }
}
`;
