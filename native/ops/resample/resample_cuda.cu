#include "cuda/cuda_backend.h"
#include "cuda/pixels.h"
#include "ops/resample/resample.h"

namespace bandlift::cuda {
namespace {

// With few taps along the height (bicubic has 4) one pass gathers all taps of an output pixel: neighbours find them in
// the caches. With many (the sensor's point spread, transposed tables) the columns are resampled into f32 scratch
// first, then the rows.
constexpr int64_t kFewTaps = 5;

bool one_pass(const Tensor& rows) {
  return rows.c - 1 <= kFewTaps;
}

struct Table {
  const float* data;
  int64_t pitch, taps, inputs;
};

Table table_of(const Tensor& t, int64_t inputs) {
  return {t.f32(), t.pitch, t.c - 1, inputs};
}

// First input of output k; -1 where the window does not lie inside, which is reported. The table lies on the device, so
// no host could look before.
__device__ __forceinline__ int64_t window(const Table& table, int64_t k, const Faults& faults) {
  const float start = table.data[k * table.pitch];
  // compared as whole numbers: float has none between 2^24 and 2^24 + 2
  if (start >= 0 && start < 9e18f && start == floorf(start))
    if (const auto first = static_cast<int64_t>(start); first <= table.inputs - table.taps) return first;
  report(faults, kStatusTableOutside);
  return -1;
}

__device__ __forceinline__ const float* weights(const Table& table, int64_t k) {
  return table.data + k * table.pitch + 1;
}

// A weight of 0 leaves out what lies below it, NaN or not.
template <int V>
__device__ __forceinline__ void add_scaled(Lanes<V>& sum, float weight, const Lanes<V>& x) {
  if (weight == 0) return;
#pragma unroll
  for (int i = 0; i < V; ++i) sum.v[i] += weight * x.v[i];
}

struct Sizes {
  int64_t h, w, out_h, out_w, c;
};

// y = residual + sum over i, j of rows[Y][i] columns[X][j] x[start_Y + i, start_X + j]
template <typename T, int V>
__global__ void both_kernel(View<T> x, Table rows, Table columns, View<T> residual, View<T> y, Sizes s, int64_t pixels,
                            Faults faults) {
  for (int64_t p = first_pixel(); p < pixels; p += pixel_step()) {
    const int64_t column = p % s.out_w, row = p / s.out_w % s.out_h, sample = p / (s.out_w * s.out_h);
    const int64_t top = window(rows, row, faults), left = window(columns, column, faults);
    if (top < 0 || left < 0) continue;
    const float *wr = weights(rows, row), *wc = weights(columns, column);
    for (int64_t k = first_channel<V>(); k < y.pitch; k += channel_step<V>()) {
      Lanes<V> sum = {};
      if (k < s.c) {
        if (residual.data != nullptr) sum = load<V>(residual, p, k);
        for (int64_t i = 0; i < rows.taps; ++i) {
          if (wr[i] == 0) continue;
          const int64_t from = (sample * s.h + top + i) * s.w + left;
          Lanes<V> line = {};
          for (int64_t j = 0; j < columns.taps; ++j)
            if (wc[j] != 0) add_scaled(line, wc[j], load<V>(x, from + j, k));
          add_scaled(sum, wr[i], line);
        }
      }
      store(y, p, k, s.c, sum);
    }
  }
}

// line[n, y, X] = sum over j of columns[X][j] x[n, y, start_X + j]
template <typename T, int V>
__global__ void columns_kernel(View<T> x, Table columns, View<float> line, Sizes s, int64_t pixels, Faults faults) {
  for (int64_t p = first_pixel(); p < pixels; p += pixel_step()) {
    const int64_t column = p % s.out_w, left = window(columns, column, faults);
    if (left < 0) continue;
    const float* wc = weights(columns, column);
    const int64_t from = p / s.out_w * s.w + left;
    for (int64_t k = first_channel<V>(); k < line.pitch; k += channel_step<V>()) {
      Lanes<V> sum = {};
      for (int64_t j = 0; j < columns.taps; ++j)
        if (k < s.c && wc[j] != 0) add_scaled(sum, wc[j], load<V>(x, from + j, k));
      store(line, p, k, s.c, sum);
    }
  }
}

// y[n, Y, X] = residual + sum over i of rows[Y][i] line[n, start_Y + i, X]
template <typename T, int V>
__global__ void rows_kernel(View<float> line, Table rows, View<T> residual, View<T> y, Sizes s, int64_t pixels,
                            Faults faults) {
  for (int64_t p = first_pixel(); p < pixels; p += pixel_step()) {
    const int64_t column = p % s.out_w, row = p / s.out_w % s.out_h, sample = p / (s.out_w * s.out_h);
    const int64_t top = window(rows, row, faults);
    if (top < 0) continue;
    const float* wr = weights(rows, row);
    for (int64_t k = first_channel<V>(); k < y.pitch; k += channel_step<V>()) {
      Lanes<V> sum = {};
      if (k < s.c) {
        if (residual.data != nullptr) sum = load<V>(residual, p, k);
        for (int64_t i = 0; i < rows.taps; ++i) {
          // a row of x that only zero weights see was resampled all the same: it may hold anything
          if (wr[i] != 0) add_scaled(sum, wr[i], load<V>(line, (sample * s.h + top + i) * s.out_w + column, k));
        }
      }
      store(y, p, k, s.c, sum);
    }
  }
}

}  // namespace

// The scratch image has y's columns, x's rows and y's pitch.
size_t CudaBackend::resample_workspace(Tensor x, Tensor rows, Tensor y) const {
  return one_pass(rows) ? 0 : static_cast<size_t>(x.n * x.h * y.w * y.pitch) * sizeof(float);
}

void CudaBackend::resample(Tensor x, Tensor rows, Tensor columns, Tensor residual, Tensor y, Tensor workspace) {
  const Table row_table = table_of(rows, x.h), column_table = table_of(columns, x.w);
  const Sizes s = {x.h, x.w, y.h, y.w, x.c};
  by_type(x.dtype, "resample", [&](auto type) {
    using T = typename decltype(type)::type;
    constexpr int kWide = Pack<T>::kSize;
    // the scratch image is f32: as many numbers at once are twice the bytes where x is of 16 bits
    const bool wide =
        all_packed<T>(x, residual, y) && reinterpret_cast<uintptr_t>(workspace.data) % (kWide * sizeof(float)) == 0;
    const int v = wide ? kWide : 1;
    const Tiles out = tiles(context_, y.pitch, v, y.pixels());
    if (one_pass(rows)) {
      launch(context_, "resample", wide ? both_kernel<T, kWide> : both_kernel<T, 1>, out.grid, out.block, 0, view<T>(x),
             row_table, column_table, view<T>(residual), view<T>(y), s, y.pixels(), faults());
      return;
    }
    const int64_t pixels = x.n * x.h * y.w;
    const View<float> line = {workspace.f32(), y.pitch};
    const Tiles between = tiles(context_, y.pitch, v, pixels);
    launch(context_, "resample, columns", wide ? columns_kernel<T, kWide> : columns_kernel<T, 1>, between.grid,
           between.block, 0, view<T>(x), column_table, line, s, pixels, faults());
    launch(context_, "resample, rows", wide ? rows_kernel<T, kWide> : rows_kernel<T, 1>, out.grid, out.block, 0, line,
           row_table, view<T>(residual), view<T>(y), s, y.pixels(), faults());
  });
}

}  // namespace bandlift::cuda
