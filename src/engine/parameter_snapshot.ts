/**
 * The flat buffers of a training session as they are at one moment, without stopping it: a program copies them on the device,
 * which takes microseconds, and the copies are read while the next steps run.
 */
import type { NativeBuffer, NativeDevice, NativeProgram } from '../../bindings/addon.js';
import { lower, type Place } from '../compiler/lower.js';
import { GraphBuilder } from '../graph/ir.js';
import { convertOp } from '../graph/ops/convert.js';
import { BUFFER_COUNT } from './storage.js';

export class ParameterSnapshot {
  readonly #length: number;
  readonly #copies: NativeBuffer[] = [];
  readonly #program: NativeProgram;
  #reading: Promise<unknown> = Promise.resolve();

  /** Copies of `which` of a session's `buffers`, each of `length` floats. Throws ERR_OUT_OF_MEMORY. */
  constructor(device: NativeDevice, buffers: readonly NativeBuffer[], which: readonly number[], length: number) {
    this.#length = length;
    try {
      for (const _ of which) this.#copies.push(device.allocate(4 * length));
      const builder = new GraphBuilder();
      const places = new Map<number, Place>();
      which.forEach((buffer, i) => {
        const from = builder.state(`buffer ${buffer}`, [1, 1, 1, length]);
        const [to] = builder.apply(convertOp, [from], {}, 'snapshot');
        places.set(from.id, { buffer, offset: 0 });
        places.set(to!.id, { buffer: BUFFER_COUNT + i, offset: 0 });
      });
      const layout = { place: (id: number) => places.get(id)!, workspace: () => null };
      const description = lower(builder.build(), layout, { inputs: [], outputs: [] });
      this.#program = device.compile(description, [...buffers, ...this.#copies]);
    } catch (error) {
      for (const copy of this.#copies) copy.dispose();
      throw error;
    }
  }

  /**
   * Copies, with the session's programs in their order; resolves when the copies are made, to a function's promise that has
   * the numbers. A snapshot waits until the one before it is read.
   */
  async take(run: (program: NativeProgram) => Promise<void>): Promise<() => Promise<Float32Array[]>> {
    await this.#reading;
    await run(this.#program);
    const arrays = this.#copies.map(() => new Float32Array(this.#length));
    const reading = Promise.all(this.#copies.map((copy, i) => copy.readAsync(arrays[i]!))).then(() => arrays);
    this.#reading = reading.catch(() => undefined); // whoever asked is told
    return () => reading;
  }

  dispose(): void {
    this.#program.dispose();
    for (const copy of this.#copies) copy.dispose();
  }
}
