#include "cpu/cpu_backend.h"
#include "cpu/pixels.h"
#include "ops/spectral_attention/spectral_attention.h"

namespace bandlift::BANDLIFT_ISA {

// A task owns 64 channels of one sample and walks all its pixels: no partial sums, no scratch memory. Within the walk,
// floats are summed over 64 pixels and then added to a double.
static constexpr int kBlock = 64;
static constexpr int64_t kPixelsPerPartial = 64;

// out[k] = scale * sum over pixels of a[p][k] (* b[p][k])
static void sum_channels(ThreadPool& pool, Tensor a, Tensor b, Tensor out, double scale) {
  const int64_t blocks = (a.c + kBlock - 1) / kBlock, pixels = a.h * a.w;
  pool.parallel_for(a.n * blocks, [&](int64_t task, int) {
    const int64_t sample = task / blocks, k0 = task % blocks * kBlock;
    const int count = static_cast<int>(least(kBlock, a.c - k0));
    double sum[kBlock] = {};
    for (int64_t first = 0; first < pixels; first += kPixelsPerPartial) {
      float partial[kBlock] = {};
      const int64_t last = least(pixels, first + kPixelsPerPartial);
      for (int64_t p = first; p < last; ++p) {
        const float* left = a.f32() + (sample * pixels + p) * a.pitch + k0;
        if (b) {
          const float* right = b.f32() + (sample * pixels + p) * b.pitch + k0;
          if (count == kBlock)
            for (int k = 0; k < kBlock; ++k) partial[k] += left[k] * right[k];
          else
            for (int k = 0; k < count; ++k) partial[k] += left[k] * right[k];
        } else if (count == kBlock) {
          for (int k = 0; k < kBlock; ++k) partial[k] += left[k];
        } else {
          for (int k = 0; k < count; ++k) partial[k] += left[k];
        }
      }
      for (int k = 0; k < count; ++k) sum[k] += partial[k];
    }
    float* to = out.f32() + sample * out.pitch + k0;
    for (int k = 0; k < count; ++k) to[k] = static_cast<float>(sum[k] * scale);
  });
}

// ---- forward ----

void CpuBackend::global_mean_forward(Tensor x, Tensor y) {
  sum_channels(pool_, x, Tensor{}, y, 1.0 / static_cast<double>(x.h * x.w));
}

void CpuBackend::gate_forward(Tensor x, Tensor gate, Tensor residual, Tensor y) {
  const int64_t pixels = x.h * x.w;
  for_pixels(pool_, x.pixels(), x.c, [&](int64_t first, int64_t last, int64_t) {
    for (int64_t p = first; p < last; ++p) {
      const float* in = x.f32() + p * x.pitch;
      const float* g = gate.f32() + p / pixels * gate.pitch;
      float* out = y.f32() + p * y.pitch;
      if (residual) {
        const float* r = residual.f32() + p * residual.pitch;
        for (int64_t k = 0; k < x.c; ++k) out[k] = in[k] * g[k] + r[k];
      } else {
        for (int64_t k = 0; k < x.c; ++k) out[k] = in[k] * g[k];
      }
    }
  });
}

// ---- backward ----

void CpuBackend::global_mean_backward(Tensor dy, Tensor dx) {
  const int64_t pixels = dx.h * dx.w;
  const float scale = 1.0f / static_cast<float>(pixels);
  for_pixels(pool_, dx.pixels(), dx.c, [&](int64_t first, int64_t last, int64_t) {
    for (int64_t p = first; p < last; ++p) {
      const float* in = dy.f32() + p / pixels * dy.pitch;
      float* out = dx.f32() + p * dx.pitch;
      for (int64_t k = 0; k < dx.c; ++k) out[k] = in[k] * scale;
    }
  });
}

void CpuBackend::gate_backward_gate(Tensor dy, Tensor x, Tensor dgate) {
  sum_channels(pool_, dy, x, dgate, 1.0);
}

void CpuBackend::gate_backward_input(Tensor dy, Tensor gate, Tensor dmean, Tensor mask, Tensor dx) {
  const int64_t pixels = dy.h * dy.w;
  const float scale = 1.0f / static_cast<float>(pixels);
  for_pixels(pool_, dy.pixels(), dy.c, [&](int64_t first, int64_t last, int64_t) {
    for (int64_t p = first; p < last; ++p) {
      const float* in = dy.f32() + p * dy.pitch;
      const float* g = gate.f32() + p / pixels * gate.pitch;
      float* out = dx.f32() + p * dx.pitch;
      if (dmean) {
        const float* m = dmean.f32() + p / pixels * dmean.pitch;
        for (int64_t k = 0; k < dy.c; ++k) out[k] = in[k] * g[k] + m[k] * scale;
      } else {
        for (int64_t k = 0; k < dy.c; ++k) out[k] = in[k] * g[k];
      }
      if (mask) {
        const float* keep = mask.f32() + p * mask.pitch;
        for (int64_t k = 0; k < dy.c; ++k) out[k] = keep[k] > 0 ? out[k] : 0;
      }
    }
  });
}

}  // namespace bandlift::BANDLIFT_ISA
