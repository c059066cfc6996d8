#include "cuda/pixels.h"
#include "ops/conv2d/conv2d_pack_cuda.h"

namespace bandlift::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kMostParts = 256, kPixelsPerPart = 256;

__device__ __forceinline__ int64_t first_item() {
  return static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}
__device__ __forceinline__ int64_t item_step() {
  return static_cast<int64_t>(gridDim.x) * blockDim.x;
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

// One item for each number of dw, then for each of db; what is summed lies apart, what is added to one after another.
template <typename T>
__global__ void add_gradients_kernel(WeightShape s, const T* packed, float* dw, const float* column_sums, int parts,
                                     float* db) {
  const int per_channel = s.taps * s.in;
  const int64_t weights = static_cast<int64_t>(s.out.all()) * per_channel;
  const int64_t total = weights + (db != nullptr ? s.out.all() : 0);
  for (int64_t item = first_item(); item < total; item += item_step()) {
    const bool is_bias = item >= weights;
    const int channel = static_cast<int>(is_bias ? item - weights : item / per_channel);
    const int position = channel % s.out.runs * s.out.pitch + channel / s.out.runs;
    if (is_bias) {
      double sum = 0;
      for (int part = 0; part < parts; ++part)
        sum += column_sums[static_cast<int64_t>(part) * s.out.positions() + position];
      db[channel] += static_cast<float>(sum);
      continue;
    }
    const int rest = static_cast<int>(item - static_cast<int64_t>(channel) * per_channel);
    const int i = rest / s.taps, tap = rest % s.taps;
    dw[item] += to_float(packed[(static_cast<int64_t>(position) * s.taps + tap) * s.in_pitch + i]);
  }
}

// sums[part][position]: a column of 8 threads for each V positions, one part of the pixels for each blockIdx.y.
constexpr int kColumns = 32, kRows = kThreads / kColumns;
template <typename T, int V>
__global__ void __launch_bounds__(kThreads) sum_columns_kernel(View<T> dy, int64_t pixels, float* sums) {
  __shared__ float rows[kRows][kColumns * V];
  const int64_t part = blockIdx.y, parts = gridDim.y;
  const int64_t end = pixels * (part + 1) / parts;
  const int64_t k = (static_cast<int64_t>(blockIdx.x) * kColumns + threadIdx.x) * V;
  Lanes<V> sum{};
  for (int64_t p = pixels * part / parts + threadIdx.y; p < end && k < dy.pitch; p += kRows) {
    const Lanes<V> next = load<V>(dy, p, k);
#pragma unroll
    for (int i = 0; i < V; ++i) sum.v[i] += next.v[i];
  }
#pragma unroll
  for (int i = 0; i < V; ++i) rows[threadIdx.y][threadIdx.x * V + i] = sum.v[i];
  __syncthreads();
  const auto thread = static_cast<int>(threadIdx.y * kColumns + threadIdx.x);
  const int64_t first = static_cast<int64_t>(blockIdx.x) * kColumns * V;
  for (int column = thread; column < kColumns * V && first + column < dy.pitch; column += kThreads) {
    float total = 0;
    for (int row = 0; row < kRows; ++row) total += rows[row][column];
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
    const int64_t items = static_cast<int64_t>(s.out.all()) * (s.taps * s.in + 1);
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
      launch(context, "conv2d_backward_weights (bias)", kernel,
             dim3(static_cast<unsigned>(divide_up(positions, int64_t{kColumns} * at_once)),
                  static_cast<unsigned>(column_sum_parts(pixels))),
             dim3(kColumns, kRows), 0, v, pixels, sums);
    };
    constexpr int V = Pack<T>::kSize;
    if (positions % V == 0 && reinterpret_cast<uintptr_t>(dy) % 16 == 0)
      go(sum_columns_kernel<T, V>, V);
    else
      go(sum_columns_kernel<T, 1>, 1);
  });
}

}  // namespace bandlift::cuda
