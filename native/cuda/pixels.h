// The frame of every memory-bound kernel: a grid of threads over the channels (x, y of the grid) and pixels (x) of
// images, V neighbouring channels for each thread, so that nothing is divided and neighbouring threads read
// neighbouring bytes. V is a Pack's size where all operands allow it, else 1. Included by .cu files only.
//
//   for (int64_t k = first_channel<V>(); k < y.pitch; k += channel_step<V>())
//     for (int64_t p = first_pixel(); p < pixels; p += pixel_step()) store(y, p, k, c, ...);
#pragma once
#include "cuda/kernel.h"

namespace bandlift::cuda {

// ---- device: where a thread stands ----
template <int V>
__device__ __forceinline__ int64_t first_channel() {
  return (static_cast<int64_t>(blockIdx.y) * blockDim.x + threadIdx.x) * V;
}
template <int V>
__device__ __forceinline__ int64_t channel_step() {
  return static_cast<int64_t>(gridDim.y) * blockDim.x * V;
}
__device__ __forceinline__ int64_t first_pixel() {
  return static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
}
__device__ __forceinline__ int64_t pixel_step() {
  return static_cast<int64_t>(gridDim.x) * blockDim.y;
}

// ---- device: V channels at a time ----
template <int V>
struct Lanes {
  float v[V];
};

// V numbers that one instruction moves.
template <typename T, int V>
struct alignas(V * sizeof(T)) Run {
  T v[V];
};

// Channels k .. k + V of pixel p; where V > 1 they lie within the pitch.
template <int V, typename T>
__device__ __forceinline__ Lanes<V> load(View<T> x, int64_t p, int64_t k) {
  const Run<T, V> run = *reinterpret_cast<const Run<T, V>*>(x.data + p * x.pitch + k);
  Lanes<V> lanes;
#pragma unroll
  for (int i = 0; i < V; ++i) lanes.v[i] = to_float(run.v[i]);
  return lanes;
}

// The same of a vector of c numbers whose address and length are any: 0 beyond its end, all 0 where it is absent.
template <int V>
__device__ __forceinline__ Lanes<V> load_vector(const float* x, int64_t k, int64_t c) {
  Lanes<V> lanes;
#pragma unroll
  for (int i = 0; i < V; ++i) lanes.v[i] = x != nullptr && k + i < c ? x[k + i] : 0.0f;
  return lanes;
}

// Writes channels k .. k + V of pixel p; those from c on are padding and become 0.
template <int V, typename T>
__device__ __forceinline__ void store(View<T> y, int64_t p, int64_t k, int64_t c, const Lanes<V>& lanes) {
  Run<T, V> run;
#pragma unroll
  for (int i = 0; i < V; ++i) run.v[i] = from_float<T>(k + i < c ? lanes.v[i] : 0.0f);
  *reinterpret_cast<Run<T, V>*>(y.data + p * y.pitch + k) = run;
}

// ---- host ----

// Whether V channels at a time can be moved.
template <typename T>
bool movable(const Tensor& t, int v) {
  return !t || (t.pitch % v == 0 && reinterpret_cast<uintptr_t>(t.data) % (v * sizeof(T)) == 0);
}
// Whether all of them are moved by whole packs.
template <typename T, typename... Tensors>
bool all_packed(const Tensors&... tensors) {
  return (packed<T>(tensors) && ...);
}

struct Tiles {
  dim3 grid, block;
};

// About 256 threads over `channels` (padding included, v for each thread) and pixels; grid.z over samples, for kernels
// whose loop over pixels is within a sample.
inline Tiles tiles(const Context& context, int64_t channels, int v, int64_t pixels, int64_t samples = 1) {
  constexpr int64_t kThreads = 256, kBlocksPerMultiprocessor = 8, kGridLimit = 65535;
  const auto at_most = [](int64_t a, int64_t b) { return a < b ? a : b; };
  const auto at_least_one = [](int64_t a) { return a < 1 ? 1 : a; };
  const int64_t most = at_most(context.multiprocessors * kBlocksPerMultiprocessor, kGridLimit);
  const int64_t runs = divide_up(channels, v), columns = divide_up(runs, kThreads);
  const int64_t x = divide_up(runs, columns), y = at_least_one(at_most(kThreads / x, pixels));
  const int64_t grid_z = at_most(samples, kGridLimit), grid_y = at_most(columns, most);
  const int64_t grid_x = at_least_one(at_most(divide_up(pixels, y), most / (grid_y * grid_z)));
  const auto u = [](int64_t a) { return static_cast<unsigned>(a); };
  return {dim3(u(grid_x), u(grid_y), u(grid_z)), dim3(u(x), u(y), 1)};
}

}  // namespace bandlift::cuda
