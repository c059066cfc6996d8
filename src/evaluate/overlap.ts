/** Whether patches that a model is measured on lie on ground it was trained on: by source scene and pixel origins. */
import type { CheckpointContract } from '../checkpoint/checkpoint.js';
import { locate } from '../data/patches.js';
import type { PatchSet } from '../data/types.js';
import { factorOf } from '../resample/ratio.js';

export interface Overlap {
  /** Patches evaluated that share a pixel with a training patch. */
  readonly overlapping: number;
  /** Patches of a training scene, where either side does not say where in it they lie. */
  readonly unknown: number;
  /** Scenes of both. */
  readonly scenes: readonly string[];
}

interface TrainingScene {
  readonly origins: (readonly [row: number, column: number])[];
  /** Whether the place of a training patch of it is unknown. */
  unknown: boolean;
}

/** Pixels of the checkpoint's target grid per pixel of the set's. */
function gridRatio(contract: CheckpointContract, set: PatchSet): number {
  const coarse = (target: string | undefined) => (target === 'aviris_lr' ? factorOf(set.files[0]!.ratio) : 1);
  return coarse(set.sides.target) / coarse(contract.sides?.target);
}

/** Undefined for a checkpoint that does not say where its patches lie (version 0.1.0). */
export function overlapOf(
  contract: CheckpointContract,
  set: PatchSet,
  patches: readonly number[],
): Overlap | undefined {
  const { places, data, split } = contract;
  if (!places) return undefined;
  const scenes = trainingScenes(places, data, split.train);
  const ratio = gridRatio(contract, set);
  const found = { overlapping: 0, unknown: 0, scenes: new Set<string>() };
  for (const patch of patches) {
    const { file: number } = locate(set, patch);
    const file = set.files[number]!;
    const training = scenes.get(file.scene);
    if (!training) continue;
    const first = set.files.slice(0, number).reduce((sum, f) => sum + f.patches, 0);
    const at = 2 * (patch - first);
    const { origins } = file;
    // the same scene at 30 m and at 4 m: both ends of a patch are brought to the checkpoint's grid
    const [top, left] = origins ? [origins[at]! * ratio, origins[at + 1]! * ratio] : [Number.NaN, Number.NaN];
    const overlaps = training.origins.some(
      ([row, column]) =>
        top < row + places.height &&
        row < top + set.height * ratio &&
        left < column + places.width &&
        column < left + set.width * ratio,
    );
    if (overlaps) found.overlapping++;
    else if (!origins || training.unknown) found.unknown++;
    else continue;
    found.scenes.add(file.scene);
  }
  return { ...found, scenes: [...found.scenes] };
}

function trainingScenes(
  places: NonNullable<CheckpointContract['places']>,
  data: CheckpointContract['data'],
  train: readonly number[],
): Map<string, TrainingScene> {
  const chosen = new Set(train);
  const scenes = new Map<string, TrainingScene>();
  let first = 0;
  places.files.forEach(({ scene, origins }, i) => {
    const patches = data[i]?.patches ?? 0;
    for (let p = 0; p < patches; p++) {
      if (!chosen.has(first + p)) continue;
      let found = scenes.get(scene);
      if (!found) {
        found = { origins: [], unknown: false };
        scenes.set(scene, found);
      }
      const [row, column] = [origins?.[2 * p], origins?.[2 * p + 1]];
      if (row === undefined || column === undefined) found.unknown = true;
      else found.origins.push([row, column]);
    }
    first += patches;
  });
  return scenes;
}

const percent = (part: number, whole: number) => `${((100 * part) / whole).toFixed(1)} %`;

/** Sentences about it for the log and the report; none where nothing overlaps. */
export function overlapNotes(overlap: Overlap | undefined, patches: number, model: string): string[] {
  if (overlap === undefined)
    return [`${model} does not say where its training patches lie: overlap with them cannot be ruled out.`];
  const { overlapping, unknown, scenes } = overlap;
  const of = scenes.length > 3 ? `${scenes.slice(0, 3).join(', ')} and ${scenes.length - 3} more` : scenes.join(', ');
  const notes: string[] = [];
  if (overlapping > 0)
    notes.push(
      `${overlapping} of ${patches} patches (${percent(overlapping, patches)}) overlap training patches of ${model} (${of}): the numbers flatter it.`,
    );
  if (unknown > 0)
    notes.push(
      `${unknown} of ${patches} patches (${percent(unknown, patches)}) are of scenes that ${model} was trained on (${of}), at unknown places: overlap cannot be ruled out.`,
    );
  return notes;
}
