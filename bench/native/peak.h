// Wall-clock seconds, and the multiply-adds that one core of this machine can do at most.
#pragma once
#include <algorithm>
#include <chrono>

#include "cpu/cpu_device.h"

namespace bench {

inline double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

typedef float Lanes4 __attribute__((vector_size(16)));
typedef float Lanes8 __attribute__((vector_size(32)));
typedef float Lanes16 __attribute__((vector_size(64)));

// 12 independent chains hide the latency of a multiply-add; returns floating-point operations per second of one core.
template <typename V>
__attribute__((always_inline)) inline double chains() {
  V sum[12] = {};
  volatile float factor = 0.999f, term = 0.001f;
  const V a = V{} + factor, b = V{} + term;
  double best = 1e9;
  for (int run = 0; run < 20; ++run) {
    const double start = seconds();
    for (int i = 0; i < 200000; ++i)
#pragma GCC unroll 12
      for (int c = 0; c < 12; ++c) sum[c] = sum[c] * a + b;
    best = std::min(best, seconds() - start);
  }
  volatile float sink = 0;
  for (const V& s : sum) sink = sink + s[0];
  return 200000.0 * 12 * 2 * (sizeof(V) / sizeof(float)) / best;
}

#if defined(__x86_64__)
#if defined(__clang__)  // uses the width of the type, and does not know the option
__attribute__((target("avx512f"))) inline double flops_avx512() {
#else
__attribute__((target("avx512f,prefer-vector-width=512"))) inline double flops_avx512() {
#endif
  return chains<Lanes16>();
}
__attribute__((target("avx2,fma"))) inline double flops_avx2() {
  return chains<Lanes8>();
}
#endif

// Floating-point operations per second of one core.
inline double flops_of(bandlift::Isa isa) {
#if defined(__x86_64__)
  if (isa == bandlift::Isa::avx512) return flops_avx512();
  if (isa == bandlift::Isa::avx2) return flops_avx2();
#endif
  (void)isa;
  return chains<Lanes4>();
}

}  // namespace bench
