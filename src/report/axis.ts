/** The band axis: wavelengths where they are known, else band numbers, cut where bands were left out. */
import type { EvaluationResult } from '../evaluate/result.js';

export interface BandAxis {
  readonly title: string;
  /** Bands in the order they are drawn. */
  readonly order: readonly number[];
  /** By band: nm, or the number from 1. */
  readonly position: readonly number[];
  /** By band: number of its unbroken stretch. Lines join bands of one stretch only. */
  readonly stretch: readonly number[];
  /** Stretches of the axis without bands, [from, to]. */
  readonly gaps: readonly (readonly [number, number])[];
}

/** Neighbours further apart than this many usual distances have bands left out between them. */
const BREAK = 2.5;

/** @param bands how many; wavelengths need not rise (two detectors overlap in some headers) */
export function bandAxis(wavelength: EvaluationResult['wavelength'], bands: number): BandAxis {
  const position = Array.from({ length: bands }, (_, b) => wavelength?.[b] ?? b + 1);
  const order = position.map((_, b) => b).sort((a, b) => position[a]! - position[b]!);
  const steps = order.slice(1).map((band, i) => position[band]! - position[order[i]!]!);
  const usual = [...steps].sort((a, b) => a - b)[Math.floor(steps.length / 2)] ?? 1;
  const stretch = new Array<number>(bands).fill(0);
  const gaps: [number, number][] = [];
  for (let i = 1; i < bands; i++) {
    const [before, here] = [order[i - 1]!, order[i]!];
    const broken = steps[i - 1]! > BREAK * usual;
    if (broken) gaps.push([position[before]!, position[here]!]);
    stretch[here] = stretch[before]! + (broken ? 1 : 0);
  }
  return { title: wavelength ? 'wavelength (nm)' : 'band', order, position, stretch, gaps };
}
