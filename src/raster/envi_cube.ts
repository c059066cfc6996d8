import type { EnviHeader } from './envi_header.js';

/** A header that was read, and where its data are. */
export interface EnviCube {
  readonly header: EnviHeader;
  readonly headerPath: string;
  readonly dataPath: string;
}
