/** The data of an evaluation: those the checkpoint was trained with, its split, and nothing recomputed. */
import { basename } from 'node:path';
import { type CheckpointContract, checkCompatible, loadModel, type StoredModel } from '../checkpoint/checkpoint.js';
import { checkSplit } from '../data/split.js';
import type { PatchSet } from '../data/types.js';
import { BandliftError } from '../errors.js';

export type SplitName = 'test' | 'validation' | 'all';

/** A checkpoint that knows its bands, units, normalisation and split. */
export interface KnownModel {
  readonly path: string;
  readonly stored: StoredModel;
  readonly contract: CheckpointContract;
}

export async function openModel(path: string): Promise<KnownModel> {
  const stored = await loadModel(path);
  if (!stored.contract)
    throw new BandliftError('holds weights only: neither its bands nor its normalisation are known', {
      file: path,
      hint: 'train from it with `bandlift train ... --init` and evaluate that checkpoint',
    });
  return { path, stored, contract: stored.contract };
}

const unitsOf = (units: string | null | undefined) => units || 'unknown units';

/**
 * Throws a BandliftError unless these are the data of the checkpoint's run: bands, units, sensor, files.
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
  const files = set.files.map((file) => ({ name: basename(file.path), patches: file.patches }));
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
      data: files,
    },
    path,
  );
  checkSplit(set, contract.split);
}

/** Numbers of the patches of a part of the split. */
export function patchesOf(contract: CheckpointContract, name: SplitName, path: string): readonly number[] {
  const { train, validation, test, guard } = contract.split;
  const patches =
    name === 'all' ? [...train, ...validation, ...test, ...guard].sort((a, b) => a - b) : contract.split[name];
  if (patches.length === 0)
    throw new BandliftError('the split has no such patches', { file: path, field: `split.${name}` });
  return patches;
}
