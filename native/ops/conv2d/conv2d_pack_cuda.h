// Weights and their gradients between PyTorch's order and that of the convolution providers. Included by .cu files
// only.
#pragma once
#include "cuda/kernel.h"

namespace bandlift::cuda {

// The channels of the output side of a convolution. Outside: PyTorch's o = c r^2 + q, q = u r + v (r = 1: o = c).
// Inside, and in memory: position q pitch + c, so that each of the r^2 runs is a whole pixel of the shuffled image, its
// padding included.
struct OutputChannels {
  int channels, pitch, runs;  // of a pixel of y; runs = r^2
  __host__ __device__ int positions() const { return pitch * runs; }
  __host__ __device__ int all() const { return channels * runs; }
};

// Packed weights [positions][taps][in_pitch], 0 where either channel is padding.
struct WeightShape {
  OutputChannels out;
  int in, in_pitch, taps;
  int64_t packed() const { return static_cast<int64_t>(out.positions()) * taps * in_pitch; }
};

// packed = w; packed_bias [positions] f32 = b (both optional). `type` is that of packed.
void pack_weights(const Context& context, const WeightShape& s, const float* w, const float* b, DType type,
                  void* packed, float* packed_bias);

// dw += packed (of `type`); db += sums of dy: column_sums [parts][positions] f32, where db is given.
void add_gradients(const Context& context, const WeightShape& s, DType type, const void* packed, float* dw,
                   const float* column_sums, int parts, float* db);

// Sums over pixels of dy [pixels][positions], in parts: for add_gradients.
int column_sum_parts(int64_t pixels);
void sum_columns(const Context& context, DType type, const void* dy, int64_t pixels, int positions, float* sums);

}  // namespace bandlift::cuda
