/** 16-bit floating point to float32; exact, every 16-bit value has a float32 equal. */

/** IEEE 754 binary16 (1 sign, 5 exponent, 10 mantissa bits). */
export function float16ToFloat32(bits: Uint16Array): Float32Array {
  const out = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) {
    const h = bits[i]!;
    const sign = (h & 0x8000) << 16;
    const exponent = (h >>> 10) & 31;
    let mantissa = h & 0x3ff;
    if (exponent === 31) out[i] = sign | 0x7f800000 | (mantissa << 13);
    else if (exponent !== 0) out[i] = sign | ((exponent + 112) << 23) | (mantissa << 13);
    else if (mantissa === 0) out[i] = sign;
    else {
      // subnormal: shift until the leading bit becomes the hidden one
      let e = 113;
      while ((mantissa & 0x400) === 0) {
        mantissa <<= 1;
        e--;
      }
      out[i] = sign | (e << 23) | ((mantissa & 0x3ff) << 13);
    }
  }
  return new Float32Array(out.buffer);
}

/** bfloat16: the upper half of a float32. */
export function bfloat16ToFloat32(bits: Uint16Array): Float32Array {
  const out = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) out[i] = bits[i]! << 16;
  return new Float32Array(out.buffer);
}
