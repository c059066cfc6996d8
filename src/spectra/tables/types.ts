/** A response as it lies in a table file: values[k] at start + k nm. */
export interface ResponseTable {
  readonly sensor: string;
  readonly source: string;
  readonly bands: readonly { readonly name: string; readonly start: number; readonly values: readonly number[] }[];
}
