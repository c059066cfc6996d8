#include <cmath>

#include "cpu/cpu_backend.h"
#include "cpu/dot.h"
#include "cpu/pixels.h"
#include "ops/softmax_mixing/softmax_mixing.h"

namespace bandlift::BANDLIFT_ISA {

// ---- forward ----

static void softmax(const float* x, int64_t k, float* y) {
  float largest = x[0], sum = 0;
  for (int64_t i = 1; i < k; ++i) largest = x[i] > largest ? x[i] : largest;
  for (int64_t i = 0; i < k; ++i) sum += y[i] = expf(x[i] - largest);
  for (int64_t i = 0; i < k; ++i) y[i] /= sum;
}

void CpuBackend::softmax_mixing_forward(Tensor logits, Tensor endmembers, Tensor abundances, Tensor y) {
  const int64_t k = logits.c, c = y.c;
  for_pixels(pool_, y.pixels(), c, [&](int64_t first, int64_t last, int64_t) {
    for (int64_t p = first; p < last; ++p) {
      float* a = abundances.f32() + p * abundances.pitch;
      softmax(logits.f32() + p * logits.pitch, k, a);
      float* out = y.f32() + p * y.pitch;
      for (int64_t b = 0; b < c; b += kLanes) {
        vfloat sum = {};
        for (int64_t i = 0; i < k; ++i) sum += a[i] * load_up_to(endmembers.f32() + i * c + b, c - b);
        store_up_to(out + b, sum, c - b);
      }
    }
  });
}

// ---- backward ----

// A fixed number of parts with their own sum for the endmembers; added in order at the end.
static constexpr int64_t kParts = 32;

size_t CpuBackend::softmax_mixing_backward_workspace(Tensor dy, Tensor abundances) const {
  return static_cast<size_t>(kParts * abundances.c * dy.c) * sizeof(float);
}

void CpuBackend::softmax_mixing_backward(Tensor dy, Tensor abundances, Tensor endmembers, Tensor dlogits,
                                         Tensor dendmembers, Tensor workspace) {
  const int64_t k = abundances.c, c = dy.c, pixels = dy.pixels();
  pool_.parallel_for(kParts, [&](int64_t part, int) {
    float* sums = workspace.f32() + part * k * c;
    for (int64_t i = 0; i < k * c; ++i) sums[i] = 0;
    for (int64_t p = pixels * part / kParts; p < pixels * (part + 1) / kParts; ++p) {
      const float* g = dy.f32() + p * dy.pitch;
      const float* a = abundances.f32() + p * abundances.pitch;
      float* out = dlogits.f32() + p * dlogits.pitch;
      float mean = 0;
      for (int64_t i = 0; i < k; ++i) {
        out[i] = dot(g, endmembers.f32() + i * c, c);
        mean += a[i] * out[i];
      }
      for (int64_t i = 0; i < k; ++i) out[i] = a[i] * (out[i] - mean);
      for (int64_t i = 0; i < k; ++i) {
        const float weight = a[i];
        float* row = sums + i * c;
        for (int64_t b = 0; b < c; ++b) row[b] += weight * g[b];
      }
    }
  });
  pool_.parallel_for(k, [&](int64_t i, int) {
    for (int64_t b = 0; b < c; ++b) {
      double sum = 0;
      for (int64_t part = 0; part < kParts; ++part) sum += workspace.f32()[(part * k + i) * c + b];
      dendmembers.f32()[i * c + b] += static_cast<float>(sum);
    }
  });
}

}  // namespace bandlift::BANDLIFT_ISA
