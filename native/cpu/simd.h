// Loads and stores of the portable vector type (isa.h), whole and partial. A partial load reads nothing past `count`
// floats (the rest is zero), a partial store writes nothing past them: tensors are never over-read.
#pragma once
#include <cstdint>

#include "cpu/isa.h"
#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace bandlift::BANDLIFT_ISA {

// Through a pointer, not memcpy: GCC 12 splits a 32-byte memcpy into two halves and spills the accumulators around it.
inline vfloat load(const float* p) {
  return *reinterpret_cast<const vfloat_in_memory*>(p);
}
inline void store(float* p, vfloat v) {
  *reinterpret_cast<vfloat_in_memory*>(p) = v;
}
inline vfloat splat(float s) {
  return vfloat{} + s;
}

inline vfloat load_partial(const float* p, int64_t count) {
#if defined(__AVX512F__)
  return static_cast<vfloat>(_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << count) - 1), p));
#elif defined(__AVX2__)
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return static_cast<vfloat>(
      _mm256_maskload_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), lane)));
#else
  vfloat v = {};
  for (int i = 0; i < count; ++i) v[i] = p[i];
  return v;
#endif
}

inline void store_partial(float* p, vfloat v, int64_t count) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << count) - 1), static_cast<__m512>(v));
#elif defined(__AVX2__)
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  _mm256_maskstore_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), lane), static_cast<__m256>(v));
#else
  for (int i = 0; i < count; ++i) p[i] = v[i];
#endif
}

// `count` floats from 1 on; kLanes or more mean a whole vector.
inline vfloat load_up_to(const float* p, int64_t count) {
  return count >= kLanes ? load(p) : load_partial(p, count);
}
inline void store_up_to(float* p, vfloat v, int64_t count) {
  if (count >= kLanes)
    store(p, v);
  else
    store_partial(p, v, count);
}

inline int64_t round_up(int64_t value, int64_t step) {
  return (value + step - 1) / step * step;
}
inline int64_t least(int64_t a, int64_t b) {
  return a < b ? a : b;
}
inline int64_t most(int64_t a, int64_t b) {
  return a > b ? a : b;
}

}  // namespace bandlift::BANDLIFT_ISA
