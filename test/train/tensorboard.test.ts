import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32c } from '@node-rs/crc32';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { TensorBoardWriter } from '../../src/train/tensorboard.js';
import { describePython, runPython } from '../support/python.js';
import { temporaryFolder } from '../support/temporary.js';

const folder = temporaryFolder();

describe('records', () => {
  it('are framed with length and masked crc32c; the first is the file version', () => {
    // the check value of CRC-32C (Castagnoli): crc of '123456789'
    expect(crc32c('123456789')).toBe(0xe3069283);
    const writer = new TensorBoardWriter(join(folder, 'frames'));
    writer.close();
    const bytes = readFileSync(writer.path);
    const length = Number(bytes.readBigUInt64LE(0));
    expect(bytes.subarray(12, 12 + length).includes('brain.Event:2')).toBe(true);
    // mask of TFRecord: rotate right by 15 bits, add 0xa282ead8, modulo 2^32; here with BigInt arithmetic
    const crc = BigInt(crc32c(bytes.subarray(0, 8)));
    const masked = (((crc >> 15n) | ((crc & 0x7fffn) << 17n)) + 0xa282ead8n) & 0xffffffffn;
    expect(bytes.readUInt32LE(8)).toBe(Number(masked));
  });

  it('go to a new file whose name sorts behind all others', () => {
    const at = join(folder, 'names');
    const writers = [1, 2, 3].map(() => new TensorBoardWriter(at));
    for (const writer of writers) writer.close();
    expect(readdirSync(at).sort()).toEqual(writers.map((writer) => writer.path.slice(at.length + 1)));
  });

  it('names the file when the disk is full', () => {
    const writer = new TensorBoardWriter(join(folder, 'full'));
    writer.close(); // writing to a closed file fails as a full disk does: with an error of the system
    writer.scalar('a', 1, 1);
    expect(() => writer.flush()).toThrow(/events\.out\.tfevents/);
  });
});

/** What TensorBoard's reader finds in a folder: [step, value] of scalars, [step, width, height, bytes] of images, texts. */
const READ = `
import sys, json
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
a = EventAccumulator(sys.argv[1], size_guidance={'scalars': 0, 'images': 0, 'tensors': 0})
a.Reload()
t = a.Tags()
out = {tag: [[e.step, e.value] for e in a.Scalars(tag)] for tag in t['scalars']}
out |= {tag: [[e.step, e.width, e.height, len(e.encoded_image_string)] for e in a.Images(tag)] for tag in t['images']}
out |= {tag: [[e.step, e.tensor_proto.string_val[0].decode()] for e in a.Tensors(tag)] for tag in t['tensors']}
print(json.dumps(out))
`;
/** The same for scalars through the reader behind TensorBoard's own web pages, which turns everything into tensors. */
const READ_SERVER = `
import sys, json
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator
from tensorboard.util import tensor_util
a = EventAccumulator(sys.argv[1], tensor_size_guidance={'scalars': 0})
a.Reload()
name = lambda tag: a.SummaryMetadata(tag).plugin_data.plugin_name
print(json.dumps({tag: [name(tag)] + [[e.step, float(tensor_util.make_ndarray(e.tensor_proto))] for e in a.Tensors(tag)]
                  for tag in a.Tags()['tensors'] if name(tag) == 'scalars'}))
`;
const readBoard = (path: string, code = READ) => JSON.parse(runPython(code, [path]));

describePython('beside TensorBoard of PyPI', () => {
  it('shows scalars, images and text with their values', async () => {
    const at = join(folder, 'tags');
    const writer = new TensorBoardWriter(at);
    const png = await sharp({ create: { width: 5, height: 3, channels: 3, background: '#204060' } })
      .png()
      .toBuffer();
    for (let step = 1; step <= 3; step++) writer.scalar('train/loss', 1 / step, step);
    writer.scalar('train/learning_rate', 1e-4, 2 ** 33);
    writer.image('spectra', png, 5, 3, 7);
    writer.text('config', 'seed: 42 ä', 0);
    writer.close();
    expect(readBoard(at)).toEqual({
      'train/loss': [
        [1, 1],
        [2, 0.5],
        [3, Math.fround(1 / 3)],
      ],
      'train/learning_rate': [[2 ** 33, Math.fround(1e-4)]],
      spectra: [[7, 5, 3, png.length]],
      config: [[0, 'seed: 42 ä']],
    });
  });

  it('drops what was written beyond the step from which a killed run goes on', () => {
    const at = join(folder, 'resumed');
    const killed = new TensorBoardWriter(at);
    for (const step of [10, 20, 30, 40]) killed.scalar('loss', step, step);
    killed.close();
    const size = readFileSync(killed.path).length;
    truncateSync(killed.path, size - 9); // kill -9 while the record of step 40 was written
    const resumed = new TensorBoardWriter(at, { resumeStep: 20 });
    for (const step of [30, 40, 50]) resumed.scalar('loss', step + 0.5, step);
    resumed.close();
    expect(readBoard(at).loss).toEqual([
      [10, 10],
      [20, 20],
      [30, 30.5],
      [40, 40.5],
      [50, 50.5],
    ]);
    expect(readBoard(at, READ_SERVER).loss).toEqual([
      'scalars',
      [10, 10],
      [20, 20],
      [30, 30.5],
      [40, 40.5],
      [50, 50.5],
    ]);
    writeFileSync(killed.path, ''); // killed before the first flush
    expect(readBoard(at).loss).toEqual([
      [30, 30.5],
      [40, 40.5],
      [50, 50.5],
    ]);
  });
});
