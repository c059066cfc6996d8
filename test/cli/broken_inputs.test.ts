/** Broken data, folders, settings and cubes through the real command line. */
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'vitest';
import { EXIT } from '../../src/base/errors.js';
import { type BrokenCase, testBroken } from '../support/broken.js';
import { TINY, temporaryFolder } from '../support/cli.js';
import { type PatchShape, patchDatasets, writeHdf5 } from '../support/patch_files.js';

const SHAPE: PatchShape = { patches: 6, height: 8, width: 8, inBands: 7, outBands: 12 };
const work = temporaryFolder();

const train = (...more: string[]) => [
  'train',
  'stage1',
  '--data-dir',
  'data',
  '--output-dir',
  'run',
  '--epochs',
  '1',
  ...TINY,
  ...more,
];

const dataFolder = (folder: string) => {
  mkdirSync(join(folder, 'data'));
  return join(folder, 'data/patches.h5');
};

/** A patch file in which something is different. */
const patches =
  (change: (d: ReturnType<typeof patchDatasets>) => Parameters<typeof writeHdf5>[1] = (d) => ({ ...d })) =>
  (folder: string) =>
    writeHdf5(dataFolder(folder), change(patchDatasets(SHAPE)));

const DATA: BrokenCase[] = [
  {
    name: 'truncated HDF5',
    args: train(),
    prepare: async (folder) => {
      const path = await patches()(folder);
      truncateSync(path, Math.floor(readFileSync(path).length / 2));
    },
    exit: EXIT.badInput,
    message: /patches\.h5: cannot be read as HDF5.*damaged or incomplete; copy or make it again/,
  },
  {
    name: 'text as h5',
    args: train(),
    prepare: (folder) => writeFileSync(dataFolder(folder), 'these are no patches\n'),
    exit: EXIT.badInput,
    message: /patches\.h5: not an HDF5 file; .*is it the right one/,
  },
  {
    name: 'empty file as h5',
    args: train(),
    prepare: (folder) => writeFileSync(dataFolder(folder), ''),
    exit: EXIT.badInput,
    message: /patches\.h5: not an HDF5 file; the file is empty/,
  },
  {
    name: 'dataset missing',
    args: train(),
    prepare: patches(({ aviris }) => ({ aviris })),
    exit: EXIT.badInput,
    message: /patches\.h5: dataset 'landsat' is missing; found aviris, expected 'aviris' .* and 'landsat'/,
  },
  {
    name: 'wrong dtype',
    args: train(),
    prepare: patches((d) => ({
      ...d,
      aviris: { data: Int32Array.from(d.aviris.data as Float32Array), shape: d.aviris.shape, dtype: '<i' },
    })),
    exit: EXIT.badInput,
    message: /patches\.h5: aviris: wrong type of numbers; found int32, expected float32, float64, int16 or uint16/,
  },
  {
    name: 'wrong rank',
    args: train(),
    prepare: patches((d) => ({ ...d, landsat: { data: d.landsat.data, shape: [6, 64, 7] } })),
    exit: EXIT.badInput,
    message: /patches\.h5: landsat: wrong number of dimensions; found \(6,64,7\), expected \(N,H,W,bands\)/,
  },
  {
    name: 'patches of NaN',
    args: train(),
    prepare: patches((d) => ({
      ...d,
      aviris: { ...d.aviris, data: new Float32Array(d.aviris.data.length).fill(Number.NaN) },
    })),
    exit: EXIT.badInput,
    message: /patches\.h5: the patches hold no valid pixel; check 'mask' and nodata/,
  },
  {
    name: 'one NaN in a patch',
    args: train(),
    prepare: patches((d) => {
      (d.aviris.data as Float32Array)[2 * 8 * 8 * 12 + 5] = Number.NaN;
      return { ...d };
    }),
    exit: EXIT.badInput,
    message: /patches\.h5.*patch 2.*(NaN|finite)/,
  },
  {
    name: 'no patches in the file',
    args: train(),
    prepare: patches(({ landsat }) => ({ landsat, aviris: { data: new Float32Array(0), shape: [0, 8, 8, 12] } })),
    exit: EXIT.badInput,
    message: /patches\.h5: aviris: (holds no patches; found \(0,8,8,12\), expected N >= 1|wrong number of dimensions)/,
  },
  {
    name: 'landsat and aviris differ in size',
    args: train(),
    prepare: patches(({ aviris }) => ({
      aviris,
      landsat: patchDatasets({ ...SHAPE, height: 4 }).landsat,
    })),
    exit: EXIT.badInput,
    message: /patches\.h5: landsat: does not match 'aviris'; found \(6,4,8,7\), expected \(6,8,8,bands\)/,
  },
  {
    name: 'files of different shapes in one folder',
    args: train(),
    prepare: async (folder) => {
      await patches()(folder);
      await writeHdf5(join(folder, 'data/second.h5'), { ...patchDatasets({ ...SHAPE, outBands: 11 }) });
    },
    exit: EXIT.badInput,
    message: /second\.h5: aviris: differs from .*patches\.h5; found \(6,8,8,11\), expected \(N,8,8,12\); put files/,
  },
  {
    name: 'fewer bytes than the datasets claim',
    args: train(),
    prepare: async (folder) => {
      const path = await patches()(folder);
      truncateSync(path, readFileSync(path).length - 1000);
    },
    exit: EXIT.badInput,
    message: /patches\.h5.*; .*copy or make it again/,
  },
  {
    name: 'too few patches',
    args: train(),
    prepare: (folder) =>
      writeHdf5(dataFolder(folder), { ...patchDatasets({ ...SHAPE, patches: 2, height: 1, width: 1 }) }),
    exit: EXIT.badInput,
    message: /patches\.h5: too few patches for training, validation and test; found 2, expected at least 3/,
  },
];

