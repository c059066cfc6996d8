// f16 (IEEE 754 binary16) and bf16 (the upper half of binary32) from their definitions, in double: what tests hold the
// storage types of kernels against.
#pragma once
#include <cmath>
#include <cstdint>
#include <limits>

#include "core/tensor.h"

namespace storage {

using bandlift::DType;

struct Format {
  int digits;           // of the significand, the hidden one included
  int lowest, highest;  // exponents of normal numbers
};

constexpr Format format_of(DType type) {
  return type == DType::f16    ? Format{11, -14, 15}
         : type == DType::bf16 ? Format{8, -126, 127}
         : type == DType::f32  ? Format{24, -126, 127}
                               : Format{53, -1022, 1023};
}

// The nearest number of the type, ties to even.
inline double rounded(DType type, double v) {
  if (v == 0 || !std::isfinite(v)) return v;
  const Format f = format_of(type);
  const int exponent = std::max(std::ilogb(v), f.lowest);
  const double unit = std::ldexp(1.0, exponent - (f.digits - 1));
  const double r = std::nearbyint(v / unit) * unit;  // a power of two: the division is exact
  return std::abs(r) < std::ldexp(1.0, f.highest) * 2 ? r : std::copysign(std::numeric_limits<double>::infinity(), v);
}

// The 16 bits of a number of that type: sign, exponent, significand without the hidden digit.
inline uint16_t encoded(DType type, double value) {
  const Format f = format_of(type);
  const double v = rounded(type, value), size = std::abs(v);
  const int fraction = f.digits - 1, special = (f.highest - f.lowest + 2) << fraction;
  int bits;
  if (std::isnan(v))
    bits = special | 1 << (fraction - 1);
  else if (std::isinf(v))
    bits = special;
  else if (size < std::ldexp(1.0, f.lowest))
    bits = static_cast<int>(std::ldexp(size, fraction - f.lowest));
  else
    bits =
        ((std::ilogb(size) - f.lowest) << fraction) + static_cast<int>(std::ldexp(size, fraction - std::ilogb(size)));
  return static_cast<uint16_t>(bits | (std::signbit(v) ? 0x8000 : 0));
}

inline double decoded(DType type, uint16_t bits) {
  const Format f = format_of(type);
  const int fraction = f.digits - 1, low = bits & ((1 << fraction) - 1), exponent = (bits & 0x7fff) >> fraction;
  const int special = f.highest - f.lowest + 2;
  double size;
  if (exponent == special)
    size = low ? std::numeric_limits<double>::quiet_NaN() : std::numeric_limits<double>::infinity();
  else if (exponent == 0)
    size = std::ldexp(low, f.lowest - fraction);
  else
    size = std::ldexp(low + (1 << fraction), exponent - 1 + f.lowest - fraction);
  return bits & 0x8000 ? -size : size;
}

// What storing a result in a 16-bit type adds to a tolerance: half a unit in the last place, relative (2^-11 for f16,
// 2^-8 for bf16), and half the distance of subnormal numbers. Results in f32 and f64: nothing, the tolerances of tests
// include their rounding.
inline double relative_rounding(DType type) {
  return bandlift::element_bytes(type) == 2 ? std::ldexp(1.0, -format_of(type).digits) : 0;
}
inline double absolute_rounding(DType type) {
  const Format f = format_of(type);
  return bandlift::element_bytes(type) == 2 ? std::ldexp(1.0, f.lowest - f.digits) : 0;
}

inline const char* name(DType type) {
  return type == DType::f16 ? "f16" : type == DType::bf16 ? "bf16" : type == DType::f32 ? "f32" : "f64";
}

}  // namespace storage
