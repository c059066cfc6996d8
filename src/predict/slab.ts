/** Memory for the arrays of tiles: one block that all tiles and segments use again, so that nothing waits for the collector. */
import { ALIGNMENT, alignUp } from '../compiler/plan.js';

export class Slab {
  #block: ArrayBuffer;
  #used = 0;

  constructor(bytes: number) {
    this.#block = new ArrayBuffer(Math.max(bytes, ALIGNMENT));
  }

  /** Gives back everything that was taken; those arrays must not be used any more. */
  reset(): void {
    this.#used = 0;
  }

  /** An array whose contents are whatever was there before. */
  take(length: number): Float32Array {
    const bytes = alignUp(length * 4);
    // a plan is an estimate for the largest tile: one that needs more gets memory of its own
    if (this.#used + bytes > this.#block.byteLength) return new Float32Array(length);
    const array = new Float32Array(this.#block, this.#used, length);
    this.#used += bytes;
    return array;
  }
}

/** Arrays by name that grow with the largest tile seen. */
export class NamedArrays {
  readonly #slab: Slab;
  readonly #arrays = new Map<string, Float32Array>();

  constructor(slab: Slab) {
    this.#slab = slab;
  }

  /** The array of this name, `length` numbers long; what was in it is gone. */
  get(name: string, length: number): Float32Array {
    let array = this.#arrays.get(name);
    if (array === undefined || array.length < length) {
      array = this.#slab.take(length);
      this.#arrays.set(name, array);
    }
    return array.length === length ? array : array.subarray(0, length);
  }
}