const FOLDERS: BrokenCase[] = [
  {
    name: 'empty folder',
    args: train(),
    prepare: dataFolder,
    exit: EXIT.badInput,
    message: /data: the folder holds no patch files, expected \*\.h5 or \*\.hdf5/,
  },
  {
    name: 'no such folder',
    args: train(),
    exit: EXIT.badInput,
    message: /data: no such file or folder; check the path/,
  },
  {
    name: 'data below a file',
    args: ['train', 'stage1', '--data-dir', 'file/data', '--output-dir', 'run'],
    prepare: (folder) => writeFileSync(join(folder, 'file'), 'a file'),
    exit: EXIT.badInput,
    message: /file\/data: a part of the path is not a folder; check the path/,
  },
  {
    name: 'output folder is a file',
    args: train(),
    prepare: async (folder) => {
      await patches()(folder);
      writeFileSync(join(folder, 'run'), 'precious');
    },
    exit: EXIT.badInput,
    message: /run: the output folder is a file; give another --output-dir/,
  },
  {
    name: 'output folder below a file',
    args: [...train(), '--output-dir', 'file/run'],
    prepare: async (folder) => {
      await patches()(folder);
      writeFileSync(join(folder, 'file'), 'precious');
    },
    exit: EXIT.badInput,
    message:
      /file\/run: cannot make this folder: a file is in its place or above it; choose a folder you may write to with --output-dir/,
  },
  {
    name: 'resume without a run',
    args: train('--resume'),
    prepare: patches(),
    exit: EXIT.usage,
    message: /run: there is no run to resume in this folder; .*omit --resume/,
  },
  {
    name: 'sample into a sample',
    args: ['sample', '--out', 'sample'],
    prepare: (folder) => {
      mkdirSync(join(folder, 'sample'));
      writeFileSync(join(folder, 'sample/sample.json'), '{}');
    },
    exit: EXIT.usage,
    message: /sample: this folder already holds a sample; remove it or give another --out/,
  },
  {
    name: 'sample into a file',
    args: ['sample', '--out', 'sample'],
    prepare: (folder) => writeFileSync(join(folder, 'sample'), 'precious'),
    exit: EXIT.badInput,
    message: /sample.*(file|folder).*;.*/,
  },
];

