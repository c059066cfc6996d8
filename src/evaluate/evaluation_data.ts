/** The data of an evaluation: those the checkpoint was trained with, its split, and nothing recomputed. */
import { basename } from 'node:path';
import { BandliftError, EXIT } from '../base/errors.js';
import { type CheckpointContract, checkCompatible, loadModel, type StoredModel } from '../checkpoint/checkpoint.js';
import type { SceneModelFacts } from '../checkpoint/schema.js';
import { bandsOfSet } from '../data/band_masks.js';
import { checkSplit } from '../data/split.js';
import type { PatchSet } from '../data/types.js';

export type SplitName = 'test' | 'validation' | 'all';

/** A checkpoint that knows its bands, units, normalisation and split. */
export interface KnownModel {
  readonly path: string;
  readonly stored: StoredModel;
  readonly contract: CheckpointContract;
}

export async function openModel(path: string): Promise<KnownModel> {
  const stored = await loadModel(path);
  if (stored.scenes) return { path, stored, contract: contractOfScenes(stored.model, stored.scenes.facts) };
  if (!stored.contract)
    throw new BandliftError('holds weights only: neither its bands nor its normalisation are known', {
      file: path,
      hint: 'train from it with `bandlift train ... --init` and evaluate that checkpoint',
    });
  return { path, stored, contract: stored.contract };
}

/** A closed-form model of scenes was no run: no patches are its own, and all can be measured. */
function contractOfScenes(model: StoredModel['model'], facts: SceneModelFacts): CheckpointContract {
  const { bands, goodBands, sensor, responseHash, normalization, version } = facts;
  const description = `fitted to ${facts.scenes.map(({ name }) => name).join(', ')}`;
  return {
    ...{ model, bands, goodBands, sensor, responseHash, normalization, version, data: [], seed: 0 },
    split: { method: 'scene', seed: 0, train: [], validation: [], test: [], guard: [], description },
    loss: { l1: 0, l2: 0, sam: 0, gradient: 0 },
    optimizer: { kind: 'adam', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, batchSize: 1, emaDecay: 0 },
  };
}

const unitsOf = (units: string | null | undefined) => units || 'unknown units';

/** Whether these are the files of the checkpoint's run, by name and number of patches: its split numbers them. */
export function isOwnData({ data }: CheckpointContract, set: PatchSet): boolean {
  return (
    set.files.length === data.length &&
    set.files.every((file, i) => basename(file.path) === data[i]!.name && file.patches === data[i]!.patches)
  );
}

/** Two tables of band centres mean the same bands within this, nm. */
const SAME_BAND = 0.5;

/**
 * Throws a BandliftError unless the model can be measured on these patches: the same bands, units and wavelengths. Of the
 * files of its own run everything else must agree as well.
 * @param inBands bands of the data that the model, or the stage before it, is given
 */
export function checkData(model: KnownModel, set: PatchSet, inBands: number): void {
  const { contract, path } = model;
  const first = set.files[0]!;
  const { outBands } = contract.model;
  if (set.inBands !== inBands || set.outBands !== outBands)
    throw new BandliftError('has other bands than the checkpoint', {
      file: first.path,
      found: `${set.inBands} -> ${set.outBands} bands`,
      expected: `${inBands} -> ${outBands} (${path})`,
    });
  if ((first.units ?? null) !== contract.bands.units)
    throw new BandliftError('is in other units than the checkpoint; radiance and reflectance are never compared', {
      file: first.path,
      field: 'units',
      found: unitsOf(first.units),
      expected: `${unitsOf(contract.bands.units)} (${path})`,
    });
  const { wavelength } = contract.bands;
  const other = wavelength?.findIndex((nm, b) => Math.abs(nm - (first.wavelength?.[b] ?? nm)) > SAME_BAND) ?? -1;
  if (other >= 0)
    throw new BandliftError('has other band centres than the checkpoint', {
      file: first.path,
      field: `wavelength of band ${other}`,
      found: `${first.wavelength![other]} nm`,
      expected: `${wavelength![other]} nm (${path}), within ${SAME_BAND} nm`,
      hint: 'resample these spectra to the bands of the checkpoint first',
    });
  if (!isOwnData(contract, set)) return;
  checkCompatible(
    contract,
    {
      bands: {
        wavelength: first.wavelength ? [...first.wavelength] : null,
        fwhm: first.fwhm ? [...first.fwhm] : null,
        units: first.units ?? null,
      },
      sensor: first.sensor ?? null,
      responseHash: first.responseHash ?? null,
    },
    path,
  );
  checkSplit(set, contract.split);
}

/** The patches that are evaluated. */
export interface Chosen {
  readonly patches: readonly number[];
  readonly split: SplitName;
  /** Whether they are of the checkpoint's run, so that its split speaks of them. */
  readonly own: boolean;
}

/**
 * Numbers of the patches of a part of the split: 'test' unless told of the checkpoint's own data, all of any other. Throws
 * a usage error for a part of the split of data that it does not speak of.
 */
export function choosePatches(model: KnownModel, set: PatchSet, split: SplitName | undefined): Chosen {
  const { contract, path } = model;
  const all = Array.from({ length: set.count }, (_, patch) => patch);
  if (!isOwnData(contract, set)) {
    if (split === undefined || split === 'all') return { patches: all, split: 'all', own: false };
    throw new BandliftError(
      "the checkpoint's split does not cover these patches: they do not belong to its run",
      { field: '--split', found: split, expected: 'all', hint: 'leave out --split' },
      EXIT.usage,
    );
  }
  const name = split ?? 'test';
  const patches = name === 'all' ? all : contract.split[name];
  if (patches.length === 0)
    throw new BandliftError('the split has no such patches', { file: path, field: `split.${name}` });
  return { patches, split: name, own: true };
}

/** [bands], 1 = counted: good in the data and trained. Throws a BandliftError when no band is left. */
export function countedBands(models: readonly KnownModel[], set: PatchSet): Uint8Array {
  const first = set.files[0]!;
  const lists = [bandsOfSet(set), ...models.map((model) => model.contract.goodBands)];
  const counted = Uint8Array.from({ length: set.outBands }, (_, b) =>
    lists.every((list) => (list?.[b] ?? 1) !== 0) ? 1 : 0,
  );
  if (!counted.includes(1))
    throw new BandliftError('no band is good both here and in the checkpoint', {
      file: first.path,
      field: 'good_bands',
      found: models.map((model) => model.path).join(', '),
    });
  return counted;
}
