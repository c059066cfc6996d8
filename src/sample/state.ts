/** What varies within a class of surfaces, and the function that makes its spectrum. */
import type { Absorption } from './absorption.js';

/** Each about in [-1, 1], 0 = typical, but for the soil. */
export interface SurfaceState {
  /** Pigments of leaves: -1 yellow, 1 dark green. */
  readonly vigour: number;
  /** Water in leaves and soil. */
  readonly moisture: number;
  /** Leaf area over the ground. */
  readonly cover: number;
  /** Roughness, age, dirt: brightness and ageing of built surfaces. */
  readonly age: number;
  /** Suspended matter and algae in water. */
  readonly turbidity: number;
  /** Shares of the kinds of soil (soils.ts) in the ground here; sum 1. */
  readonly soil: ArrayLike<number>;
}

/** Writes the reflectance of a surface in its state, by band of `a`. */
export type Reflectance = (a: Absorption, s: SurfaceState, out: Float64Array) => void;

/** Kubelka and Munk (1931): reflectance of a thick layer, q = absorption / scattering. */
export const kubelkaMunk = (q: number): number => 1 + q - Math.sqrt(q * q + 2 * q);

/**
 * Kubelka and Munk: reflectance of a layer over a ground, equation for finite thickness.
 * @param thick reflectance of the layer if it were thick
 * @param depth scattering times thickness
 */
export function layerOver(ground: number, thick: number, depth: number): number {
  const inverse = 1 / thick;
  const e = Math.exp(-depth * (inverse - thick));
  const away = (ground - thick) * e;
  return (inverse * away - thick * (ground - inverse)) / (away - (ground - inverse));
}
