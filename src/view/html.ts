/** The page's skeleton; page/main.ts fills it. */
const KEYS = [
  ['arrow keys', 'on the picture: move the cursor by a pixel; with Shift: move the picture'],
  ['+ and -, 0', 'zoom; the whole scene'],
  ['Enter or P, Delete', 'pin the cursor, remove the last pin'],
  ['1 to 5', 'true colour, colour infrared, short waves, three bands, one band'],
  ['[ and ]', 'the band before, the next band'],
  ['B', 'mean of a box around the cursor: 3, 5, 7 pixels'],
  ['L', 'side by side, one alone, swipe'],
  ['T', 'table in place of the curves'],
  ['left and right', 'on the curves: read them band by band'],
  ['mouse', 'move: cursor; click: pin; drag: move the picture; Shift and drag: pin the mean of a box; wheel: zoom'],
]
  .map(([keys, meaning]) => `<dt>${keys}</dt><dd>${meaning}</dd>`)
  .join('');

const SHOWN = [
  ['true', 'true colour'],
  ['infrared', 'colour infrared'],
  ['shortwave', 'short waves'],
  ['three', 'three bands'],
  ['one', 'one band'],
]
  .map(([value, text]) => `<option value="${value}">${text}</option>`)
  .join('');

const number = (id: string, text: string) =>
  `<label>${text} <span class="by"></span> <input id="${id}" type="number" min="1" step="any"></label>`;

export const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>bandlift view</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="style.css">
<script type="module" src="page/main.js"></script>
</head>
<body>
<header>
<h1>bandlift view</h1>
<form id="controls" autocomplete="off">
<label>Show <select id="preset">${SHOWN}</select></label>
<span id="three-bands" hidden>${number('red', 'Red')}${number('green', 'Green')}${number('blue', 'Blue')}</span>
<span id="one-band" hidden>${number('band', 'Band')}</span>
<label>Stretch <select id="cut"><option value="0">all values</option><option value="0.005">0.5 to 99.5 %</option><option value="0.02">2 to 98 %</option><option value="0.05">5 to 95 %</option></select></label>
<label><input id="shared" type="checkbox"> the first cube's stretch for all</label>
<label id="layout-row">Layout <select id="layout"><option value="side">side by side</option><option value="single">one alone</option><option value="swipe">swipe</option></select></label>
<label id="swipe-row" hidden>Swipe <input id="swipe" type="range" min="0" max="1" step="0.01"></label>
<fieldset id="cubes"><legend>Cubes</legend></fieldset>
</form>
</header>
<main>
<section id="pictures" aria-label="Pictures">
<div id="stage"></div>
<div class="row">
<button type="button" id="zoom-in" aria-label="Zoom in">+</button>
<button type="button" id="zoom-out" aria-label="Zoom out">&minus;</button>
<button type="button" id="zoom-fit">Whole scene</button>
<button type="button" id="save-picture">Save picture</button>
<span id="scale" hidden><span id="scale-bar"></span><span id="scale-text"></span></span>
</div>
<p id="status" role="status"></p>
<p id="legend"></p>
</section>
<section id="spectra" aria-label="Spectra">
<canvas id="plot" tabindex="0" role="img" aria-label="Spectra: none yet"></canvas>
<div id="numbers" hidden tabindex="0" role="region" aria-label="Table of spectra"><table id="table"></table></div>
<p id="reading" role="status"></p>
<div class="row">
<button type="button" id="as-table" aria-pressed="false">Table</button>
<button type="button" id="save-csv">Save CSV</button>
<button type="button" id="save-plot">Save curves</button>
</div>
<div class="row"><label>Angle between <select id="angle-a"></select></label><label>and <select id="angle-b"></select></label><output id="angle">choose two curves</output></div>
<ul id="pins"></ul>
<details id="help"><summary>Keys and mouse</summary><dl>${KEYS}</dl></details>
</section>
</main>
</body>
</html>
`;
