#include "cuda/cuda_backend.h"
#include "cuda/pixels.h"
#include "ops/bounds/bounds.h"

namespace bandlift::cuda {
namespace {

constexpr float kRounding = 1.0f / (1 << 20);

// low and high from the least and greatest value around each pixel
template <typename T, int V>
__global__ void bounds_kernel(View<T> x, const float* floor, View<T> low, View<T> high, int64_t h, int64_t w,
                              int64_t radius, float margin, int64_t pixels, int64_t c) {
  for (int64_t k = first_channel<V>(); k < low.pitch; k += channel_step<V>())
    for (int64_t p = first_pixel(); p < pixels; p += pixel_step()) {
      Lanes<V> least = {}, most = {};
      if (k < c) {
        const int64_t column = p % w, row = p / w % h, image = p / (h * w) * h;
        const int64_t top = row < radius ? 0 : row - radius, bottom = row + radius < h ? row + radius : h - 1;
        const int64_t left = column < radius ? 0 : column - radius,
                      right = column + radius < w ? column + radius : w - 1;
        least = most = load<V>(x, p, k);
        for (int64_t y = top; y <= bottom; ++y)
          for (int64_t u = left; u <= right; ++u) {
            const Lanes<V> other = load<V>(x, (image + y) * w + u, k);
#pragma unroll
            for (int i = 0; i < V; ++i) {
              least.v[i] = other.v[i] < least.v[i] ? other.v[i] : least.v[i];
              most.v[i] = other.v[i] > most.v[i] ? other.v[i] : most.v[i];
            }
          }
        const Lanes<V> zero = load_vector<V>(floor, k, c);
#pragma unroll
        for (int i = 0; i < V; ++i) {
          const float spread = margin * (most.v[i] - least.v[i]);
          const float near = least.v[i] + kRounding * fabsf(zero.v[i]), floored = near < zero.v[i] ? near : zero.v[i];
          least.v[i] = least.v[i] - spread > floored ? least.v[i] - spread : floored;
          most.v[i] += spread;
        }
      }
      store(low, p, k, c, least);
      store(high, p, k, c, most);
    }
}

struct Cells {
  const float *rows, *columns;
  int64_t row_pitch, column_pitch, fine_h, fine_w, coarse_h, coarse_w;
};

Cells cells_of(const Tensor& fine, const Tensor& coarse, const Tensor& rows, const Tensor& columns) {
  return {rows.f32(), columns.f32(), rows.pitch, columns.pitch, fine.h, fine.w, coarse.h, coarse.w};
}

// The coarse pixel over fine pixel p; -1 where the tables point outside, which is reported.
__device__ __forceinline__ int64_t cell_of(const Cells& cells, int64_t p, const Faults& faults) {
  const int64_t n = p / (cells.fine_h * cells.fine_w);
  const float row = cells.rows[p / cells.fine_w % cells.fine_h * cells.row_pitch];
  const float column = cells.columns[p % cells.fine_w * cells.column_pitch];
  const bool inside = row >= 0 && row < static_cast<float>(cells.coarse_h) && row == floorf(row) && column >= 0 &&
                      column < static_cast<float>(cells.coarse_w) && column == floorf(column);
  if (inside) return (n * cells.coarse_h + static_cast<int64_t>(row)) * cells.coarse_w + static_cast<int64_t>(column);
  report(faults, kStatusTableOutside);
  return -1;
}

// y = min(max(x, low), high)
template <typename T, int V>
__global__ void clamp_kernel(View<T> x, View<T> low, View<T> high, Cells cells, View<T> y, int64_t pixels, int64_t c,
                             Faults faults) {
  for (int64_t p = first_pixel(); p < pixels; p += pixel_step()) {
    const int64_t cell = cell_of(cells, p, faults);
    if (cell < 0) continue;
    for (int64_t k = first_channel<V>(); k < y.pitch; k += channel_step<V>()) {
      Lanes<V> v = {};
      if (k < c) {
        v = load<V>(x, p, k);
        const Lanes<V> l = load<V>(low, cell, k), h = load<V>(high, cell, k);
#pragma unroll
        for (int i = 0; i < V; ++i)
          v.v[i] = v.v[i] < l.v[i] ? l.v[i] : v.v[i] > h.v[i] ? h.v[i] : v.v[i];  // lets NaN through
      }
      store(y, p, k, c, v);
    }
  }
}

// dx = dy where low < y < high
template <typename T, int V>
__global__ void clamp_gradient_kernel(View<T> y, View<T> low, View<T> high, Cells cells, View<T> dy, View<T> dx,
                                      int64_t pixels, int64_t c, Faults faults) {
  for (int64_t p = first_pixel(); p < pixels; p += pixel_step()) {
    const int64_t cell = cell_of(cells, p, faults);
    if (cell < 0) continue;
    for (int64_t k = first_channel<V>(); k < dx.pitch; k += channel_step<V>()) {
      Lanes<V> d = {};
      if (k < c) {
        d = load<V>(dy, p, k);
        const Lanes<V> v = load<V>(y, p, k), l = load<V>(low, cell, k), h = load<V>(high, cell, k);
#pragma unroll
        for (int i = 0; i < V; ++i)
          if (!(v.v[i] > l.v[i] && v.v[i] < h.v[i])) d.v[i] = 0;
      }
      store(dx, p, k, c, d);
    }
  }
}

// Channels of each pixel on a bound: one warp for each pixel.
template <typename T>
__global__ void count_kernel(View<T> y, View<T> low, View<T> high, Cells cells, View<T> counts, int64_t pixels,
                             int64_t c, Faults faults) {
  for (int64_t p = first_pixel(); p < pixels; p += pixel_step()) {
    const int64_t cell = cell_of(cells, p, faults);
    float count = 0;
    if (cell >= 0)
      for (int64_t k = threadIdx.x; k < c; k += kWarp) {
        const float v = y.get(p, k), l = low.get(cell, k), h = high.get(cell, k);
        if ((v <= l || v >= h) && l < h) count += 1;
      }
    count = warp_sum(count);
    if (threadIdx.x == 0)
      for (int64_t k = 0; k < counts.pitch; ++k) counts.put(p, k, k == 0 ? count : 0.0f);
  }
}

}  // namespace

void CudaBackend::neighbourhood_bounds(BoundsParams p, Tensor x, Tensor floor, Tensor low, Tensor high) {
  by_type(x.dtype, "neighbourhood_bounds", [&](auto type) {
    using T = typename decltype(type)::type;
    constexpr int kPack = Pack<T>::kSize;
    // both results are written to the same channels
    const bool wide = all_packed<T>(x, low, high) && low.pitch == high.pitch;
    const Tiles t = tiles(context_, low.pitch, wide ? kPack : 1, low.pixels());
    launch(context_, "neighbourhood_bounds", wide ? bounds_kernel<T, kPack> : bounds_kernel<T, 1>, t.grid, t.block, 0,
           view<T>(x), floor.f32(), view<T>(low), view<T>(high), x.h, x.w, static_cast<int64_t>(p.radius), p.margin,
           x.pixels(), x.c);
  });
}

// ---- forward ----

void CudaBackend::clamp_forward(Tensor x, Tensor low, Tensor high, Tensor rows, Tensor columns, Tensor y) {
  by_type(y.dtype, "clamp_forward", [&](auto type) {
    using T = typename decltype(type)::type;
    constexpr int kPack = Pack<T>::kSize;
    const bool wide = all_packed<T>(x, low, high, y);
    const Tiles t = tiles(context_, y.pitch, wide ? kPack : 1, y.pixels());
    launch(context_, "clamp_forward", wide ? clamp_kernel<T, kPack> : clamp_kernel<T, 1>, t.grid, t.block, 0,
           view<T>(x), view<T>(low), view<T>(high), cells_of(y, low, rows, columns), view<T>(y), y.pixels(), y.c,
           faults());
  });
}

void CudaBackend::count_clamped(Tensor y, Tensor low, Tensor high, Tensor rows, Tensor columns, Tensor counts) {
  by_type(y.dtype, "count_clamped", [&](auto type) {
    using T = typename decltype(type)::type;
    const Tiles t = tiles(context_, kWarp, 1, y.pixels());
    launch(context_, "count_clamped", count_kernel<T>, t.grid, t.block, 0, view<T>(y), view<T>(low), view<T>(high),
           cells_of(y, low, rows, columns), view<T>(counts), y.pixels(), y.c, faults());
  });
}

// ---- backward ----

void CudaBackend::clamp_backward(Tensor y, Tensor low, Tensor high, Tensor rows, Tensor columns, Tensor dy, Tensor dx) {
  by_type(dx.dtype, "clamp_backward", [&](auto type) {
    using T = typename decltype(type)::type;
    constexpr int kPack = Pack<T>::kSize;
    const bool wide = all_packed<T>(y, low, high, dy, dx);
    const Tiles t = tiles(context_, dx.pitch, wide ? kPack : 1, dx.pixels());
    launch(context_, "clamp_backward", wide ? clamp_gradient_kernel<T, kPack> : clamp_gradient_kernel<T, 1>, t.grid,
           t.block, 0, view<T>(y), view<T>(low), view<T>(high), cells_of(y, low, rows, columns), view<T>(dy),
           view<T>(dx), dx.pixels(), dx.c, faults());
  });
}

}  // namespace bandlift::cuda
