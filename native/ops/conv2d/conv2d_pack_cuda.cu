#include "cuda/pixels.h"
#include "ops/conv2d/conv2d_pack_cuda.h"

namespace bandlift::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kMostParts = 256, kPixelsPerPart = 256, kMostColumns = 64;

__device__ __forceinline__ int64_t first_item() {
  return static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}
__device__ __forceinline__ int64_t item_step() {
  return static_cast<int64_t>(gridDim.x) * blockDim.x;
}

// Where the items of the biases begin behind those of `weights` numbers: with a warp of their own.
__host__ __device__ inline int64_t first_bias(int64_t weights) {
  return (weights + kWarp - 1) / kWarp * kWarp;
}

template <typename T>
__global__ void pack_weights_kernel(WeightShape s, const float* w, const float* b, T* packed, float* packed_bias) {
  const int per_position = s.taps * s.in_pitch;
  const int64_t weights = static_cast<int64_t>(s.out.positions()) * per_position;
  const int64_t total = weights + (b != nullptr ? s.out.positions() : 0);
  for (int64_t item = first_item(); item < total; item += item_step()) {
    const bool is_bias = item >= weights;
    const int position = static_cast<int>(is_bias ? item - weights : item / per_position);
    const int c = position % s.out.pitch, channel = c * s.out.runs + position / s.out.pitch;
    const bool real = c < s.out.channels;
    if (is_bias) {
      packed_bias[position] = real ? b[channel] : 0.0f;
      continue;
    }
    const int rest = static_cast<int>(item - static_cast<int64_t>(position) * per_position);
    const int tap = rest / s.in_pitch, i = rest % s.in_pitch;
    packed[item] =
        from_float<T>(real && i < s.in ? w[(static_cast<int64_t>(channel) * s.in + i) * s.taps + tap] : 0.0f);
  }
}

// One item for each number of dw, then a warp for each of db; what is summed lies apart, what is added to one after
// another.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    add_gradients_kernel(WeightShape s, const T* packed, float* dw, const float* column_sums, int parts, float* db) {
  const int per_channel = s.taps * s.in;
  const int64_t weights = static_cast<int64_t>(s.out.all()) * per_channel;
  const int64_t biases = first_bias(weights), total = biases + (db != nullptr ? s.out.all() * kWarp : 0);
  const auto position_of = [&](int channel) { return channel % s.out.runs * s.out.pitch + channel / s.out.runs; };
  for (int64_t item = first_item(); item < total; item += item_step()) {
    if (item >= biases) {  // a whole warp: both kinds begin on one
      const int channel = static_cast<int>((item - biases) / kWarp), lane = static_cast<int>(item % kWarp);
      double sum = 0;
      for (int part = lane; part < parts; part += kWarp)
        sum += column_sums[static_cast<int64_t>(part) * s.out.positions() + position_of(channel)];
      sum = warp_sum(sum);
      if (lane == 0) db[channel] += static_cast<float>(sum);
    } else if (item < weights) {
      const int channel = static_cast<int>(item / per_channel);
      const int rest = static_cast<int>(item - static_cast<int64_t>(channel) * per_channel);
      const int i = rest / s.taps, tap = rest % s.taps;
      dw[item] += to_float(packed[(static_cast<int64_t>(position_of(channel)) * s.taps + tap) * s.in_pitch + i]);
    }
  }
}

// sums[part][position]: a block of blockDim.x times V positions and blockDim.y rows of pixels, one part of the pixels
// for each blockIdx.y.
template <typename T, int V>
__global__ void __launch_bounds__(kThreads) sum_columns_kernel(View<T> dy, int64_t pixels, float* sums) {
  __shared__ float rows[kThreads * V];  // [blockDim.y][blockDim.x * V]
  const int64_t part = blockIdx.y, parts = gridDim.y, step = blockDim.y;
  const int64_t end = pixels * (part + 1) / parts;
  const int64_t k = (static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) * V;
  Lanes<V> sum{};
#pragma unroll 4
  for (int64_t p = k < dy.pitch ? pixels * part / parts + threadIdx.y : end; p < end; p += step) {
    const Lanes<V> next = load<V>(dy, p, k);
#pragma unroll
    for (int i = 0; i < V; ++i) sum.v[i] += next.v[i];
  }
  const auto columns = static_cast<int>(blockDim.x) * V;
#pragma unroll
  for (int i = 0; i < V; ++i)
    rows[static_cast<int>(threadIdx.y) * columns + static_cast<int>(threadIdx.x) * V + i] = sum.v[i];
  __syncthreads();
  const int threads = static_cast<int>(blockDim.x * blockDim.y), height = static_cast<int>(blockDim.y);
  const auto thread = static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x);
  const int64_t first = static_cast<int64_t>(blockIdx.x) * columns;
  for (int column = thread; column < columns && first + column < dy.pitch; column += threads) {
    float total = 0;
    for (int row = 0; row < height; ++row) total += rows[row * columns + column];
    sums[part * dy.pitch + first + column] = total;
  }
}

}  // namespace

void pack_weights(const Context& context, const WeightShape& s, const float* w, const float* b, DType type,
                  void* packed, float* packed_bias) {
  by_type(type, "conv2d", [&](auto tag) {
    using T = typename decltype(tag)::type;
    launch(context, "conv2d (pack weights)", pack_weights_kernel<T>,
           dim3(blocks_for(context, s.packed() + s.out.positions(), kThreads)), dim3(kThreads), 0, s, w, b,
           static_cast<T*>(packed), packed_bias);
  });
}

void add_gradients(const Context& context, const WeightShape& s, DType type, const void* packed, float* dw,
                   const float* column_sums, int parts, float* db) {
  by_type(type, "conv2d", [&](auto tag) {
    using T = typename decltype(tag)::type;
    const int64_t items = first_bias(static_cast<int64_t>(s.out.all()) * s.taps * s.in) + s.out.all() * kWarp;
    launch(context, "conv2d_backward_weights (add)", add_gradients_kernel<T>,
           dim3(blocks_for(context, items, kThreads)), dim3(kThreads), 0, s, static_cast<const T*>(packed), dw,
           column_sums, parts, db);
  });
}

int column_sum_parts(int64_t pixels) {
  const int64_t parts = divide_up(pixels, kPixelsPerPart);
  return static_cast<int>(parts < kMostParts ? parts : kMostParts);
}

void sum_columns(const Context& context, DType type, const void* dy, int64_t pixels, int positions, float* sums) {
  by_type(type, "conv2d", [&](auto tag) {
    using T = typename decltype(tag)::type;
    const View<T> v{static_cast<T*>(const_cast<void*>(dy)), positions};
    const auto go = [&](auto kernel, int at_once) {
      // columns of threads shared out evenly: 344 halves are 43 columns in one block, not 32 and 11 in two
      const int64_t runs = divide_up(positions, at_once), blocks = divide_up(runs, kMostColumns);
      const int64_t columns = divide_up(runs, blocks);
      launch(context, "conv2d_backward_weights (bias)", kernel,
             dim3(static_cast<unsigned>(blocks), static_cast<unsigned>(column_sum_parts(pixels))),
             dim3(static_cast<unsigned>(columns), static_cast<unsigned>(kThreads / columns)), 0, v, pixels, sums);
    };
    constexpr int V = Pack<T>::kSize;
    if (positions % V == 0 && reinterpret_cast<uintptr_t>(dy) % 16 == 0)
      go(sum_columns_kernel<T, V>, V);
    else
      go(sum_columns_kernel<T, 1>, 1);
  });
}

}  // namespace bandlift::cuda
