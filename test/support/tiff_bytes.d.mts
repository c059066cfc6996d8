/** Values of a tag: TIFF type (2 text, 3 uint16, 4 uint32, 8 int16, 12 float64, 16 uint64) and numbers or text. */
export type TagValues = [type: number, values: number[] | string, count?: number];

export interface TiffToMake {
  little?: boolean;
  big?: boolean;
  /** By tag number, over what follows from the other fields. */
  tags?: Record<number, TagValues | undefined>;
  width?: number;
  height?: number;
  bands?: number;
  bits?: number;
  format?: number;
  compression?: number;
  /** Side of a tile; otherwise strips of `rows` rows. */
  tile?: number;
  rows?: number;
  /** Bands apart. */
  planar?: boolean;
  /** Stored numbers, [height, width, bands]; zeros beyond. */
  value?: (y: number, x: number, b: number) => number;
  /** Bits of the stored number, where it has 64. */
  word?: (y: number, x: number, b: number) => bigint;
}

/** The bytes of a TIFF, made without any library, right or wrong as the caller wants it. */
export function makeTiff(options?: TiffToMake): Buffer;

/** A little-endian TIFF with a second directory: a mask of one bit a pixel, 1 where `set`. */
export function withMask(tiff: Buffer, width: number, height: number, set: (y: number, x: number) => boolean): Buffer;
