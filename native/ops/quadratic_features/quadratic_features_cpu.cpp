#include "cpu/cpu_backend.h"
#include "cpu/pixels.h"
#include "ops/quadratic_features/quadratic_features.h"

namespace bandlift::BANDLIFT_ISA {

void CpuBackend::quadratic_features_forward(Tensor x, Tensor y) {
  for_pixels(pool_, x.pixels(), y.c, [&](int64_t first, int64_t last, int64_t) {
    for (int64_t p = first; p < last; ++p) {
      const float* in = x.f32() + p * x.pitch;
      float* out = y.f32() + p * y.pitch;
      for (int64_t i = 0; i < x.c; ++i) *out++ = in[i];
      for (int64_t i = 0; i < x.c; ++i)
        for (int64_t j = i; j < x.c; ++j) *out++ = in[i] * in[j];
    }
  });
}

void CpuBackend::quadratic_features_backward(Tensor dy, Tensor x, Tensor dx) {
  for_pixels(pool_, x.pixels(), dy.c, [&](int64_t first, int64_t last, int64_t) {
    for (int64_t p = first; p < last; ++p) {
      const float* in = x.f32() + p * x.pitch;
      const float* g = dy.f32() + p * dy.pitch;
      float* out = dx.f32() + p * dx.pitch;
      for (int64_t i = 0; i < x.c; ++i) out[i] = *g++;
      for (int64_t i = 0; i < x.c; ++i)
        for (int64_t j = i; j < x.c; ++j, ++g) {
          out[i] += *g * in[j];
          out[j] += *g * in[i];
        }
    }
  });
}

}  // namespace bandlift::BANDLIFT_ISA
