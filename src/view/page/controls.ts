/// <reference lib="dom" />
/** Which bands are shown, and the form that chooses them. */
import type { SceneFacts } from './ask.js';
import { nearest } from './plot.js';
import type { Preset, State } from './state.js';

/** nm of red, green and blue. */
const PRESETS: Partial<Record<Preset, readonly [number, number, number]>> = {
  true: [640, 550, 460],
  infrared: [860, 650, 550],
  shortwave: [2200, 1650, 660],
};
/** Where they are not known: shares of the bands, from long to short waves. */
const SHARES: Partial<Record<Preset, readonly [number, number, number]>> = {
  true: [5 / 6, 3 / 6, 1 / 6],
  infrared: [1, 4 / 6, 2 / 6],
  shortwave: [1, 5 / 6, 3 / 6],
};

/** The good band of a scene nearest to a wavelength, or the band of that number. */
export function bandAt(facts: SceneFacts, wanted: number, byBand: boolean): number {
  if (byBand || facts.wavelength === undefined) return Math.min(facts.bands, Math.max(1, Math.round(wanted))) - 1;
  const good = facts.wavelength.map((nm, b) => (facts.goodBands?.[b] === 0 ? Number.POSITIVE_INFINITY : nm));
  return nearest(good, wanted);
}

export function bandsOf(facts: SceneFacts, s: State, byBand: boolean): number[] {
  if (s.preset === 'one') return [bandAt(facts, s.one, byBand)];
  if (s.preset === 'three') return s.three.map((wanted) => bandAt(facts, wanted, byBand));
  if (byBand || facts.wavelength === undefined)
    return SHARES[s.preset]!.map((share) => Math.min(facts.bands - 1, Math.floor(share * facts.bands)));
  return PRESETS[s.preset]!.map((nm) => bandAt(facts, nm, false));
}

export function byId<T extends HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found as T;
}

const inputs = () => ['red', 'green', 'blue'].map((id) => byId<HTMLInputElement>(id));

/** Puts the state into the form. */
export function showControls(s: State): void {
  byId<HTMLSelectElement>('preset').value = s.preset;
  inputs().forEach((input, k) => {
    input.value = `${s.three[k]}`;
  });
  byId<HTMLInputElement>('band').value = `${s.one}`;
  byId('three-bands').hidden = s.preset !== 'three';
  byId('one-band').hidden = s.preset !== 'one';
  byId<HTMLSelectElement>('cut').value = `${s.cut}`;
  byId<HTMLInputElement>('shared').checked = s.shared;
  byId<HTMLSelectElement>('layout').value = s.layout;
  for (const box of document.querySelectorAll<HTMLInputElement>('#cubes input'))
    box.checked = s.shown.includes(Number(box.value));
}

/** Takes what the form says into the state; what makes no sense stays as it was. */
export function takeControls(s: State): void {
  s.preset = byId<HTMLSelectElement>('preset').value as Preset;
  const three = inputs().map((input) => Number(input.value));
  if (three.every((v) => Number.isFinite(v) && v > 0)) s.three = three as [number, number, number];
  const one = Number(byId<HTMLInputElement>('band').value);
  if (Number.isFinite(one) && one > 0) s.one = one;
  s.cut = Number(byId<HTMLSelectElement>('cut').value);
  s.shared = byId<HTMLInputElement>('shared').checked;
  s.layout = byId<HTMLSelectElement>('layout').value as State['layout'];
  const shown = [...document.querySelectorAll<HTMLInputElement>('#cubes input:checked')].map((box) =>
    Number(box.value),
  );
  if (shown.length > 0) s.shown = shown;
}
