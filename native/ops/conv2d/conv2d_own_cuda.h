// Our own convolution kernels as matrix products without a copy of the neighbourhoods: the sum runs over taps and
// channels, and every thread reads its part of a neighbouring pixel in place (a 1 x 3 kernel: rows of three neighbours
// that overlap). Included by .cu files only.
//
// forward:           result[pixel, o] = sum over (tap, i) of x[pixel + tap, i] w[o, tap, i]
// backward_data:     result[pixel, i] = sum over (tap, o) of dy[pixel + tap, o] w[o, last - tap, i]; `flipped`
// backward_weights:  result[o, (tap, i)] = sum over pixels of dy[pixel, o] x[pixel + tap, i], in slices of the pixels
#pragma once
#include "cuda/conv_provider.h"
#include "cuda/pixels.h"

namespace bandlift::cuda {

// Images of h x w pixels, one below the other; `in` channels are summed over, `out` result (backward_weights: in = ci,
// out = co).
struct ConvGeometry {
  int pixels, h, w, in, out, kh, kw;
  __host__ __device__ int taps() const { return kh * kw; }
  __host__ __device__ int depth() const { return kh * kw * in; }
};

template <typename T>
struct OwnEpilogue {
  const float* bias;
  const T *add, *mask;
  bool relu;
};

// V results of pixel p from channel k on: relu(sum + bias + add), zero where the mask is closed, stored. NaN stays NaN
// through ReLU, as in PyTorch.
template <typename T, int V>
__device__ __forceinline__ void finish(T* y, const OwnEpilogue<T>& e, int p, int k, int out, const float* sums) {
  const int64_t at = static_cast<int64_t>(p) * out + k;
  float v[V];
#pragma unroll
  for (int i = 0; i < V; ++i) v[i] = sums[i] + (e.bias != nullptr ? e.bias[k + i] : 0.0f);
  if (e.add != nullptr) {
    const auto add = *reinterpret_cast<const Run<T, V>*>(e.add + at);
#pragma unroll
    for (int i = 0; i < V; ++i) v[i] += to_float(add.v[i]);
  }
#pragma unroll
  for (int i = 0; i < V; ++i) v[i] = e.relu && v[i] < 0.0f ? 0.0f : v[i];
  if (e.mask != nullptr) {
    const auto mask = *reinterpret_cast<const Run<T, V>*>(e.mask + at);
#pragma unroll
    for (int i = 0; i < V; ++i) v[i] = to_float(mask.v[i]) > 0.0f ? v[i] : 0.0f;
  }
  Run<T, V> result;
#pragma unroll
  for (int i = 0; i < V; ++i) result.v[i] = from_float<T>(v[i]);
  *reinterpret_cast<Run<T, V>*>(y + at) = result;
}

// A place in the sum over taps and channels: channel c of tap (ky, kx). Past the last tap ky is kh.
struct SumPlace {
  int c, ky, kx;
  __device__ __forceinline__ SumPlace(const ConvGeometry& g, int k)
      : c(k % g.in), ky(k / g.in / g.kw), kx(k / g.in % g.kw) {}
  __device__ __forceinline__ void advance(const ConvGeometry& g, int step) {
    for (c += step; c >= g.in; c -= g.in)
      if (++kx == g.kw) kx = 0, ++ky;
  }
};

// Of all images together; beyond the last one y is so small that every neighbour lies outside.
struct PixelPlace {
  int index, y, x;
  __device__ __forceinline__ PixelPlace(const ConvGeometry& g, int p)
      : index(p), y(p < g.pixels ? p / g.w % g.h : kOutside), x(p % g.w) {}
  static constexpr int kOutside = -(1 << 30);
};

// The channels from `s.c` on of pixel p's neighbour at tap s: as many as a Word holds; 0 outside of the image.
template <typename Word, typename T>
__device__ __forceinline__ Word neighbour(const T* x, const ConvGeometry& g, const PixelPlace& p, const SumPlace& s) {
  const int down = s.ky - g.kh / 2, right = s.kx - g.kw / 2;
  const bool inside = static_cast<unsigned>(p.y + down) < static_cast<unsigned>(g.h) &&
                      static_cast<unsigned>(p.x + right) < static_cast<unsigned>(g.w) && s.ky < g.kh;
  Word word{};
  if (inside)
    word = *reinterpret_cast<const Word*>(x + static_cast<int64_t>(p.index + down * g.w + right) * g.in + s.c);
  return word;
}

// Where flipped: w[o, last - tap, i] from input channel i on, o and tap those of s.
template <typename T>
__device__ __forceinline__ const T* flipped_weights(const T* w, const ConvGeometry& g, const SumPlace& s, int i) {
  const int64_t tap = g.taps() - 1 - (s.ky * g.kw + s.kx);
  return w + (static_cast<int64_t>(s.c) * g.taps() + tap) * g.out + i;
}

// Pixels of a slice of backward_weights, a multiple of what any kernel takes at once.
inline constexpr int kSliceUnit = 32;

// First pixel of a slice.
__device__ __forceinline__ int slice_begin(int pixels, int slice, int slices) {
  const int64_t units = (pixels + kSliceUnit - 1) / kSliceUnit, begin = units * slice / slices * kSliceUnit;
  return begin < pixels ? static_cast<int>(begin) : pixels;
}

// A pixel that moves on by `step` in every turn.
struct MovingPixel {
  PixelPlace place;
  int rows, columns;  // step as rows and the rest of a row
  __device__ __forceinline__ MovingPixel(const ConvGeometry& g, int first, int step)
      : place(g, first), rows(step / g.w % g.h), columns(step % g.w) {}
  __device__ __forceinline__ void advance(const ConvGeometry& g, int step) {
    place.index += step;
    place.x += columns;
    const int carry = place.x >= g.w ? 1 : 0;
    place.x -= carry * g.w;
    place.y += rows + carry;
    if (place.y >= g.h) place.y -= g.h;
  }
};

// ---- host ----

inline ConvGeometry geometry_of(const ConvProblem& p) {
  const bool back = p.pass == ConvPass::backward_data;
  const auto number = [](int64_t v) { return static_cast<int>(v); };
  return {number(p.n * p.h * p.w),    number(p.h), number(p.w), number(back ? p.co : p.ci),
          number(back ? p.ci : p.co), p.kh,        p.kw};
}

// Slices of the pixels in backward_weights: enough blocks for any device, each with some work. A function of the
// problem alone, so that results do not depend on the device.
int weight_slices(const ConvProblem& p);

// Tensor cores: f16 and bf16, channels in packs of 8, all addresses on 16 bytes.
void tensor_convolution(const Context& context, const ConvProblem& p, const ConvBuffers& b, const ConvEpilogue& e);
void tensor_weights(const Context& context, const ConvProblem& p, const ConvBuffers& b, float* partial, int slices);
// Any type, any address.
void float_convolution(const Context& context, const ConvProblem& p, const ConvBuffers& b, const ConvEpilogue& e);
void float_weights(const Context& context, const ConvProblem& p, const ConvBuffers& b, float* partial, int slices);

}  // namespace bandlift::cuda
