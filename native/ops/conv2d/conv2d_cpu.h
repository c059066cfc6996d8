// What the CPU kernels of conv2d share. Forward and backward_data are one problem, `Convolution`, with different views
// of the weights and different epilogues; backward_weights is `WeightGradient`.
#pragma once
#include <cstddef>

#include "backend.h"
#include "cpu/gemm.h"
#include "cpu/thread_pool.h"

namespace bandlift::BANDLIFT_ISA {

// What happens to a sum before it is stored: act(sum + bias + add), then zero where mask <= 0. Pointers may be null.
struct Epilogue {
  const float* bias = nullptr;
  const float* add = nullptr;
  const float* mask = nullptr;
  int64_t add_pitch = 0, mask_pitch = 0;
  Activation activation = Activation::none;
};

// Weights as a convolution sees them: value(o, i, ky, kx) = data[o * out_step + i * in_step + tap], tap = ky * kw + kx,
// counted from the end when flipped (backward_data).
struct Weights {
  const float* data = nullptr;
  int64_t out_step = 0, in_step = 0;
  bool flipped = false;
};

// How the pixels of one side of a convolution lie in memory. Plain: r = 1, one run of all channels. Shuffled: pixel
// (row, x) has r^2 runs of channels; run u r + v lies at pixel (row r + u, x r + v) of an image r times as wide. Here
// the channels are counted run after run: `position`.
struct Layout {
  int64_t pitch, width;  // width: of the plain image
  int64_t run;           // channels of a run
  int64_t r;
  int64_t runs() const { return r * r; }
  // Index of the first run's pixel; row counts over all images.
  int64_t pixel(int64_t row, int64_t x) const { return (row * r * width + x) * r; }
  // Floats from there to run k.
  int64_t shift(int64_t k) const { return (k / r * r * width + k % r) * pitch; }
  // PyTorch's number of a channel.
  int64_t channel(int64_t position) const { return position % run * runs() + position / run; }
  bool shuffled() const { return r > 1; }
};

// Images of n x h x w pixels, ci channels in, co out.
struct ConvShape {
  int64_t n, h, w, ci, co;
  Layout x, y;
  int kh, kw;
  int64_t taps() const { return static_cast<int64_t>(kh) * kw; }
};

struct Convolution {
  ConvShape s;
  const float* x;
  float* y;
  Weights weights;
  Epilogue epilogue;
};

struct WeightGradient {
  ConvShape s;
  const float *x, *dy;
  float *dw, *db;  // db may be null
};

enum class ConvAlgorithm { direct, winograd };

// Winograd's transforms cost about 10 operations for each channel of a pixel, once for ci and once for co; measured, 3
// x 3 pays from 16 channels on both sides and 1 x 3 from 32. An image narrower than a few tiles would mostly transform
// padding.
inline ConvAlgorithm choose_algorithm(const ConvShape& s) {
  const bool kernel = s.kw == 3 && (s.kh == 1 || s.kh == 3);
  const int64_t few = s.kh == 1 ? 32 : 16;
  return kernel && s.ci >= few && s.co >= few && s.w >= 12 && s.h >= s.kh ? ConvAlgorithm::winograd
                                                                          : ConvAlgorithm::direct;
}

// Scratch memory handed out in order, 64-byte aligned pieces; with a null base it only counts.
class Arena {
 public:
  explicit Arena(void* base) : base_(static_cast<float*>(base)) {}
  float* take(int64_t floats) {
    float* piece = base_ ? base_ + used_ : nullptr;
    used_ += round_up(floats, 16);
    return piece;
  }
  size_t bytes() const { return static_cast<size_t>(used_) * sizeof(float); }

 private:
  float* base_;
  int64_t used_ = 0;
};

// Distance between matrices that are walked side by side: an odd number of cache lines. A multiple of 4096 bytes would
// put all of them into the same few lines of the L1 cache.
inline int64_t plane(int64_t floats) {
  return (round_up(floats, 16) / 16 | 1) * 16;
}

vfloat activate(Activation kind, vfloat values);  // sigmoid and softplus: rare and narrow, one number at a time

// Up to one vector of output channels, and where they lie.
struct OutputChannels {
  OutputChannels(const Convolution& c, int64_t position, int64_t limit)
      : first(position),
        count(least(kLanes, least(limit, c.s.co - position))),
        shift(position),
        whole(!c.s.y.shuffled() || position % c.s.y.run + count <= c.s.y.run) {
    if (c.s.y.shuffled()) shift = c.s.y.shift(position / c.s.y.run) + position % c.s.y.run;
    if (c.epilogue.bias) bias = load_up_to(c.epilogue.bias + position, count);
  }
  int64_t first, count;
  int64_t shift;  // floats from a pixel to `first`
  bool whole;     // neighbours in memory
  vfloat bias = {};
};

// Stores some channels of one pixel (Layout::pixel of y). In place with add: every element is read once, before it is
// written. A shuffled output has neither add nor mask.
inline void finish(const Convolution& c, int64_t pixel, const OutputChannels& channels, vfloat sum) {
  const Epilogue& e = c.epilogue;
  const vfloat zero = {};
  const int64_t channel = channels.first, count = channels.count;
  sum += channels.bias;
  if (e.add) sum += load_up_to(e.add + pixel * e.add_pitch + channel, count);
  if (e.activation == Activation::relu)
    sum = sum < zero ? zero : sum;  // NaN stays NaN, as in PyTorch
  else if (e.activation != Activation::none)
    sum = activate(e.activation, sum);
  if (e.mask) sum = load_up_to(e.mask + pixel * e.mask_pitch + channel, count) > zero ? sum : zero;
  float* y = c.y + pixel * c.s.y.pitch;
  if (channels.whole) {
    store_up_to(y + channels.shift, sum, count);
  } else {  // across runs: only where their length is no multiple of the vector
    for (int64_t i = 0; i < count; ++i) y[c.s.y.shift((channel + i) / c.s.y.run) + (channel + i) % c.s.y.run] = sum[i];
  }
}

size_t direct_workspace(const ConvShape& s, int threads);
void direct_convolution(ThreadPool& pool, const Convolution& c, void* workspace);
size_t direct_weights_workspace(const ConvShape& s, int threads);
void direct_weights(ThreadPool& pool, const WeightGradient& g, void* workspace);

size_t winograd_workspace(const ConvShape& s, int threads);
void winograd_convolution(ThreadPool& pool, const Convolution& c, void* workspace);
size_t winograd_weights_workspace(const ConvShape& s, int threads);
void winograd_weights(ThreadPool& pool, const WeightGradient& g, void* workspace);

}  // namespace bandlift::BANDLIFT_ISA
