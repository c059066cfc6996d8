#include "cuda/cuda_backend.h"
#include "cuda/pixels.h"
#include "ops/quadratic_features/quadratic_features.h"

namespace bandlift::cuda {
namespace {

// Where the product x_i x_j, i <= j, stands among c + c (c + 1) / 2 features: after c values and i rows of the
// triangle.
__device__ __forceinline__ int64_t place_of(int64_t i, int64_t j, int64_t c) {
  return c + i * (2 * c - i + 1) / 2 + (j - i);
}

// y[p, f] = x_f for f < c, then x_i x_j. A thread keeps one feature and walks pixels; 7 bands make 35.
template <typename T>
__global__ void features_kernel(View<T> x, View<T> y, int64_t pixels, int64_t c, int64_t features) {
  for (int64_t f = first_channel<1>(); f < y.pitch; f += channel_step<1>()) {
    int64_t i = 0;
    while (f >= c && i + 1 < c && f >= place_of(i + 1, i + 1, c)) ++i;
    const int64_t j = f < c ? f : f - place_of(i, i, c) + i;
    for (int64_t p = first_pixel(); p < pixels; p += pixel_step())
      y.put(p, f, f >= features ? 0.0f : f < c ? x.get(p, f) : x.get(p, i) * x.get(p, j));
  }
}

// dx_i = dy_i + sum_j dy_ij x_j, twice for i = j. A thread computes one band of a pixel.
template <typename T>
__global__ void features_gradient_kernel(View<T> dy, View<T> x, View<T> dx, int64_t pixels, int64_t c) {
  for (int64_t i = first_channel<1>(); i < dx.pitch; i += channel_step<1>())
    for (int64_t p = first_pixel(); p < pixels; p += pixel_step()) {
      float sum = 0;
      if (i < c) {
        sum = dy.get(p, i);
        for (int64_t j = 0; j < c; ++j)
          sum += (i == j ? 2.0f : 1.0f) * dy.get(p, i < j ? place_of(i, j, c) : place_of(j, i, c)) * x.get(p, j);
      }
      dx.put(p, i, sum);
    }
}

}  // namespace

void CudaBackend::quadratic_features_forward(Tensor x, Tensor y) {
  by_type(x.dtype, "quadratic_features_forward", [&](auto type) {
    using T = typename decltype(type)::type;
    const Tiles t = tiles(context_, y.pitch, 1, y.pixels());
    launch(context_, "quadratic_features_forward", features_kernel<T>, t.grid, t.block, 0, view<T>(x), view<T>(y),
           y.pixels(), x.c, y.c);
  });
}

void CudaBackend::quadratic_features_backward(Tensor dy, Tensor x, Tensor dx) {
  by_type(x.dtype, "quadratic_features_backward", [&](auto type) {
    using T = typename decltype(type)::type;
    const Tiles t = tiles(context_, dx.pitch, 1, dx.pixels());
    launch(context_, "quadratic_features_backward", features_gradient_kernel<T>, t.grid, t.block, 0, view<T>(dy),
           view<T>(x), view<T>(dx), dx.pixels(), dx.c);
  });
}

}  // namespace bandlift::cuda
