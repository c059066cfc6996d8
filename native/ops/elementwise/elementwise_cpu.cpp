#include <cmath>

#include "cpu/cpu_backend.h"
#include "cpu/pixels.h"
#include "ops/elementwise/elementwise.h"

namespace bandlift::BANDLIFT_ISA {

static float softplus(float x) {  // as conv2d applies it, to the last bit; written so that e^x cannot overflow
  return (x > 0 ? x : 0.0f) + log1pf(expf(-fabsf(x)));
}

// ---- forward ----

void CpuBackend::activation_forward(Activation kind, Tensor x, Tensor y) {
  for_runs(pool_, x.pixels(), x.c, x.pitch == x.c && y.pitch == y.c, [&](int64_t pixel, int64_t count) {
    const float* in = x.f32() + pixel * x.pitch;
    float* out = y.f32() + pixel * y.pitch;
    switch (kind) {
      case Activation::none:
        for (int64_t i = 0; i < count; ++i) out[i] = in[i];
        break;
      case Activation::relu:
        for (int64_t i = 0; i < count; ++i) out[i] = in[i] < 0 ? 0 : in[i];  // lets NaN through
        break;
      case Activation::sigmoid:
        for (int64_t i = 0; i < count; ++i) out[i] = 1.0f / (1.0f + expf(-in[i]));
        break;
      case Activation::softplus:
        for (int64_t i = 0; i < count; ++i) out[i] = softplus(in[i]);
        break;
    }
  });
}

void CpuBackend::add(Tensor a, Tensor b, Tensor y) {
  const bool contiguous = a.pitch == a.c && b.pitch == b.c && y.pitch == y.c;
  for_runs(pool_, a.pixels(), a.c, contiguous, [&](int64_t pixel, int64_t count) {
    const float* left = a.f32() + pixel * a.pitch;
    const float* right = b.f32() + pixel * b.pitch;
    float* out = y.f32() + pixel * y.pitch;
    for (int64_t i = 0; i < count; ++i) out[i] = left[i] + right[i];
  });
}

void CpuBackend::fill(float value, Tensor y) {
  for_runs(pool_, y.pixels(), y.c, y.pitch == y.c, [&](int64_t pixel, int64_t count) {
    if (y.dtype == DType::f64) {
      double* out = y.f64() + pixel * y.pitch;
      for (int64_t i = 0; i < count; ++i) out[i] = value;
    } else {
      float* out = y.f32() + pixel * y.pitch;
      for (int64_t i = 0; i < count; ++i) out[i] = value;
    }
  });
}

// ---- backward ----

void CpuBackend::activation_backward(Activation kind, Tensor y, Tensor dy, Tensor dx) {
  const bool contiguous = y.pitch == y.c && dy.pitch == dy.c && dx.pitch == dx.c;
  for_runs(pool_, y.pixels(), y.c, contiguous, [&](int64_t pixel, int64_t count) {
    const float* value = y.f32() + pixel * y.pitch;
    const float* in = dy.f32() + pixel * dy.pitch;
    float* out = dx.f32() + pixel * dx.pitch;
    switch (kind) {
      case Activation::none:
        for (int64_t i = 0; i < count; ++i) out[i] = in[i];
        break;
      case Activation::relu:
        for (int64_t i = 0; i < count; ++i) out[i] = value[i] > 0 ? in[i] : 0;
        break;
      case Activation::sigmoid:
        for (int64_t i = 0; i < count; ++i) out[i] = in[i] * value[i] * (1 - value[i]);
        break;
      case Activation::softplus:
        for (int64_t i = 0; i < count; ++i) out[i] = in[i] * -expm1f(-value[i]);
        break;
    }
  });
}

}  // namespace bandlift::BANDLIFT_ISA
