#include "cuda/cuda_backend.h"
#include "cuda/pixels.h"
#include "ops/spectral_attention/spectral_attention.h"

namespace bandlift::cuda {
namespace {

// ---- sums over the pixels of each sample ----
// A block owns blockDim.x runs of V channels of one sample and all of its pixels: no atomics, no partial sums in
// memory, and an order of additions that the shape alone fixes. Two packs are 32 bytes of each pixel, one sector: every
// byte fetched is used, yet 340 bands of one sample make only 22 (16-bit) or 43 (f32) blocks, one to a multiprocessor.
// With 1024 threads a multiprocessor fetches some 50 GB/s this way [estimate, not measured]: a batch of 4 can come near
// the 4.8 TB/s of an H200's 132 multiprocessors, a single 16-bit sample gets about a quarter of it.
constexpr int kSumThreads = 1024;
constexpr int kPacksPerBlock = 2;
// Floats are summed over 16 pixels, then added to a double: f64 is 64 times slower than f32 on consumer devices.
constexpr int kPixelsPerPartial = 16;

// out[n, k] = scale * sum over pixels of a[n, p, k] (* b[n, p, k]); the grid is (samples, groups of channels).
template <typename T, int V, bool with_b>
__global__ void __launch_bounds__(kSumThreads)
    sum_pixels_kernel(View<T> a, View<T> b, View<float> out, int64_t pixels, int64_t c, double scale) {
  const int64_t sample = blockIdx.x, rows = blockDim.y;
  const int64_t k = (static_cast<int64_t>(blockIdx.y) * blockDim.x + threadIdx.x) * V;
  double sum[V] = {};
  for (int64_t first = threadIdx.y; first < pixels && k < c; first += rows * kPixelsPerPartial) {
    float partial[V] = {};
#pragma unroll 4
    for (int j = 0; j < kPixelsPerPartial; ++j) {
      const int64_t p = first + j * rows;
      if (p < pixels) {
        Lanes<V> v = load<V>(a, sample * pixels + p, k);
        if (with_b) {
          const Lanes<V> factor = load<V>(b, sample * pixels + p, k);
#pragma unroll
          for (int i = 0; i < V; ++i) v.v[i] *= factor.v[i];
        }
#pragma unroll
        for (int i = 0; i < V; ++i) partial[i] += v.v[i];
      }
    }
#pragma unroll
    for (int i = 0; i < V; ++i) sum[i] += partial[i];
  }

  // Rows of a warp (blockDim.x is a power of two up to 32), then the warps in order.
  const int lanes = static_cast<int>(blockDim.x), group = lanes * V;
  const int thread = static_cast<int>(threadIdx.y) * lanes + static_cast<int>(threadIdx.x);
  const int warps = lanes * static_cast<int>(blockDim.y) / kWarp;
  double* scratch = dynamic_shared<double>();  // [warps][group]
#pragma unroll
  for (int i = 0; i < V; ++i) {
    for (int step = kWarp / 2; step >= lanes; step /= 2) sum[i] += __shfl_xor_sync(0xffffffffu, sum[i], step);
    if (thread % kWarp < lanes) scratch[thread / kWarp * group + static_cast<int>(threadIdx.x) * V + i] = sum[i];
  }
  __syncthreads();
  const int64_t channel = static_cast<int64_t>(blockIdx.y) * group + thread;
  if (thread < group && channel < out.pitch) {
    double total = 0;
    for (int w = 0; w < warps; ++w) total += scratch[w * group + thread];
    out.put(sample, channel, static_cast<float>(total * scale));  // padding got nothing but zeros
  }
}

template <typename T, bool with_b>
void sum_pixels(const Context& context, const char* name, Tensor a, Tensor b, Tensor out, double scale) {
  const bool wide = all_packed<T>(a, b);
  const int v = wide ? Pack<T>::kSize : 1, lanes = wide ? kPacksPerBlock : kWarp;
  const int64_t pixels = a.h * a.w, whole_warps = divide_up(pixels * lanes, kWarp) * kWarp;
  const int threads = static_cast<int>(whole_warps < kSumThreads ? whole_warps : kSumThreads);
  const dim3 grid(static_cast<unsigned>(a.n), static_cast<unsigned>(divide_up(out.pitch, lanes * v)));
  const size_t shared = static_cast<size_t>(threads / kWarp * lanes * v) * sizeof(double);
  launch(context, name, wide ? sum_pixels_kernel<T, Pack<T>::kSize, with_b> : sum_pixels_kernel<T, 1, with_b>, grid,
         dim3(static_cast<unsigned>(lanes), static_cast<unsigned>(threads / lanes)), shared, view<T>(a), view<T>(b),
         view<float>(out), pixels, a.c, scale);
}

// ---- one pass over the pixels; a thread keeps the gate of its channels while it walks pixels of one sample ----

// y = x * gate (+ residual)
template <typename T, int V>
__global__ void gate_kernel(View<T> x, View<float> gate, View<T> residual, View<T> y, int64_t samples, int64_t pixels,
                            int64_t c) {
  for (int64_t n = blockIdx.z; n < samples; n += gridDim.z)
    for (int64_t k = first_channel<V>(); k < y.pitch; k += channel_step<V>()) {
      const Lanes<V> g = load_vector<V>(gate.data + n * gate.pitch, k, c);
      for (int64_t i = first_pixel(); i < pixels; i += pixel_step()) {
        const int64_t p = n * pixels + i;
        Lanes<V> v = {};
        if (k < c) {
          v = load<V>(x, p, k);
          Lanes<V> added = {};
          if (residual.data != nullptr) added = load<V>(residual, p, k);
#pragma unroll
          for (int j = 0; j < V; ++j) v.v[j] = v.v[j] * g.v[j] + added.v[j];
        }
        store(y, p, k, c, v);
      }
    }
}

// dx = (dy * gate + dmean * scale) * (mask > 0), scale = 1 / pixels
template <typename T, int V>
__global__ void gate_gradient_kernel(View<T> dy, View<float> gate, View<float> dmean, View<T> mask, View<T> dx,
                                     int64_t samples, int64_t pixels, int64_t c, float scale) {
  for (int64_t n = blockIdx.z; n < samples; n += gridDim.z)
    for (int64_t k = first_channel<V>(); k < dx.pitch; k += channel_step<V>()) {
      const Lanes<V> g = load_vector<V>(gate.data + n * gate.pitch, k, c);
      const float* means = dmean.data == nullptr ? nullptr : dmean.data + n * dmean.pitch;
      const Lanes<V> m = load_vector<V>(means, k, c);
      for (int64_t i = first_pixel(); i < pixels; i += pixel_step()) {
        const int64_t p = n * pixels + i;
        Lanes<V> v = {};
        if (k < c) {
          v = load<V>(dy, p, k);
#pragma unroll
          for (int j = 0; j < V; ++j) v.v[j] = v.v[j] * g.v[j] + m.v[j] * scale;
          if (mask.data != nullptr) {
            const Lanes<V> keep = load<V>(mask, p, k);
#pragma unroll
            for (int j = 0; j < V; ++j) v.v[j] = keep.v[j] > 0 ? v.v[j] : 0;
          }
        }
        store(dx, p, k, c, v);
      }
    }
}

// dx = dy * scale, the same for every pixel of a sample
template <typename T, int V>
__global__ void mean_gradient_kernel(View<float> dy, View<T> dx, int64_t samples, int64_t pixels, int64_t c,
                                     float scale) {
  for (int64_t n = blockIdx.z; n < samples; n += gridDim.z)
    for (int64_t k = first_channel<V>(); k < dx.pitch; k += channel_step<V>()) {
      Lanes<V> v = load_vector<V>(dy.data + n * dy.pitch, k, c);
#pragma unroll
      for (int j = 0; j < V; ++j) v.v[j] *= scale;
      for (int64_t i = first_pixel(); i < pixels; i += pixel_step()) store(dx, n * pixels + i, k, c, v);
    }
}

}  // namespace

// ---- forward ----

void CudaBackend::global_mean_forward(Tensor x, Tensor y) {
  by_type(x.dtype, "global_mean_forward", [&](auto type) {
    using T = typename decltype(type)::type;
    sum_pixels<T, false>(context_, "global_mean_forward", x, Tensor{}, y, 1.0 / static_cast<double>(x.h * x.w));
  });
}

void CudaBackend::gate_forward(Tensor x, Tensor gate, Tensor residual, Tensor y) {
  by_type(x.dtype, "gate_forward", [&](auto type) {
    using T = typename decltype(type)::type;
    constexpr int kPack = Pack<T>::kSize;
    const bool wide = all_packed<T>(x, residual, y);
    const Tiles t = tiles(context_, y.pitch, wide ? kPack : 1, y.h * y.w, y.n);
    launch(context_, "gate_forward", wide ? gate_kernel<T, kPack> : gate_kernel<T, 1>, t.grid, t.block, 0, view<T>(x),
           view<float>(gate), view<T>(residual), view<T>(y), y.n, y.h * y.w, y.c);
  });
}

// ---- backward ----

void CudaBackend::global_mean_backward(Tensor dy, Tensor dx) {
  by_type(dx.dtype, "global_mean_backward", [&](auto type) {
    using T = typename decltype(type)::type;
    constexpr int kPack = Pack<T>::kSize;
    const bool wide = packed<T>(dx);
    const int64_t pixels = dx.h * dx.w;
    const Tiles t = tiles(context_, dx.pitch, wide ? kPack : 1, pixels, dx.n);
    launch(context_, "global_mean_backward", wide ? mean_gradient_kernel<T, kPack> : mean_gradient_kernel<T, 1>, t.grid,
           t.block, 0, view<float>(dy), view<T>(dx), dx.n, pixels, dx.c, 1.0f / static_cast<float>(pixels));
  });
}

void CudaBackend::gate_backward_gate(Tensor dy, Tensor x, Tensor dgate) {
  by_type(dy.dtype, "gate_backward_gate", [&](auto type) {
    using T = typename decltype(type)::type;
    sum_pixels<T, true>(context_, "gate_backward_gate", dy, x, dgate, 1.0);
  });
}

void CudaBackend::gate_backward_input(Tensor dy, Tensor gate, Tensor dmean, Tensor mask, Tensor dx) {
  by_type(dy.dtype, "gate_backward_input", [&](auto type) {
    using T = typename decltype(type)::type;
    constexpr int kPack = Pack<T>::kSize;
    const bool wide = all_packed<T>(dy, mask, dx);
    const int64_t pixels = dx.h * dx.w;
    const Tiles t = tiles(context_, dx.pitch, wide ? kPack : 1, pixels, dx.n);
    launch(context_, "gate_backward_input", wide ? gate_gradient_kernel<T, kPack> : gate_gradient_kernel<T, 1>, t.grid,
           t.block, 0, view<T>(dy), view<float>(gate), view<float>(dmean), view<T>(mask), view<T>(dx), dx.n, pixels,
           dx.c, 1.0f / static_cast<float>(pixels));
  });
}

}  // namespace bandlift::cuda
