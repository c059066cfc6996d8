/**
 * A data set on the device: patches are written once, and a step names them by their places instead of moving them. A
 * program fed from here is the streamed one with its input ports filled by gather_patches, so the numbers are the same.
 */
import type { NativeBuffer, NativeDevice } from '../../bindings/addon.js';
import { BandliftError } from '../base/errors.js';
import type { PlannedProgram } from '../compiler/chain.js';
import { lower, type Place } from '../compiler/lower.js';
import { elements, GraphBuilder, type Shape } from '../graph/ir.js';
import { gatherPatches, PLACE_COLUMNS } from '../graph/ops/gather_patches.js';
import { outputSize } from '../models/index.js';
import { BUFFER_COUNT } from './storage.js';
import type { HeldBatch, HeldSize, SessionOptions } from './types.js';

/** What a patch is made of, as the programs' inputs are called. */
export type PatchPart = 'input' | 'target' | 'mask';
const PARTS: readonly PatchPart[] = ['input', 'target', 'mask'];

/** Shapes of all held patches, one below the other. */
function partShapes(options: SessionOptions, { inputs, targets }: HeldSize): ReadonlyMap<PatchPart, Shape> {
  const { model, height, width, pixelMask = false } = options;
  const fine = outputSize(model, height, width);
  const shapes = new Map<PatchPart, Shape>([
    ['input', [inputs, height, width, model.inBands]],
    ['target', [targets, fine.height, fine.width, model.outBands]],
  ]);
  if (pixelMask) shapes.set('mask', [targets, fine.height, fine.width, 1]);
  return shapes;
}

const placesBytes = (options: SessionOptions) => options.batchSize * PLACE_COLUMNS * 8;

/** Bytes that holding so many patches takes. */
export function heldBytes(options: SessionOptions, size: HeldSize): number {
  const shapes = [...partShapes(options, size).values()];
  return shapes.reduce((sum, shape) => sum + 4 * elements(shape), placesBytes(options));
}

export class HeldPatches {
  readonly size: HeldSize;
  readonly #options: SessionOptions;
  readonly #shapes: ReadonlyMap<PatchPart, Shape>;
  /** Places of a batch, then the parts: what a fed program takes behind the session's buffers. */
  readonly buffers: readonly NativeBuffer[];

  constructor(device: NativeDevice, options: SessionOptions, size: HeldSize) {
    this.size = size;
    this.#options = options;
    this.#shapes = partShapes(options, size);
    const buffers: NativeBuffer[] = [];
    this.buffers = buffers;
    try {
      buffers.push(device.allocate(placesBytes(options)));
      for (const shape of this.#shapes.values()) buffers.push(device.allocate(4 * elements(shape)));
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  /** Writes one part of a patch, or of several whose places follow each other. */
  async keep(part: PatchPart, place: number, values: Float32Array): Promise<void> {
    const shape = this.#shapes.get(part);
    if (shape === undefined) throw new BandliftError('patches without invalid pixels have no mask', { field: part });
    const [count, h, w, c] = shape;
    const patches = values.length / (h * w * c);
    if (!Number.isSafeInteger(patches) || patches < 1)
      throw new BandliftError('wrong number of values', {
        field: part,
        found: values.length,
        expected: `${h * w * c} for each patch`,
      });
    if (!Number.isSafeInteger(place) || place < 0 || place + patches > count)
      throw new BandliftError(`no place for ${patches}`, {
        field: part,
        found: place,
        expected: `0 to ${count - patches}`,
      });
    await this.#buffer(part).writeAsync(values, 4 * place * h * w * c);
  }

  /** The first input of a fed program: where `count` patches of the batch from `start` on are. */
  places(batch: HeldBatch, start: number, count: number): Float64Array {
    return batch.places.subarray(start * PLACE_COLUMNS, (start + count) * PLACE_COLUMNS);
  }

  /** Throws where a batch names patches that are not held. */
  check({ size, places, validPixels }: HeldBatch): void {
    const { batchSize, height, width } = this.#options;
    const fail = (field: string, found: number, expected: string) => {
      throw new BandliftError('batch of held patches', { field, found, expected });
    };
    if (!Number.isSafeInteger(size) || size < 1 || size > batchSize) fail('size', size, `1 to ${batchSize}`);
    if (places.length !== size * PLACE_COLUMNS) fail('places', places.length, `${size * PLACE_COLUMNS} numbers`);
    const below = [this.size.inputs, this.size.targets, 8];
    places.forEach((found, i) => {
      const end = below[i % PLACE_COLUMNS]!;
      if (!Number.isSafeInteger(found) || found < 0 || found >= end)
        fail(['input', 'target', 'turn'][i % PLACE_COLUMNS]!, found, `0 to ${end - 1}`);
      if (i % PLACE_COLUMNS === 2 && height !== width && found % 2 === 1) fail('turn', found, 'an even one');
    });
    const [, h, w] = this.#shapes.get('target')!;
    if (!(validPixels >= 0 && validPixels <= size * h * w)) fail('validPixels', validPixels, `0 to ${size * h * w}`);
  }

  /** The same program, its patches taken from the device instead of from the caller: its first input is their places. */
  feed(program: PlannedProgram, samples: number): PlannedProgram {
    const { inputs, instructions, outputs } = program.description;
    const builder = new GraphBuilder();
    const located = new Map<number, Place>();
    const at = (id: number, place: Place) => located.set(id, place);
    const places = builder.input('places', [1, 1, samples, PLACE_COLUMNS], 'f64');
    at(places.id, { buffer: BUFFER_COUNT, offset: 0 });
    for (const { name, tensor } of inputs) {
      const shape = this.#shapes.get(name as PatchPart);
      if (shape === undefined) continue;
      const held = builder.state(name, shape);
      at(held.id, { buffer: this.#index(name as PatchPart), offset: 0 });
      const side = name === 'input' ? 'input' : 'target';
      at(gatherPatches(builder, held, places, side, `held ${name}`).id, tensor);
    }
    const layout = { place: (id: number) => located.get(id)!, workspace: () => null };
    const gather = lower(builder.build(), layout, { inputs: ['places'], outputs: [] });
    return {
      ...program,
      description: {
        inputs: [...gather.inputs, ...inputs.filter(({ name }) => !this.#shapes.has(name as PatchPart))],
        instructions: [...gather.instructions, ...instructions],
        outputs,
      },
    };
  }

  #index(part: PatchPart): number {
    return BUFFER_COUNT + 1 + PARTS.indexOf(part);
  }

  #buffer(part: PatchPart): NativeBuffer {
    return this.buffers[this.#index(part) - BUFFER_COUNT]!;
  }

  dispose(): void {
    for (const buffer of this.buffers) buffer.dispose();
  }
}
