/** Waters, after Gordon et al. (1988), deep or over a bottom. */
import type { Absorption } from './absorption.js';
import type { Reflectance } from './state.js';

/**
 * rrs = 0.089 u + 0.125 u^2 with u = bb / (a + bb), carried through the surface, times pi, plus sun glint.
 * @param tss suspended matter, g/m3
 * @param algae chlorophyll, mg/m3
 * @param humic absorption of dissolved matter at 440 nm, 1/m
 */
export function openWater(tss: number, algae: number, humic: number): Reflectance {
  return (a: Absorption, s, out) => {
    const matter = tss * Math.exp(1.2 * s.turbidity);
    const green = algae * Math.exp(1.1 * s.vigour);
    const glint = 0.008 * Math.exp(0.5 * s.age);
    for (let b = 0; b < out.length; b++) {
      const w = a.wavelength[b]!;
      const absorbed =
        100 * a.water[b]! + 0.03 * green * a.chlorophyll[b]! + (humic + 0.02 * matter) * Math.exp(-0.013 * (w - 440));
      const scattered = 0.0018 * (500 / w) ** 4 + (0.011 * matter + 0.004 * green) * (550 / w) ** 0.7;
      const u = scattered / (absorbed + scattered);
      const rrs = u * (0.089 + 0.125 * u);
      out[b] = (Math.PI * 0.52 * rrs) / (1 - 1.7 * rrs) + glint;
    }
  };
}

/** A bottom seen through `depth` m of clear water, light passing twice. */
export function shallow(depth: number, bottom: Reflectance): Reflectance {
  return (a, s, out) => {
    bottom(a, s, out);
    const path = 200 * depth * Math.exp(0.6 * s.moisture);
    for (let b = 0; b < out.length; b++) out[b] = 0.54 * out[b]! * Math.exp(-path * a.water[b]!) + 0.008;
  };
}
