/** LZW as in TIFF 6.0, section 13: codes of 9 to 12 bits, most significant bit first, widened one code early. */

const CLEAR = 256;
const END = 257;
const FIRST = 258;
const MOST_CODES = 4096;

/**
 * Decodes into `out` until it is full or the data end.
 *
 * @returns bytes written, or undefined for data that are no LZW
 */
export function decodeLzw(data: Uint8Array, out: Uint8Array): number | undefined {
  // entry: string of `prefix` followed by `last`; its length and first byte
  const prefix = new Uint16Array(MOST_CODES);
  const last = new Uint8Array(MOST_CODES);
  const first = new Uint8Array(MOST_CODES);
  const length = new Uint16Array(MOST_CODES);
  for (let i = 0; i < CLEAR; i++) {
    last[i] = i;
    first[i] = i;
    length[i] = 1;
  }
  let next = FIRST;
  let bits = 9;
  let previous = -1;
  let written = 0;
  let buffer = 0;
  let held = 0;
  for (let at = 0; ; ) {
    while (held < bits) {
      if (at >= data.length) return written; // some writers leave the end code out
      buffer = ((buffer << 8) | data[at++]!) & 0xffffff;
      held += 8;
    }
    held -= bits;
    const code = (buffer >>> held) & ((1 << bits) - 1);
    if (code === END) return written;
    if (code === CLEAR) {
      next = FIRST;
      bits = 9;
      previous = -1;
      continue;
    }
    if (previous >= 0 && next < MOST_CODES) {
      if (code > next) return undefined;
      prefix[next] = previous;
      first[next] = first[previous]!;
      // a code that is being defined ends as it begins
      last[next] = first[code === next ? previous : code]!;
      length[next] = length[previous]! + 1;
      next++;
    } else if (code >= next) return undefined;
    let n = length[code]!;
    let entry = code;
    // what lies beyond the end of the block is padding
    for (; written + n > out.length; n--) entry = prefix[entry]!;
    for (let to = written + n - 1; to >= written; to--) {
      out[to] = last[entry]!;
      entry = prefix[entry]!;
    }
    written += n;
    if (written === out.length) return written;
    previous = code;
    if (next + 1 >= 1 << bits && bits < 12) bits++;
  }
}
