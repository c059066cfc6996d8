// half and bfloat16 against arithmetic that shares nothing with the emulation's bit code: values by ldexp, rounding by
// search among all numbers of the format.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

#include "check.h"

namespace {

struct Format {
  int exponent_bits, mantissa_bits;
};
constexpr Format kHalf{5, 10}, kBfloat{8, 7};

// The number that bits stand for, by the definition of IEEE formats.
double value(Format f, unsigned bits) {
  const int mantissa = static_cast<int>(bits & ((1u << f.mantissa_bits) - 1));
  const int exponent = static_cast<int>(bits >> f.mantissa_bits & ((1u << f.exponent_bits) - 1));
  const int bias = (1 << (f.exponent_bits - 1)) - 1, most = (1 << f.exponent_bits) - 1;
  const double sign = bits >> 15 & 1 ? -1 : 1;
  if (exponent == most) return mantissa == 0 ? sign * INFINITY : NAN;
  if (exponent == 0) return sign * std::ldexp(mantissa, 1 - bias - f.mantissa_bits);
  return sign * std::ldexp((1 << f.mantissa_bits) + mantissa, exponent - bias - f.mantissa_bits);
}

// All finite numbers >= 0 of a format in ascending order: index = bits. The next one stands for infinity.
std::vector<double> positive(Format f) {
  std::vector<double> all;
  for (unsigned bits = 0; !std::isinf(value(f, bits)); ++bits) all.push_back(value(f, bits));
  all.push_back(all.back() + (all.back() - all[all.size() - 2]));
  return all;
}

// Nearest number of the format, ties to the even mantissa.
unsigned nearest(const std::vector<double>& all, double x) {
  const unsigned sign = std::signbit(x) ? 0x8000u : 0;
  x = std::abs(x);
  const auto above = std::lower_bound(all.begin(), all.end(), x);
  if (above == all.end()) return sign | static_cast<unsigned>(all.size() - 1);
  auto i = static_cast<unsigned>(above - all.begin());
  if (i > 0 && *above != x) {
    const double low = x - all[i - 1], high = all[i] - x;  // exact: neighbours within a factor of two
    if (low < high || (low == high && (i - 1) % 2 == 0)) --i;
  }
  return sign | i;
}

// Doubles that are hard to round: each number of the format, the middle to the next, and a bit beside both.
std::vector<double> hard_cases(const std::vector<double>& all) {
  std::vector<double> cases;
  for (size_t i = 0; i + 1 < all.size(); ++i) {
    const double middle = (all[i] + all[i + 1]) / 2;
    for (double x : {all[i], middle})
      for (double y : {x, std::nextafter(x, 1e300), std::nextafter(x, 0.0)}) cases.push_back(y);
  }
  cases.push_back(1e30);
  cases.push_back(1e300);
  cases.push_back(1e-300);
  return cases;
}

template <typename T>
unsigned bits_of(T v) {
  return v.bits;
}

template <typename T, typename Raw>
void check_format(Format f, const char* name) {
  for (unsigned bits = 0; bits < 65536; ++bits) {
    const double expected = value(f, bits);
    const auto got = static_cast<float>(T(Raw{static_cast<unsigned short>(bits)}));
    if (std::isnan(expected) ? !std::isnan(got) : got != expected || std::signbit(got) != std::signbit(expected))
      check::fail(std::string(name) + " " + std::to_string(bits) + " reads as " + std::to_string(got));
    if (!std::isnan(expected)) REQUIRE(bits_of(T(got)) == bits);  // and back
  }
  const std::vector<double> all = positive(f);
  for (double x : hard_cases(all))
    for (double signed_x : {x, -x}) {
      if (bits_of(T(signed_x)) != nearest(all, signed_x))
        check::fail(std::string(name) + " of double " + std::to_string(x));
      const auto single = static_cast<float>(signed_x);
      if (!std::isinf(single) && bits_of(T(single)) != nearest(all, single))
        check::fail(std::string(name) + " of float " + std::to_string(single));
      for (float beside : {std::nextafterf(single, INFINITY), std::nextafterf(single, -INFINITY)})
        if (!std::isinf(beside)) REQUIRE(bits_of(T(beside)) == nearest(all, beside));
    }
  REQUIRE(bits_of(T(NAN)) == 0x7fff && bits_of(T(-NAN)) == 0x7fff);
  REQUIRE(static_cast<float>(T(INFINITY)) == INFINITY && static_cast<float>(T(-INFINITY)) == -INFINITY);
}

template <typename T>
void check_arithmetic(Format f) {
  const std::vector<double> all = positive(f);
  std::mt19937 random(3);
  for (int i = 0; i < 200000; ++i) {
    const auto pick = [&] { return T(static_cast<float>((random() & 1 ? 1 : -1) * all[random() % (all.size() - 1)])); };
    const T a = pick(), b = pick();
    const double x = static_cast<float>(a), y = static_cast<float>(b);
    REQUIRE(bits_of(a * b) == nearest(all, x * y));  // exact in double
    // a sum of doubles is exact unless one is so small that the nearest number is the other, whatever the last bit
    REQUIRE(bits_of(a + b) == nearest(all, x + y) || x + y == 0);
    REQUIRE(bits_of(a - b) == nearest(all, x - y) || x - y == 0);
    REQUIRE((a < b) == (x < y) && (a >= b) == (x >= y) && (a == b) == (x == y));
  }
}

}  // namespace

TEST("emulation: all 65536 halves, and rounding to half") {
  check_format<__half, __half_raw>(kHalf, "half");
}
TEST("emulation: all 65536 bfloat16, and rounding to bfloat16") {
  check_format<__nv_bfloat16, __nv_bfloat16_raw>(kBfloat, "bfloat16");
}
TEST("emulation: sums, products and comparisons of half and bfloat16 are rounded once") {
  check_arithmetic<__half>(kHalf);
  check_arithmetic<__nv_bfloat16>(kBfloat);
}
TEST("emulation: pairs of halves keep their places, and __hfma rounds once") {
  const __half2 pair = __floats2half2_rn(1.5f, -2.0f);
  REQUIRE(__low2float(pair) == 1.5f && __high2float(pair) == -2.0f);
  REQUIRE(__half22float2(pair).x == 1.5f && __half2float(__high2half(pair)) == -2.0f);
  REQUIRE(__half2float(__low2half(__halves2half2(__float2half(3.0f), __float2half(4.0f)))) == 3.0f);
  const __nv_bfloat162 wide = __floats2bfloat162_rn(3.0f, 7.0f);
  REQUIRE(__low2float(wide) == 3.0f && __bfloat1622float2(wide).y == 7.0f);
  REQUIRE(sizeof(__half2) == 4 && alignof(__half2) == 4 && sizeof(__nv_bfloat16) == 2);
  // (1 + 2^-10)^2 = 1 + 2^-9 + 2^-20: the product alone rounds down to 1 + 2^-9; with -1 added the rest stays
  const __half a = __float2half(1.0f + 0x1p-10f);
  REQUIRE(__half2float(__hfma(a, a, __float2half(-1.0f))) == 0x1p-9f);
  REQUIRE(__half2float(__hfma(a, a, __float2half(-(1.0f + 0x1p-9f)))) == 0x1p-20f);
}
