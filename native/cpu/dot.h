// Sums over a spectrum in vectors: the order of additions is fixed by the instruction set.
#pragma once
#include "cpu/simd.h"

namespace bandlift::BANDLIFT_ISA {

inline float sum_lanes(vfloat v) {
  float sum = 0;
  for (int i = 0; i < kLanes; ++i) sum += v[i];
  return sum;
}

// <a, b> over c numbers.
inline float dot(const float* a, const float* b, int64_t c) {
  vfloat sum0 = {}, sum1 = {};
  int64_t k = 0;
  for (; k + 2 * kLanes <= c; k += 2 * kLanes) {
    sum0 += load(a + k) * load(b + k);
    sum1 += load(a + k + kLanes) * load(b + k + kLanes);
  }
  float tail = 0;
  for (; k < c; ++k) tail += a[k] * b[k];
  return sum_lanes(sum0 + sum1) + tail;
}

}  // namespace bandlift::BANDLIFT_ISA
