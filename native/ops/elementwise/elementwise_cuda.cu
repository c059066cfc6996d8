#include <type_traits>

#include "cuda/cuda_backend.h"
#include "cuda/pixels.h"
#include "ops/elementwise/activation_cuda.h"
#include "ops/elementwise/elementwise.h"

namespace bandlift::cuda {
namespace {

// d activation / d x from the output y, times dy.
__device__ __forceinline__ float activated_gradient(Activation kind, float y, float dy) {
  switch (kind) {
    case Activation::relu:
      return y > 0 ? dy : 0;
    case Activation::sigmoid:
      return dy * y * (1 - y);
    case Activation::softplus:
      return dy * -expm1f(-y);
    case Activation::none:
      break;
  }
  return dy;
}

// y = activation(x)
template <typename T, int V>
__global__ void activation_kernel(Activation kind, View<T> x, View<T> y, int64_t pixels, int64_t c) {
  for (int64_t k = first_channel<V>(); k < y.pitch; k += channel_step<V>())
    for (int64_t p = first_pixel(); p < pixels; p += pixel_step()) {
      Lanes<V> v = {};
      if (k < c) {
        v = load<V>(x, p, k);
#pragma unroll
        for (int i = 0; i < V; ++i) v.v[i] = activated(kind, v.v[i]);
      }
      store(y, p, k, c, v);
    }
}

// dx = dy * activation'
template <typename T, int V>
__global__ void activation_gradient_kernel(Activation kind, View<T> y, View<T> dy, View<T> dx, int64_t pixels,
                                           int64_t c) {
  for (int64_t k = first_channel<V>(); k < dx.pitch; k += channel_step<V>())
    for (int64_t p = first_pixel(); p < pixels; p += pixel_step()) {
      Lanes<V> v = {};
      if (k < c) {
        const Lanes<V> value = load<V>(y, p, k), gradient = load<V>(dy, p, k);
#pragma unroll
        for (int i = 0; i < V; ++i) v.v[i] = activated_gradient(kind, value.v[i], gradient.v[i]);
      }
      store(dx, p, k, c, v);
    }
}

// y = a + b
template <typename T, int V>
__global__ void add_kernel(View<T> a, View<T> b, View<T> y, int64_t pixels, int64_t c) {
  for (int64_t k = first_channel<V>(); k < y.pitch; k += channel_step<V>())
    for (int64_t p = first_pixel(); p < pixels; p += pixel_step()) {
      Lanes<V> v = {};
      if (k < c) {
        v = load<V>(a, p, k);
        const Lanes<V> other = load<V>(b, p, k);
#pragma unroll
        for (int i = 0; i < V; ++i) v.v[i] += other.v[i];
      }
      store(y, p, k, c, v);
    }
}

// y = value, also of sums in f64
template <typename T, int V>
__global__ void fill_kernel(float value, View<T> y, int64_t pixels, int64_t c) {
  for (int64_t k = first_channel<V>(); k < y.pitch; k += channel_step<V>())
    for (int64_t p = first_pixel(); p < pixels; p += pixel_step()) {
      if constexpr (std::is_same<T, double>::value) {
        static_assert(V == 1, "sums are few: one number at a time");
        y.data[p * y.pitch + k] = k < c ? static_cast<double>(value) : 0.0;
      } else {
        Lanes<V> v;
#pragma unroll
        for (int i = 0; i < V; ++i) v.v[i] = value;
        store(y, p, k, c, v);
      }
    }
}

}  // namespace

// ---- forward ----

void CudaBackend::activation_forward(Activation kind, Tensor x, Tensor y) {
  by_type(y.dtype, "activation_forward", [&](auto type) {
    using T = typename decltype(type)::type;
    constexpr int kPack = Pack<T>::kSize;
    const bool wide = all_packed<T>(x, y);
    const Tiles t = tiles(context_, y.pitch, wide ? kPack : 1, y.pixels());
    launch(context_, "activation_forward", wide ? activation_kernel<T, kPack> : activation_kernel<T, 1>, t.grid,
           t.block, 0, kind, view<T>(x), view<T>(y), y.pixels(), y.c);
  });
}

void CudaBackend::add(Tensor a, Tensor b, Tensor y) {
  by_type(y.dtype, "add", [&](auto type) {
    using T = typename decltype(type)::type;
    constexpr int kPack = Pack<T>::kSize;
    const bool wide = all_packed<T>(a, b, y);
    const Tiles t = tiles(context_, y.pitch, wide ? kPack : 1, y.pixels());
    launch(context_, "add", wide ? add_kernel<T, kPack> : add_kernel<T, 1>, t.grid, t.block, 0, view<T>(a), view<T>(b),
           view<T>(y), y.pixels(), y.c);
  });
}

void CudaBackend::fill(float value, Tensor y) {
  if (y.dtype == DType::f64) {
    const Tiles t = tiles(context_, y.pitch, 1, y.pixels());
    return launch(context_, "fill", fill_kernel<double, 1>, t.grid, t.block, 0, value, view<double>(y), y.pixels(),
                  y.c);
  }
  by_type(y.dtype, "fill", [&](auto type) {
    using T = typename decltype(type)::type;
    constexpr int kPack = Pack<T>::kSize;
    const bool wide = packed<T>(y);
    const Tiles t = tiles(context_, y.pitch, wide ? kPack : 1, y.pixels());
    launch(context_, "fill", wide ? fill_kernel<T, kPack> : fill_kernel<T, 1>, t.grid, t.block, 0, value, view<T>(y),
           y.pixels(), y.c);
  });
}

// ---- backward ----

void CudaBackend::activation_backward(Activation kind, Tensor y, Tensor dy, Tensor dx) {
  by_type(dx.dtype, "activation_backward", [&](auto type) {
    using T = typename decltype(type)::type;
    constexpr int kPack = Pack<T>::kSize;
    const bool wide = all_packed<T>(y, dy, dx);
    const Tiles t = tiles(context_, dx.pitch, wide ? kPack : 1, dx.pixels());
    launch(context_, "activation_backward",
           wide ? activation_gradient_kernel<T, kPack> : activation_gradient_kernel<T, 1>, t.grid, t.block, 0, kind,
           view<T>(y), view<T>(dy), view<T>(dx), dx.pixels(), dx.c);
  });
}

}  // namespace bandlift::cuda
