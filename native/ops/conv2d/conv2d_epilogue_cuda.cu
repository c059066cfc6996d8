#include "cuda/pixels.h"
#include "ops/conv2d/conv2d_epilogue_cuda.h"
#include "ops/elementwise/activation_cuda.h"

namespace bandlift::cuda {
namespace {

// Where a pixel of the result was before the shuffle: pixel and run of raw. 32 bits: the divisions are many.
struct RawPlace {
  unsigned pixel, run;
  __device__ __forceinline__ RawPlace(unsigned p, unsigned width, unsigned r) : pixel(p), run(0) {
    if (r == 1) return;
    const unsigned row = p / width, x = p - row * width, down = row / r, right = x / r;
    pixel = down * (width / r) + right;
    run = (row - down * r) * r + (x - right * r);
  }
};

// Bound by memory: what is read of a pixel is asked for before any of it is waited for, and without a shuffle a
// thread's biases stay in registers.
template <typename T, int V>
__global__ void epilogue_kernel(const T* raw, const float* bias, View<T> add, View<T> mask, Activation activation,
                                unsigned r, View<T> y, int64_t pixels, unsigned width, int64_t c) {
  for (int64_t k = first_channel<V>(); k < y.pitch; k += channel_step<V>()) {
    Lanes<V> offset = load_vector<V>(bias, k, y.pitch);
    for (int64_t p = first_pixel(); p < pixels; p += pixel_step()) {
      const RawPlace place(static_cast<unsigned>(p), width, r);
      Lanes<V> sum = load<V>(View<const T>{raw, y.pitch}, int64_t{place.pixel} * r * r + place.run, k);
      Lanes<V> more{}, open{};
      if (k < c) {  // their pitch may be smaller than the result's
        if (add.data != nullptr) more = load<V>(add, p, k);
        if (mask.data != nullptr) open = load<V>(mask, p, k);
      }
      if (r > 1) offset = load_vector<V>(bias, int64_t{place.run} * y.pitch + k, int64_t{r} * r * y.pitch);
#pragma unroll
      for (int i = 0; i < V; ++i) sum.v[i] = sum.v[i] + offset.v[i] + more.v[i];
      if (activation != Activation::none) {
#pragma unroll
        for (int i = 0; i < V; ++i) sum.v[i] = activated(activation, sum.v[i]);
      }
      if (mask.data != nullptr) {
#pragma unroll
        for (int i = 0; i < V; ++i) sum.v[i] = open.v[i] > 0.0f ? sum.v[i] : 0.0f;
      }
      store(y, p, k, c, sum);
    }
  }
}

template <typename T, int V>
__global__ void unshuffle_kernel(View<T> dy, unsigned r, T* raw, int64_t pixels, unsigned width) {
  for (int64_t k = first_channel<V>(); k < dy.pitch; k += channel_step<V>())
    for (int64_t p = first_pixel(); p < pixels; p += pixel_step()) {
      const RawPlace place(static_cast<unsigned>(p), width, r);
      *reinterpret_cast<Run<T, V>*>(raw + (int64_t{place.pixel} * r * r + place.run) * dy.pitch + k) =
          *reinterpret_cast<const Run<T, V>*>(dy.data + p * dy.pitch + k);
    }
}

// body with the numbers that are moved at once: whole packs or one.
template <typename T, typename Body>
void by_width(bool packs, const Body& body) {
  if (packs)
    body(std::integral_constant<int, Pack<T>::kSize>{});
  else
    body(std::integral_constant<int, 1>{});
}

}  // namespace

void apply_epilogue(const Context& context, const void* raw, const float* bias, Tensor add, Tensor mask,
                    Activation activation, int shuffle, Tensor y) {
  BANDLIFT_CHECK(y.pixels() <= UINT32_MAX, shape,
                 "conv2d: " + std::to_string(y.pixels()) + " pixels at once, expected at most 4294967295");
  by_type(y.dtype, "conv2d", [&](auto tag) {
    using T = typename decltype(tag)::type;
    by_width<T>(all_packed<T>(add, mask, y) && aligned16(raw), [&](auto at_once) {
      constexpr int V = decltype(at_once)::value;
      const Tiles t = tiles(context, y.pitch, V, y.pixels());
      launch(context, "conv2d (epilogue)", epilogue_kernel<T, V>, t.grid, t.block, 0, static_cast<const T*>(raw), bias,
             view<T>(add), view<T>(mask), activation, shuffle, view<T>(y), y.pixels(), y.w, y.c);
    });
  });
}

void unshuffle(const Context& context, Tensor dy, int shuffle, void* raw) {
  by_type(dy.dtype, "conv2d", [&](auto tag) {
    using T = typename decltype(tag)::type;
    by_width<T>(all_packed<T>(dy) && aligned16(raw), [&](auto at_once) {
      constexpr int V = decltype(at_once)::value;
      const Tiles t = tiles(context, dy.pitch, V, dy.pixels());
      launch(context, "conv2d (unshuffle)", unshuffle_kernel<T, V>, t.grid, t.block, 0, view<T>(dy), shuffle,
             static_cast<T*>(raw), dy.pixels(), dy.w);
    });
  });
}

}  // namespace bandlift::cuda
