/** The page, in eta's language: `<%= %>` escapes its value, `<%~ %>` does not (charts and the style sheet). `it` is a `Page`. */
export const TEMPLATE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="bandlift <%= it.result.version %>">
<title><%= it.title %></title>
<link rel="icon" href="data:,">
<style><%~ it.style %></style>
</head>
<body>
<main>
<header>
<p class="kicker">bandlift evaluation</p>
<h1><%= it.heading %></h1>
<p class="subtitle"><%= it.subtitle %></p>
<div class="verdict" data-standing="<%= it.standing %>">
<p><strong><%= it.verdict.sentences[0] %></strong><% for (const sentence of it.verdict.sentences.slice(1)) { %> <%= sentence %><% } %></p>
</div>
</header>

<section aria-label="Methods at a glance">
<div class="rankings">
<% for (const ranking of it.rankings) { %>
<div class="ranking">
<h3><%= ranking.title %> <small><%= ranking.hint %></small></h3>
<ol>
<% for (const row of ranking.rows) { %><li class="<%= row.role %>"><span><%= row.label %></span><span class="value"><%= row.text %></span><span class="track"><i style="width:<%= row.length.toFixed(1) %>%"></i></span></li>
<% } %></ol>
</div>
<% } %>
</div>
</section>

<section id="numbers">
<h2>All numbers</h2>
<p class="lead"><%= it.lead %> ★ marks the best value among the model and the baselines; the oracle does not compete. Arrows say which way is better.<span class="narrow"> The tables scroll sideways.</span></p>
<% for (const table of it.tables) { %>
<div class="scroll" tabindex="0" role="region" aria-label="Metrics: <%= table.title %>">
<table class="metrics" data-region="<%= table.region %>">
<caption><%= table.title %><small><%= table.detail %></small></caption>
<thead><tr><th scope="col">Method</th><% for (const column of table.columns) { %><th scope="col"><%= column.name %> <span aria-label="<%= column.better %> is better"><%= column.better === 'lower' ? '↓' : '↑' %></span><small><%~ column.unit === '' ? '&nbsp;' : it.escape(column.unit) %></small></th><% } %></tr></thead>
<% for (const group of table.groups) { %><tbody>
<tr class="group"><th scope="rowgroup" colspan="<%= table.columns.length + 1 %>"><%= group.title %></th></tr>
<% for (const row of group.rows) { %><tr class="<%= row.role %>"><th scope="row"><%= row.label %></th><% for (const cell of row.cells) { %><td<% if (cell.best) { %> class="best"<% } %>><%= cell.text %><% if (cell.best) { %><span class="hidden"> (best)</span><% } %></td><% } %></tr>
<% } %></tbody>
<% } %></table>
</div>
<% } %>
<h3>The methods</h3>
<dl>
<% for (const method of it.result.methods) { %><dt><%= method.label %></dt><dd><%= it.sentence(method.about) %></dd>
<% } %></dl>
</section>

<% if (it.curves.length > 0) { %>
<section id="curves">
<h2>Band by band</h2>
<p class="lead"><%= it.curvesText %></p>
<%~ it.legend(it.strokes) %>
<div class="charts">
<% for (const curve of it.curves) { %><figure>
<figcaption><b><%= curve.title %></b><%= curve.note %></figcaption>
<div role="img" aria-label="<%= curve.alt %>"><%~ curve.svg %></div>
</figure>
<% } %></div>
</section>
<% } %>

<% if (it.spectra.length > 0) { %>
<section id="spectra">
<h2>Spectra of single pixels</h2>
<p class="lead"><%= it.spectraText %></p>
<%~ it.legend(it.spectraStrokes) %>
<div class="charts">
<% for (const example of it.spectra) { %><figure>
<figcaption><b><%= example.title %></b> · <%= example.detail %></figcaption>
<div role="img" aria-label="<%= example.alt %>"><%~ example.svg %></div>
</figure>
<% } %></div>
</section>
<% } %>

<% if (it.pictures.length > 0) { %>
<section id="pictures">
<h2>Pictures and error maps</h2>
<p class="lead"><%= it.picturesText %></p>
<% for (const set of it.pictures) { %>
<h3><%= set.title %><small><%= set.detail %></small></h3>
<div class="panels" style="--columns:<%= set.columns %>">
<% for (const panel of set.panels) { %><figure>
<figcaption><%= panel.label %></figcaption>
<img src="<%~ panel.src %>" width="<%= panel.width %>" height="<%= panel.height %>" alt="<%= panel.alt %>">
<% if (panel.scale) { %><div class="scale"><i style="background:<%= it.gradient %>"></i><div><span><%= panel.scale.ticks[0] %></span><span><%= panel.scale.ticks[1] %></span><span><%= panel.scale.ticks[2] %><%= panel.unit %></span></div><% if (panel.below) { %><p><%= panel.below %></p><% } %></div>
<% } %></figure>
<% } %></div>
<% } %>
</section>
<% } %>

<% if (it.scatter.length > 0) { %>
<section id="scatter">
<h2>Predicted against true values</h2>
<p class="lead"><%= it.scatterText %></p>
<div class="charts squares">
<% for (const plot of it.scatter) { %><figure>
<figcaption><b><%= plot.title %></b> · <%= plot.detail %></figcaption>
<div role="img" aria-label="<%= plot.alt %>"><%~ plot.svg %></div>
</figure>
<% } %></div>
</section>
<% } %>

<section id="method">
<h2>How these numbers are made</h2>
<h3>This evaluation</h3>
<ul class="plain">
<% for (const note of it.notes) { %><li><%= note %></li>
<% } %></ul>
<h3>The metrics in words</h3>
<dl>
<% for (const [term, meaning] of it.glossary) { %><dt><%= term %></dt><dd><%= meaning %></dd>
<% } %></dl>
</section>

<section id="provenance">
<h2>Provenance</h2>
<dl>
<% for (const [term, values] of it.provenance) { %><dt><%= term %></dt><dd><% values.forEach((value, i) => { %><% if (i > 0) { %><br><% } %><%= value %><% }) %></dd>
<% } %></dl>
</section>
</main>
<footer>Made by bandlift <%= it.result.version %>, <%= it.created %>. One file, readable offline; the same numbers at full precision are in metrics.json, metrics.csv and band_metrics.csv beside it, the figures in the folder pictures.</footer>
</body>
</html>
`;