const config = (text: string) => (folder: string) => writeFileSync(join(folder, 'config.yaml'), text);
const wrongOption = (option: string, value: string, message: RegExp): BrokenCase => ({
  name: `${option} ${value}`,
  args: train(option, value),
  prepare: patches(),
  exit: EXIT.usage,
  message,
});

const SETTINGS: BrokenCase[] = [
  {
    name: 'config is no YAML',
    args: train('--config', 'config.yaml'),
    prepare: config('epochs: [1, 2\nlr: }'),
    exit: EXIT.usage,
    message: /config\.yaml: not valid YAML: .*line 2, column 1; fix the YAML/,
  },
  {
    name: 'config is a list',
    args: train('--config', 'config.yaml'),
    prepare: config('- epochs\n'),
    exit: EXIT.usage,
    message: /config\.yaml: .*expected object.*--help/,
  },
  {
    name: 'unknown key in the config',
    args: train('--config', 'config.yaml'),
    prepare: config('epochs: 2\nlearning_rate: 0.1\n'),
    exit: EXIT.usage,
    message: /config\.yaml: learning_rate: unknown setting; see `bandlift train stage1 --help`/,
  },
  {
    name: 'wrong value in the config',
    args: train('--config', 'config.yaml'),
    prepare: config('epochs: many\n'),
    exit: EXIT.usage,
    message: /config\.yaml: epochs: .*expected number.*--help/,
  },
  {
    name: 'no such config',
    args: train('--config', 'other.yaml'),
    exit: EXIT.usage,
    message: /other\.yaml: cannot read the config file \(ENOENT\); check the path given to --config/,
  },
  wrongOption('--epochs', '-3', /'--epochs <n>' argument '-3' is invalid.*whole number from 1.*--help/),
  wrongOption('--val-fraction', '2', /'--val-fraction <x>' argument '2' is invalid.*number from 0 to 0\.9.*--help/),
  wrongOption('--val-fraction', '0', /--val-fraction: .*expected number to be >0/),
  wrongOption(
    '--model',
    'resnet',
    /'--model <name>' argument 'resnet' is invalid.*spectral_sr, spectral_unmixing.*--help/,
  ),
  // where the addon was built with CUDA: no driver, no GPU
  wrongOption(
    '--device',
    'cuda',
    /device: (this addon was built without CUDA: run `npm run build:cuda`|no NVIDIA driver was found: install one|the NVIDIA driver sees no GPU).*use --device cpu; found cuda/,
  ),
  wrongOption('--device', 'abacus', /device: no such device; found abacus, expected auto, cpu, cuda or cuda:NUMBER/),
  wrongOption('--device', 'cuda:x', /no such device; found cuda:x/),
  wrongOption('--precision', 'bf16', /the CPU computes in fp32 only; found bf16, expected fp32/),
  wrongOption(
    '--max-memory',
    'lots',
    /--max-memory: not a size; found 'lots', expected a number of bytes or e\.g\. '4G'/,
  ),
  wrongOption('--threads', 'two', /'--threads <n>' argument 'two' is invalid.*whole number from 0/),
  wrongOption('--lr', 'NaN', /'--lr <x>' argument 'NaN' is invalid.*expected a number/),
  wrongOption('--frobnicate', '1', /unknown option '--frobnicate'.*--help/),
  {
    name: 'no room for the smallest batch',
    args: train('--max-memory', '1K'),
    prepare: patches(),
    exit: EXIT.outOfMemory,
    message: /max-memory: one patch of 8 x 8 pixels does not fit .*found 1\.0 KiB, expected at least \d/,
  },
];

describe('broken data', () => testBroken(work, DATA));
describe('broken folders', () => testBroken(work, FOLDERS));
describe('broken settings', () => testBroken(work, SETTINGS));
