// CUDA's half: IEEE binary16, every conversion and operation rounded once to nearest even.
#pragma once
#include <bit>
#include <cstdint>

#include "vector_types.h"

namespace bandlift::emulation {

inline uint16_t half_bits(float value) {
  uint32_t x = std::bit_cast<uint32_t>(value);
  const uint32_t sign = x >> 16 & 0x8000u;
  x &= 0x7fffffffu;
  if (x > 0x7f800000u) return 0x7fff;                                  // CUDA's one NaN
  if (x >= 0x47800000u) return static_cast<uint16_t>(sign | 0x7c00u);  // 65536 and up
  if (x < 0x38800000u) {  // below 2^-14: the FPU rounds to 0.5's last place, which is a subnormal half's
    const float sum = std::bit_cast<float>(x) + 0.5f;
    return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(sum) - std::bit_cast<uint32_t>(0.5f)));
  }
  x += 0xc8000fffu + (x >> 13 & 1);  // exponent bias 127 -> 15; ties to even
  return static_cast<uint16_t>(sign | x >> 13);
}

// Without branches, so that loops over arrays vectorise. 2^112 moves the exponent, subnormals included.
inline float half_value(uint16_t bits) {
  const uint32_t rest = bits & 0x7fffu;
  const float scaled = std::bit_cast<float>(rest << 13) * 0x1p112f;
  const uint32_t special = rest >= 0x7c00u ? 0x7f800000u : 0;  // inf and NaN keep their mantissa
  return std::bit_cast<float>((static_cast<uint32_t>(bits) & 0x8000u) << 16 | special |
                              std::bit_cast<uint32_t>(scaled));
}

// To float with the last bit set where anything was lost: rounding that again gives the double's nearest half.
inline float round_to_odd(double value) {
  const float f = static_cast<float>(value);
  const uint32_t bits = std::bit_cast<uint32_t>(f);
  if (static_cast<double>(f) == value || value != value || bits & 1) return f;
  if ((bits & 0x7fffffffu) == 0x7f800000u) return f;
  const bool away = (f < 0 ? -static_cast<double>(f) : static_cast<double>(f)) > (value < 0 ? -value : value);
  if ((bits & 0x7fffffffu) == 0) return std::bit_cast<float>((value < 0 ? 0x80000000u : 0u) | 1u);
  return std::bit_cast<float>(away ? bits - 1 : bits + 1);
}

}  // namespace bandlift::emulation

struct __half_raw {
  unsigned short x;
};

struct __half {
  unsigned short bits;
  __half() = default;
  constexpr __half(__half_raw raw) : bits(raw.x) {}
  __half(float v) : bits(bandlift::emulation::half_bits(v)) {}
  __half(double v) : bits(bandlift::emulation::half_bits(bandlift::emulation::round_to_odd(v))) {}
  __half(int v) : __half(static_cast<double>(v)) {}
  __half(unsigned v) : __half(static_cast<double>(v)) {}
  operator float() const { return bandlift::emulation::half_value(bits); }
  operator __half_raw() const { return {bits}; }
};
using half = __half;

struct alignas(4) __half2 {
  __half x, y;
};
using half2 = __half2;

// ---- conversions ----
inline __half __float2half_rn(float v) {
  return __half(v);
}
inline __half __float2half(float v) {
  return __half(v);
}
inline __half __double2half(double v) {
  return __half(v);
}
inline float __half2float(__half v) {
  return static_cast<float>(v);
}
inline __half __int2half_rn(int v) {
  return __half(v);
}
inline unsigned short __half_as_ushort(__half v) {
  return v.bits;
}
inline short __half_as_short(__half v) {
  return static_cast<short>(v.bits);
}
inline __half __ushort_as_half(unsigned short v) {
  return __half(__half_raw{v});
}
inline __half __short_as_half(short v) {
  return __half(__half_raw{static_cast<unsigned short>(v)});
}
inline __half2 __halves2half2(__half a, __half b) {
  return {a, b};
}
inline __half2 make_half2(__half a, __half b) {
  return {a, b};
}
inline __half2 __half2half2(__half a) {
  return {a, a};
}
inline __half2 __float2half2_rn(float v) {
  return {__half(v), __half(v)};
}
inline __half2 __floats2half2_rn(float a, float b) {
  return {__half(a), __half(b)};
}
inline __half2 __float22half2_rn(float2 v) {
  return {__half(v.x), __half(v.y)};
}
inline float2 __half22float2(__half2 v) {
  return {static_cast<float>(v.x), static_cast<float>(v.y)};
}
inline __half __low2half(__half2 v) {
  return v.x;
}
inline __half __high2half(__half2 v) {
  return v.y;
}
inline float __low2float(__half2 v) {
  return static_cast<float>(v.x);
}
inline float __high2float(__half2 v) {
  return static_cast<float>(v.y);
}

