/// <reference lib="dom" />
/** The curves as numbers: a table for readers of screens, and CSV. */
import type { Series } from './plot.js';

const shown = (value: number | null | undefined) => (value === null || value === undefined ? '' : String(value));

/** Rows by the bands of one grid; curves of other grids have rows of their own, one grid after the other. */
function grids(series: readonly Series[]): Series[][] {
  const found = new Map<string, Series[]>();
  for (const s of series) {
    const key = s.x.join();
    found.set(key, [...(found.get(key) ?? []), s]);
  }
  return [...found.values()];
}

export function fillTable(table: HTMLTableElement, series: readonly Series[], xTitle: string): void {
  table.replaceChildren();
  const caption = table.createCaption();
  caption.textContent =
    series.length === 0
      ? 'No place is chosen.'
      : 'Spectra at the cursor and the pins; empty where a band is bad or has no data.';
  for (const group of grids(series)) {
    const body = table.createTBody();
    const head = body.insertRow();
    for (const title of ['band', xTitle, ...group.map((s) => s.label)]) {
      const cell = document.createElement('th');
      cell.scope = 'col';
      cell.textContent = title;
      head.append(cell);
    }
    group[0]!.x.forEach((x, b) => {
      const row = body.insertRow();
      for (const text of [`${b + 1}`, shown(x), ...group.map((s) => shown(s.y[b]))])
        row.insertCell().textContent = text;
    });
  }
}

const quoted = (text: string) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** One line a band of each curve: a long table, which every program sorts as it likes. */
export function csv(series: readonly Series[], xTitle: string, unit: string): string {
  const lines = [['place', 'cube', 'band', xTitle, unit, 'lower', 'upper'].map(quoted).join()];
  for (const s of series)
    s.x.forEach((x, b) => {
      lines.push(
        [s.place, s.scene, b + 1, shown(x), shown(s.y[b]), shown(s.lower?.[b]), shown(s.upper?.[b])]
          .map((v) => quoted(String(v)))
          .join(),
      );
    });
  return `${lines.join('\n')}\n`;
}
