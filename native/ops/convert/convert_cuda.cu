#include "cuda/cuda_backend.h"
#include "cuda/pixels.h"
#include "ops/convert/convert.h"

namespace bandlift::cuda {
namespace {

// Four numbers at a time: 16 bytes of f32, 8 of the 16-bit types; 340 bands are a multiple of 4 but not of 8.
constexpr int kRun = 4;

// y = x, both cut into pixels of c numbers.
template <typename X, typename Y, int V>
__global__ void convert_kernel(View<X> x, View<Y> y, int64_t pixels, int64_t c) {
  for (int64_t k = first_channel<V>(); k < y.pitch; k += channel_step<V>())
    for (int64_t p = first_pixel(); p < pixels; p += pixel_step()) {
      Lanes<V> v = {};
      if (k < c) v = load<V>(x, p, k);
      store(y, p, k, c, v);
    }
}

// y = x in dense order, pixels of x_c and y_c numbers, both padded: a division finds each number's place.
template <typename X, typename Y>
__global__ void reshape_kernel(View<X> x, View<Y> y, int64_t pixels, int64_t x_c, int64_t y_c) {
  for (int64_t k = first_channel<1>(); k < y.pitch; k += channel_step<1>())
    for (int64_t p = first_pixel(); p < pixels; p += pixel_step()) {
      const int64_t i = p * y_c + k;
      y.put(p, k, k < y_c ? x.get(i / x_c, i % x_c) : 0.0f);
    }
}

// Unpadded numbers lie in one row, which may be cut into pixels of any c.
Tensor cut(Tensor t, int64_t c) {
  t.w = t.elements() / c;
  t.n = t.h = 1;
  t.c = t.pitch = c;
  return t;
}

}  // namespace

void CudaBackend::convert(Tensor x, Tensor y) {
  if (x.pitch == x.c)
    x = cut(x, y.c);
  else if (y.pitch == y.c)
    y = cut(y, x.c);
  by_type(x.dtype, "convert", [&](auto x_type) {
    by_type(y.dtype, "convert", [&](auto y_type) {
      using X = typename decltype(x_type)::type;
      using Y = typename decltype(y_type)::type;
      const bool wide = x.c == y.c && movable<X>(x, kRun) && movable<Y>(y, kRun);
      const Tiles t = tiles(context_, y.pitch, wide ? kRun : 1, y.pixels());
      if (x.c == y.c)
        launch(context_, "convert", wide ? convert_kernel<X, Y, kRun> : convert_kernel<X, Y, 1>, t.grid, t.block, 0,
               view<X>(x), view<Y>(y), y.pixels(), y.c);
      else
        launch(context_, "convert", reshape_kernel<X, Y>, t.grid, t.block, 0, view<X>(x), view<Y>(y), y.pixels(), x.c,
               y.c);
    });
  });
}

}  // namespace bandlift::cuda
