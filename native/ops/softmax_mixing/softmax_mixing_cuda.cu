#include <cmath>

#include "cuda/cuda_backend.h"
#include "cuda/pixels.h"
#include "ops/softmax_mixing/softmax_mixing.h"

namespace bandlift::cuda {
namespace {

constexpr int kTile = 16;  // pixels whose abundances a block keeps in shared memory, [k][kTile]
constexpr int kMixThreads = 256;
constexpr int kGradientThreads = 128;
constexpr int kPixels = 4, kRows = 4;  // dot products a warp computes at once: pixels x endmembers
constexpr int kSpectra = 8;            // endmembers whose gradient a thread sums for one band
constexpr int kStage = 64;             // pixels whose abundances are staged for that
constexpr int64_t kMostParts = 128, kPixelsPerPart = 256;
// kTile and 4 warps x kPixels floats for each endmember fit into the 48 KiB every device has.
constexpr int64_t kMostEndmembers = (48 << 10) / (16 * sizeof(float));

// ---- forward ----

// One warp: abundances of pixel p, to memory and, in float, to column `column` of weights [k][kTile].
template <typename T>
__device__ __forceinline__ void softmax(View<T> logits, View<T> abundances, int64_t p, int k, float* weights,
                                        int column) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  float largest = -INFINITY, sum = 0;
  for (int i = lane; i < k; i += kWarp) largest = fmaxf(largest, logits.get(p, i));
  largest = warp_max(largest);
  for (int i = lane; i < k; i += kWarp) {
    const float e = expf(logits.get(p, i) - largest);
    weights[i * kTile + column] = e;
    sum += e;
  }
  sum = warp_sum(sum);
  for (int i = lane; i < abundances.pitch; i += kWarp) {
    const float a = i < k ? weights[i * kTile + column] / sum : 0.0f;
    if (i < k) weights[i * kTile + column] = a;  // written and read by the same lane
    abundances.put(p, i, a);
  }
}

// abundances = softmax(logits), y[p, b] = sum_i abundances[p, i] endmembers[i, b]. A block takes kTile pixels at a
// time; a thread reads an endmember's band once for all of them.
template <typename T>
__global__ void __launch_bounds__(kMixThreads)
    mixing_kernel(View<T> logits, const float* endmembers, View<T> abundances, View<T> y, int64_t pixels, int k,
                  int64_t c) {
  using Column = Run<float, kTile>;
  Column* weights = dynamic_shared<Column>();
  const int warp = static_cast<int>(threadIdx.x) / kWarp, warps = static_cast<int>(blockDim.x) / kWarp;
  for (int64_t first = static_cast<int64_t>(blockIdx.x) * kTile; first < pixels;
       first += static_cast<int64_t>(gridDim.x) * kTile) {
    __syncthreads();  // the tile before may still be read
    for (int t = warp; t < kTile && first + t < pixels; t += warps)
      softmax(logits, abundances, first + t, k, reinterpret_cast<float*>(weights), t);
    __syncthreads();
    const int count = pixels - first < kTile ? static_cast<int>(pixels - first) : kTile;
    for (int64_t b = threadIdx.x; b < y.pitch; b += blockDim.x) {
      float sum[kTile] = {};
      for (int i = 0; i < k && b < c; ++i) {
        const float e = endmembers[i * c + b];
        const Column a = weights[i];  // columns beyond `count` hold anything; their sums are not stored
#pragma unroll
        for (int t = 0; t < kTile; ++t) sum[t] += a.v[t] * e;
      }
#pragma unroll
      for (int t = 0; t < kTile; ++t)
        if (t < count) y.put(first + t, b, sum[t]);
    }
  }
}

// ---- backward ----

// da[i] = sum_b dy[b] endmembers[i, b]; dlogits[i] = a[i] (da[i] - sum_j a[j] da[j]). A warp takes kPixels pixels.
template <typename T>
__global__ void __launch_bounds__(kGradientThreads, 4)
    logits_gradient_kernel(View<T> dy, View<T> abundances, const float* endmembers, View<T> dlogits, int64_t pixels,
                           int k, int c) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp, warp = static_cast<int>(threadIdx.x) / kWarp;
  const int warps = static_cast<int>(blockDim.x) / kWarp;
  float* da = dynamic_shared<float>() + warp * kPixels * k;  // [kPixels][k] of this warp
  for (int64_t first = (static_cast<int64_t>(blockIdx.x) * warps + warp) * kPixels; first < pixels;
       first += static_cast<int64_t>(gridDim.x) * warps * kPixels) {
    for (int row = 0; row < k; row += kRows) {
      float sum[kPixels][kRows] = {};
      for (int b = lane; b < c; b += kWarp) {
        float g[kPixels], e[kRows];  // beyond the last pixel or endmember: the last one's, not used
#pragma unroll
        for (int t = 0; t < kPixels; ++t) g[t] = dy.get(first + t < pixels ? first + t : pixels - 1, b);
#pragma unroll
        for (int r = 0; r < kRows; ++r)
          e[r] = endmembers[(row + r < k ? row + r : k - 1) * static_cast<int64_t>(c) + b];
#pragma unroll
        for (int t = 0; t < kPixels; ++t)
#pragma unroll
          for (int r = 0; r < kRows; ++r) sum[t][r] += g[t] * e[r];
      }
#pragma unroll
      for (int t = 0; t < kPixels; ++t)
#pragma unroll
        for (int r = 0; r < kRows; ++r) {
          const float total = warp_sum(sum[t][r]);
          if (lane == 0 && row + r < k) da[t * k + row + r] = total;
        }
    }
    __syncwarp();
    for (int t = 0; t < kPixels && first + t < pixels; ++t) {
      float mean = 0;
      for (int i = lane; i < k; i += kWarp) mean += abundances.get(first + t, i) * da[t * k + i];
      mean = warp_sum(mean);
      for (int i = lane; i < dlogits.pitch; i += kWarp)
        dlogits.put(first + t, i, i < k ? abundances.get(first + t, i) * (da[t * k + i] - mean) : 0.0f);
    }
    __syncwarp();
  }
}

