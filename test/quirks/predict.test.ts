/** What people do with `predict`: names of results, options, inputs that are not what they seem. */
import { chmodSync, existsSync, linkSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { fingerprint } from '../support/broken.js';
import { bandliftHere } from '../support/cli.js';
import {
  landsatCube,
  landsatStack,
  predictedHere,
  predictHere,
  refusedHere,
  sameModel,
} from '../support/predictions.js';
import { quirks } from './table.js';

const BOTH = ['--stage2', 'bicubic'];

/** Makes scene.img and the model, refuses the command line and finds nothing changed. */
async function refused(folder: string, exit: number, message: RegExp, ...args: string[]): Promise<void> {
  if (!existsSync(join(folder, 'scene.img'))) landsatCube(join(folder, 'scene'));
  await sameModel(folder);
  const before = fingerprint(folder);
  expect(await refusedHere(folder, exit, ...args)).toMatch(message);
  expect(fingerprint(folder)).toEqual(before);
}

quirks('predict: where results go', [
  {
    name: 'a header of that name',
    source: 'a review of input files',
    input: 'out.hdr is there; both stages',
    right: 'told before stage 1 is computed',
    async check(folder) {
      writeFileSync(join(folder, 'out.hdr'), 'old');
      await refused(
        folder,
        2,
        /out\.hdr: exists already; give another name, or --overwrite/,
        'scene.img',
        '--out',
        'out',
        ...BOTH,
      );
    },
  },
  {
    name: 'stage 1 kept under a name that is taken',
    source: 'related to a case of the review of input files',
    input: 'out_stage1.img is there; --keep-stage1',
    right: 'told before anything is computed',
    async check(folder) {
      writeFileSync(join(folder, 'out_stage1.img'), 'old');
      const args = ['scene.img', '--out', 'out', ...BOTH, '--keep-stage1'];
      await refused(folder, 2, /out_stage1\.img: exists already/, ...args);
    },
  },
  {
    name: '--plan tells a name that is taken',
    source: 'a review of input files',
    input: '--plan, out.img is there',
    right: 'exists already',
    async check(folder) {
      writeFileSync(join(folder, 'out.img'), 'old');
      await refused(folder, 2, /out\.img: exists already/, 'scene.img', '--out', 'out', '--plan');
    },
  },
  {
    name: '--plan tells a folder that is missing',
    source: 'a review of input files',
    input: '--plan --out nowhere/out',
    right: 'no such folder, exit 2',
    check: (folder) => refused(folder, 2, /nowhere: no such folder/, 'scene.img', '--out', 'nowhere/out', '--plan'),
  },
  {
    name: 'a file where the folder should be',
    source: 'brother of the missing folder',
    input: '--out readme/out, readme is a file',
    right: 'told by --plan',
    async check(folder) {
      writeFileSync(join(folder, 'readme'), 'text');
      chmodSync(join(folder, 'readme'), 0o777);
      await refused(folder, 2, /readme: is not a folder/, 'scene.img', '--out', 'readme/out', '--plan');
    },
  },
  {
    name: '--plan tells a folder that cannot be written',
    source: 'a review of input files',
    input: '--plan, the folder has mode 0555 (root may write anywhere: then it must plan)',
    right: 'no permission',
    async check(folder) {
      const place = join(folder, 'closed');
      mkdirSync(place, { mode: 0o555 });
      const args = ['scene.img', '--out', 'closed/out', '--plan'];
      if (process.getuid?.() !== 0) return refused(folder, 3, /closed: no permission/, ...args);
      landsatCube(join(folder, 'scene'));
      await sameModel(folder);
      expect((await predictHere(folder, ...args)).status).toBe(0);
      expect(readdirSync(place)).toEqual([]);
    },
  },
  {
    name: 'the result would be the input',
    source: 'a review of input files',
    input: '--out scene.img, scene, scene.hdr, with and without --overwrite and --plan',
    right: 'refused, the input stays',
    async check(folder) {
      for (const out of ['scene.img', 'scene', 'scene.hdr'])
        for (const more of [[], ['--overwrite'], ['--plan', '--overwrite']])
          await refused(
            folder,
            2,
            /scene\.\w+: is a file of the input, which is never written over/,
            'scene.hdr',
            '--out',
            out,
            ...more,
          );
    },
  },
  {
    name: 'the input by another name',
    source: 'a review of input files',
    input: 'a symbolic link, a hard link, a linked folder to the input',
    right: 'refused, the input stays',
    async check(folder) {
      landsatCube(join(folder, 'scene'));
      symlinkSync('scene.img', join(folder, 'soft.img'));
      linkSync(join(folder, 'scene.hdr'), join(folder, 'hard.hdr'));
      symlinkSync('.', join(folder, 'again'));
      for (const out of ['soft', 'hard', 'again/scene'])
        await refused(folder, 2, /is a file of the input/, 'scene.img', '--out', out, '--overwrite');
      // the input named through the link
      await refused(folder, 2, /is a file of the input/, 'again/scene.img', '--out', 'scene', '--overwrite');
    },
  },
  {
    name: 'a header in capitals',
    source: 'OSGeo/gdal #3378, seen from the other side',
    input: 'SCENE.hdr would lie beside scene.hdr',
    right: 'refused: readers that ignore case would mix them',
    check: (folder) =>
      refused(folder, 2, /SCENE\.img: is a file of the input/, 'scene.img', '--out', 'SCENE', '--overwrite'),
  },
  {
    name: 'a header that would win',
    source: 'OSGeo/gdal #4317, seen from the other side',
    input: 'out.img.hdr is there, the result would be out.img with out.hdr',
    right: 'refused, with --overwrite too',
    async check(folder) {
      writeFileSync(join(folder, 'out.img.hdr'), 'ENVI');
      const message = /out\.img\.hdr: would be taken for the header of the result/;
      await refused(folder, 2, message, 'scene.img', '--out', 'out', '--overwrite');
    },
  },
  {
    name: 'old statistics',
    source: 'EnMAP-Box/enmap-box #43',
    input: 'out.img.aux.xml of an older file',
    right: 'a warning that GDAL would believe it',
    async check(folder) {
      landsatCube(join(folder, 'scene'));
      await sameModel(folder);
      writeFileSync(join(folder, 'out.img.aux.xml'), '<PAMDataset/>');
      expect((await predictedHere(folder, 'out', 'scene.img')).stderr).toMatch(
        /warning: .*out\.img\.aux\.xml belongs to an older/,
      );
    },
  },
  {
    name: 'a folder of the name of the result',
    source: 'related to a case of the review of input files',
    input: 'out.img is a folder, --overwrite',
    right: 'told before computing',
    async check(folder) {
      mkdirSync(join(folder, 'out.img'));
      await refused(folder, 2, /out\.img: is a folder/, 'scene.img', '--out', 'out.hdr', '--overwrite');
    },
  },
  {
    name: 'a folder of the name of the work folder',
    source: 'found by reading: it was removed with all that was in it',
    input: "out.work holds a user's notes",
    right: 'refused, the notes stay',
    async check(folder) {
      mkdirSync(join(folder, 'out.work'));
      writeFileSync(join(folder, 'out.work/notes.txt'), 'mine');
      for (const more of [[], ['--restart'], ['--plan']])
        await refused(
          folder,
          2,
          /out\.work: is needed for what is unfinished, and holds something else/,
          'scene.img',
          '--out',
          'out',
          ...more,
        );
    },
  },
  {
    name: '--out FOLDER/',
    source: 'a review of input files',
    input: 'a folder with a slash, and one without',
    right: 'FOLDER/scene_predicted.img and .hdr, nothing beside the folder',
    async check(folder) {
      landsatCube(join(folder, 'scene'));
      await sameModel(folder);
      for (const out of ['results/', 'plain']) {
        mkdirSync(join(folder, out));
        expect((await predictHere(folder, 'scene.img', '--out', out)).status).toBe(0);
        expect(readdirSync(join(folder, out))).toEqual(['scene_predicted.hdr', 'scene_predicted.img']);
      }
      expect(readdirSync(folder).sort()).toEqual(['plain', 'results', 'same.safetensors', 'scene.hdr', 'scene.img']);
    },
  },
  {
    name: '--out x.tif',
    source: 'a review of input files; a first trial by a new user',
    input: 'endings of formats that are not written',
    right: 'refused; gdal_translate is named',
    async check(folder) {
      const message =
        /x\.tif: results are ENVI cubes, NAME\.img with NAME\.hdr; give --out x\.img; then gdal_translate -of GTiff x\.img x\.tif/;
      await refused(folder, 2, message, 'scene.img', '--out', 'x.tif');
      for (const out of ['x.TIFF', 'x.nc', 'x.h5', 'x.jp2'])
        await refused(folder, 2, /results are ENVI cubes/, 'scene.img', '--out', out);
    },
  },
  {
    name: 'a name that promises another order',
    source: 'brother of --out x.tif',
    input: '--out x.bsq, x.bil of a bip cube',
    right: 'refused; x.bil with --interleave bil is taken',
    async check(folder) {
      await refused(
        folder,
        2,
        /x\.bsq: the result would be bip, not bsq; give --out x\.img/,
        'scene.img',
        '--out',
        'x.bsq',
      );
      await refused(folder, 2, /would be bip, not bil; give --interleave bil/, 'scene.img', '--out', 'x.bil');
      expect((await predictHere(folder, 'scene.img', '--out', 'x.bil', '--interleave', 'bil')).status).toBe(0);
      expect(readdirSync(folder).filter((name) => name.startsWith('x'))).toEqual(['x.bil', 'x.hdr']);
    },
  },
  {
    name: 'names as asked',
    source: 'a review of input files',
    input: '--out a, b.img, c.hdr, d.v2, e.dat with both stages and --keep-stage1',
    right: 'a.img, b.img, c.img, d.v2.img, e.dat, each with .hdr, and NAME_stage1 of each',
    async check(folder) {
      landsatCube(join(folder, 'scene'));
      await sameModel(folder);
      for (const out of ['a', 'b.img', 'c.hdr', 'd.v2', 'e.dat'])
        expect((await predictHere(folder, 'scene.img', ...BOTH, '--keep-stage1', '--out', out)).status).toBe(0);
      const stems = ['a', 'b', 'c', 'd.v2', 'e'];
      const expected = stems.flatMap((stem) => [
        `${stem}.hdr`,
        stem === 'e' ? 'e.dat' : `${stem}.img`,
        `${stem}_stage1.hdr`,
        `${stem}_stage1.img`,
      ]);
      expect(
        readdirSync(folder)
          .filter((name) => !/^s/.test(name))
          .sort(),
      ).toEqual(expected.sort());
    },
  },
]);

quirks('predict: options that do not apply', [
  ...(
    [
      [
        '--keep-stage1 with one stage',
        ['--keep-stage1'],
        /--keep-stage1: is for a prediction with both --stage1 and --stage2/,
      ],
      ['--stage2-stats without --stage2', ['--stage2-stats', 'none'], /--stage2-stats: needs --stage2/],
      [
        '--stage2-stats of bicubic',
        [...BOTH, '--stage2-stats', 'none'],
        /--stage2-stats: bicubic has no normalisation/,
      ],
      [
        '--back-projections without a spatial network',
        ['--back-projections', '3'],
        /--back-projections: is for a spatial network/,
      ],
      [
        '--scale of float32',
        ['--scale', '2'],
        /--scale: is for --format int16; the scale of a stacked GeoTIFF that goes in is --input-scale/,
      ],
      [
        '--input-scale 0',
        ['--input-scale', '0'],
        /--input-scale <x>' argument '0' is invalid. expected a number above 0/,
      ],
      [
        '--input-scale of an ENVI cube',
        ['--input-scale', '2'],
        /scene\.img: --input-scale: is for a stacked GeoTIFF; found an ENVI cube/,
      ],
      [
        '--input-offset of an ENVI cube',
        ['--input-offset', '2'],
        /--input-offset: is for a stacked GeoTIFF; found an ENVI cube/,
      ],
      [
        '--clouds of an ENVI cube',
        ['--clouds', 'keep'],
        /--clouds: is for a Landsat product or an HLS product; found an ENVI cube/,
      ],
      ['--patch of an ENVI cube', ['--patch', '1'], /--patch: is for a patch file; found an ENVI cube/],
      ['--dataset of an ENVI cube', ['--dataset', 'landsat'], /--dataset: is for a patch file/],
    ] as [string, string[], RegExp][]
  ).map(([name, args, message]) => ({
    name,
    source: 'a review of input files, and its brothers',
    input: args.join(' '),
    right: 'refused by name, exit 2',
    check: async (folder: string) => {
      landsatCube(join(folder, 'scene'));
      await sameModel(folder);
      const { status, stderr } = await predictHere(folder, 'scene.img', '--out', 'out', ...args);
      expect(stderr).toMatch(message);
      expect(stderr.trimEnd().split('\n')).toHaveLength(1);
      expect(status).toBe(2);
    },
  })),
  {
    name: 'the hint of an integer stack',
    source: 'a review of input files',
    input: 'uint16 GeoTIFF of DN 10000 without a scale; then the hint is followed',
    right: '--input-scale and --input-offset are named; following it gives 0.075',
    async check(folder) {
      landsatStack(join(folder, 's.tif'), { bits: 16, format: 1, value: () => 10000 });
      await sameModel(folder);
      const line = await refusedHere(folder, 3, 's.tif', '--out', 'out');
      expect(line).toMatch(/holds integers.*give --input-scale and --input-offset: 2\.75e-5 and -0\.2 for Landsat/);
      const { values } = await predictedHere(
        folder,
        'out',
        's.tif',
        '--input-scale',
        '2.75e-5',
        '--input-offset',
        '-0.2',
      );
      // 10000 * 2.75e-5 - 0.2, float32
      for (const value of values) expect(value).toBeCloseTo(0.075, 6);
    },
  },
  {
    name: 'no device',
    source: 'a trial on a machine without a GPU',
    input: '--device cuda where there is none, and an input that is missing too',
    right: 'the device is told, before anything is read',
    async check(folder) {
      const { stderr, status } = await bandliftHere(
        ['predict', '--stage1', 'missing.safetensors', 'missing.img', '--out', 'out', '--device', 'cuda:99'],
        folder,
      );
      expect(stderr).toMatch(/^error: --device: .*found cuda:99/);
      expect(status).toBe(2);
    },
  },
]);
