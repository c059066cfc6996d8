/** Where the pixels of a raster lie, and a part of it. */

export interface GeoReference {
  /** GDAL's order: x of the corner, x per column, x per row, y of the corner, y per column, y per row. Rotation allowed. */
  readonly geotransform: readonly [number, number, number, number, number, number];
  /** Coordinate reference system as WKT; absent where the file does not say. */
  readonly crsWkt?: string;
  /** The entries of ENVI's `map info` as they stand in the source, if it is an ENVI file. */
  readonly mapInfo?: readonly string[];
}

/** Pixels [y, y + height) x [x, x + width). */
export interface Window {
  readonly y: number;
  readonly x: number;
  readonly height: number;
  readonly width: number;
}