// partial[part, i, b] = sum over the part's pixels of a[p, i] dy[p, b]; the grid is (parts, groups of bands, groups of
// endmembers), a thread owns a band and kSpectra endmembers.
template <typename T>
__global__ void __launch_bounds__(kGradientThreads)
    endmembers_partial_kernel(View<T> dy, View<T> abundances, float* partial, int64_t pixels, int k, int64_t c) {
  using Row = Run<float, kSpectra>;
  Row* weights = dynamic_shared<Row>();  // [kStage]
  const int64_t part = blockIdx.x, parts = gridDim.x, last = pixels * (part + 1) / parts;
  const int64_t b = static_cast<int64_t>(blockIdx.y) * blockDim.x + threadIdx.x;
  const int row = static_cast<int>(blockIdx.z) * kSpectra;
  float sum[kSpectra] = {};
  for (int64_t first = pixels * part / parts; first < last; first += kStage) {
    const int count = last - first < kStage ? static_cast<int>(last - first) : kStage;
    __syncthreads();  // the stage before may still be read
    for (int j = static_cast<int>(threadIdx.x); j < count * kSpectra; j += static_cast<int>(blockDim.x)) {
      const int t = j / kSpectra, r = j % kSpectra;
      weights[t].v[r] = row + r < k ? abundances.get(first + t, row + r) : 0.0f;
    }
    __syncthreads();
    if (b < c) {
#pragma unroll 4
      for (int t = 0; t < count; ++t) {
        const float g = dy.get(first + t, b);
        const Row a = weights[t];
#pragma unroll
        for (int r = 0; r < kSpectra; ++r) sum[r] += a.v[r] * g;
      }
    }
  }
#pragma unroll
  for (int r = 0; r < kSpectra; ++r)
    if (b < c && row + r < k) partial[(part * k + row + r) * c + b] = sum[r];
}

// dendmembers += the parts, in their order
__global__ void endmembers_sum_kernel(const float* partial, float* dendmembers, int64_t count, int64_t parts) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += step) {
    double sum = 0;
    for (int64_t part = 0; part < parts; ++part) sum += partial[part * count + i];
    dendmembers[i] += static_cast<float>(sum);
  }
}

// The same for every device, so that sums do not depend on it.
int64_t parts_of(const Tensor& dy) {
  const int64_t parts = divide_up(dy.pixels(), kPixelsPerPart);
  return parts < kMostParts ? parts : kMostParts;
}

void check_endmembers(const char* what, int64_t k) {
  BANDLIFT_CHECK(k <= kMostEndmembers, shape,
                 std::string(what) + ": found " + std::to_string(k) + " endmembers, expected at most " +
                     std::to_string(kMostEndmembers));
}

}  // namespace

void CudaBackend::softmax_mixing_forward(Tensor logits, Tensor endmembers, Tensor abundances, Tensor y) {
  check_endmembers("softmax_mixing_forward", logits.c);
  by_type(y.dtype, "softmax_mixing_forward", [&](auto type) {
    using T = typename decltype(type)::type;
    const auto k = static_cast<int>(logits.c);
    launch(context_, "softmax_mixing_forward", mixing_kernel<T>, dim3(blocks_for(context_, y.pixels(), kTile)),
           dim3(kMixThreads), static_cast<size_t>(k) * kTile * sizeof(float), view<T>(logits), endmembers.f32(),
           view<T>(abundances), view<T>(y), y.pixels(), k, y.c);
  });
}

size_t CudaBackend::softmax_mixing_backward_workspace(Tensor dy, Tensor abundances) const {
  return static_cast<size_t>(parts_of(dy) * abundances.c * dy.c) * sizeof(float);
}

void CudaBackend::softmax_mixing_backward(Tensor dy, Tensor abundances, Tensor endmembers, Tensor dlogits,
                                          Tensor dendmembers, Tensor workspace) {
  check_endmembers("softmax_mixing_backward", abundances.c);
  by_type(dy.dtype, "softmax_mixing_backward", [&](auto type) {
    using T = typename decltype(type)::type;
    const auto k = static_cast<int>(abundances.c);
    const int64_t pixels = dy.pixels(), c = dy.c, parts = parts_of(dy);
    constexpr int kWarps = kGradientThreads / kWarp;
    launch(context_, "softmax_mixing_backward (logits)", logits_gradient_kernel<T>,
           dim3(blocks_for(context_, pixels, kWarps * kPixels, 16)), dim3(kGradientThreads),
           static_cast<size_t>(kWarps * kPixels * k) * sizeof(float), view<T>(dy), view<T>(abundances),
           endmembers.f32(), view<T>(dlogits), pixels, k, static_cast<int>(c));
    const dim3 grid(static_cast<unsigned>(parts), static_cast<unsigned>(divide_up(c, kGradientThreads)),
                    static_cast<unsigned>(divide_up(k, kSpectra)));
    launch(context_, "softmax_mixing_backward (endmembers)", endmembers_partial_kernel<T>, grid, dim3(kGradientThreads),
           kStage * kSpectra * sizeof(float), view<T>(dy), view<T>(abundances), workspace.f32(), pixels, k, c);
    launch(context_, "softmax_mixing_backward (sum)", endmembers_sum_kernel, dim3(blocks_for(context_, k * c, 256)),
           dim3(256), 0, workspace.f32(), dendmembers.f32(), k * c, parts);
  });
}

}  // namespace bandlift::cuda