// ---- arithmetic: float has more than twice a half's digits, so rounding its result is rounding once ----
inline __half __hadd(__half a, __half b) {
  return __half(static_cast<float>(a) + static_cast<float>(b));
}
inline __half __hsub(__half a, __half b) {
  return __half(static_cast<float>(a) - static_cast<float>(b));
}
inline __half __hmul(__half a, __half b) {
  return __half(static_cast<float>(a) * static_cast<float>(b));
}
inline __half __hdiv(__half a, __half b) {
  return __half(static_cast<float>(a) / static_cast<float>(b));
}
// The product is exact in double, and the sum wherever it decides how a half is rounded.
inline __half __hfma(__half a, __half b, __half c) {
  return __half(static_cast<double>(static_cast<float>(a)) * static_cast<float>(b) + static_cast<float>(c));
}
inline __half __hneg(__half a) {
  return __half(__half_raw{static_cast<unsigned short>(a.bits ^ 0x8000u)});
}
inline __half __habs(__half a) {
  return __half(__half_raw{static_cast<unsigned short>(a.bits & 0x7fffu)});
}
inline bool __hisnan(__half a) {
  return (a.bits & 0x7fffu) > 0x7c00u;
}
inline int __hisinf(__half a) {
  return a.bits == 0x7c00u ? 1 : a.bits == 0xfc00u ? -1 : 0;
}
inline __half __hmax(__half a, __half b) {
  if (__hisnan(a)) return __hisnan(b) ? __ushort_as_half(0x7fff) : b;
  return __hisnan(b) || static_cast<float>(a) > static_cast<float>(b) || b.bits == 0x8000u ? a : b;
}
inline __half __hmin(__half a, __half b) {
  if (__hisnan(a)) return __hisnan(b) ? __ushort_as_half(0x7fff) : b;
  return __hisnan(b) || static_cast<float>(a) < static_cast<float>(b) || a.bits == 0x8000u ? a : b;
}
inline __half operator+(const __half& a, const __half& b) {
  return __hadd(a, b);
}
inline __half operator-(const __half& a, const __half& b) {
  return __hsub(a, b);
}
inline __half operator*(const __half& a, const __half& b) {
  return __hmul(a, b);
}
inline __half operator/(const __half& a, const __half& b) {
  return __hdiv(a, b);
}
inline __half operator-(const __half& a) {
  return __hneg(a);
}
inline __half& operator+=(__half& a, const __half& b) {
  return a = __hadd(a, b);
}
inline __half& operator-=(__half& a, const __half& b) {
  return a = __hsub(a, b);
}
inline __half& operator*=(__half& a, const __half& b) {
  return a = __hmul(a, b);
}
inline bool operator==(const __half& a, const __half& b) {
  return static_cast<float>(a) == static_cast<float>(b);
}
inline bool operator!=(const __half& a, const __half& b) {
  return static_cast<float>(a) != static_cast<float>(b);
}
inline bool operator<(const __half& a, const __half& b) {
  return static_cast<float>(a) < static_cast<float>(b);
}
inline bool operator>(const __half& a, const __half& b) {
  return static_cast<float>(a) > static_cast<float>(b);
}
inline bool operator<=(const __half& a, const __half& b) {
  return static_cast<float>(a) <= static_cast<float>(b);
}
inline bool operator>=(const __half& a, const __half& b) {
  return static_cast<float>(a) >= static_cast<float>(b);
}

inline __half2 __hadd2(__half2 a, __half2 b) {
  return {__hadd(a.x, b.x), __hadd(a.y, b.y)};
}
inline __half2 __hsub2(__half2 a, __half2 b) {
  return {__hsub(a.x, b.x), __hsub(a.y, b.y)};
}
inline __half2 __hmul2(__half2 a, __half2 b) {
  return {__hmul(a.x, b.x), __hmul(a.y, b.y)};
}
inline __half2 __hfma2(__half2 a, __half2 b, __half2 c) {
  return {__hfma(a.x, b.x, c.x), __hfma(a.y, b.y, c.y)};
}
inline __half2 __hmax2(__half2 a, __half2 b) {
  return {__hmax(a.x, b.x), __hmax(a.y, b.y)};
}
