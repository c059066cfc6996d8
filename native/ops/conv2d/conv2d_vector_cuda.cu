#include "cuda/kernel.h"
#include "ops/conv2d/conv2d_vector_cuda.h"
#include "ops/elementwise/activation_cuda.h"

namespace bandlift::cuda {
namespace {

constexpr int kThreads = 256, kWarps = kThreads / kWarp;
constexpr int64_t kMostVectors = 256;  // beyond, a matrix product reads the weights less often

// Element (o, i) of the matrix is data[(o ci + i) taps + taps / 2].
struct Matrix {
  const float* data;
  int ci, co, taps;
  __device__ __forceinline__ float at(int o, int i) const {
    return data[(static_cast<int64_t>(o) * ci + i) * taps + taps / 2];
  }
};

Matrix matrix_of(const Conv2dParams& p, const Tensor& w, int64_t ci, int64_t co) {
  return {w.f32(), static_cast<int>(ci), static_cast<int>(co), p.kh * p.kw};
}

// A warp for each number of y; blockIdx.y is the vector.
__global__ void __launch_bounds__(kThreads)
    vector_forward_kernel(Matrix w, View<float> x, const float* b, View<float> residual, Activation activation,
                          View<float> y) {
  const int64_t n = blockIdx.y;
  const auto lane = static_cast<int>(threadIdx.x);
  const auto o = static_cast<int>(blockIdx.x * kWarps + threadIdx.y);
  if (o >= y.pitch) return;
  float sum = 0;
  if (o < w.co)
    for (int i = lane; i < w.ci; i += kWarp) sum += w.at(o, i) * x.get(n, i);
  sum = warp_sum(sum);
  if (lane != 0) return;
  if (o < w.co) {
    if (b != nullptr) sum += b[o];
    if (residual.data != nullptr) sum += residual.get(n, o);
    sum = activated(activation, sum);
  }
  y.put(n, o, sum);
}

// 32 columns of the matrix for each block, its rows dealt out to the warps; blockIdx.y is the vector.
__global__ void __launch_bounds__(kThreads)
    vector_data_kernel(Matrix w, View<float> dy, View<float> add, View<float> mask, View<float> dx) {
  __shared__ float sums[kWarps][kWarp];
  const int64_t n = blockIdx.y;
  const auto i = static_cast<int>(blockIdx.x * kWarp + threadIdx.x);
  float sum = 0;
  if (i < w.ci)
    for (auto o = static_cast<int>(threadIdx.y); o < w.co; o += kWarps) sum += w.at(o, i) * dy.get(n, o);
  sums[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y != 0 || i >= dx.pitch) return;
  for (int warp = 1; warp < kWarps; ++warp) sum += sums[warp][threadIdx.x];
  if (i < w.ci) {
    if (add.data != nullptr) sum += add.get(n, i);
    if (mask.data != nullptr && !(mask.get(n, i) > 0.0f)) sum = 0;
  }
  dx.put(n, i, sum);
}

// One thread for each number of dw's middle tap, then for each of db (optional).
__global__ void __launch_bounds__(kThreads)
    vector_weights_kernel(Matrix w, View<float> x, View<float> dy, float* dw, float* db, int vectors) {
  const int weights = w.co * w.ci, item = static_cast<int>(blockIdx.x * kThreads + threadIdx.x);
  if (item >= weights + w.co) return;
  float sum = 0;
  if (item < weights) {
    const int o = item / w.ci, i = item % w.ci;
    for (int n = 0; n < vectors; ++n) sum += dy.get(n, o) * x.get(n, i);
    dw[static_cast<int64_t>(item) * w.taps + w.taps / 2] += sum;
  } else if (db != nullptr) {
    for (int n = 0; n < vectors; ++n) sum += dy.get(n, item - weights);
    db[item - weights] += sum;
  }
}

dim3 grid_of(int64_t blocks, int64_t vectors) {
  return {static_cast<unsigned>(blocks), static_cast<unsigned>(vectors)};
}

}  // namespace

bool is_vectors(const Conv2dParams& p, const Tensor& x) {
  return p.shuffle == 1 && x.dtype == DType::f32 && x.h * x.w == 1 && x.n <= kMostVectors;
}

void vector_forward(const Context& context, Conv2dParams p, Tensor x, Tensor w, Tensor b, Tensor residual, Tensor y) {
  launch(context, "conv2d_forward (vectors)", vector_forward_kernel, grid_of(divide_up(y.pitch, kWarps), x.n),
         dim3(kWarp, kWarps), 0, matrix_of(p, w, x.c, y.c), view<float>(x), b.f32(), view<float>(residual),
         p.activation, view<float>(y));
}

void vector_backward_data(const Context& context, Conv2dParams p, Tensor dy, Tensor w, Tensor add, Tensor mask,
                          Tensor dx) {
  launch(context, "conv2d_backward_data (vectors)", vector_data_kernel, grid_of(divide_up(dx.pitch, kWarp), dx.n),
         dim3(kWarp, kWarps), 0, matrix_of(p, w, dx.c, dy.c), view<float>(dy), view<float>(add), view<float>(mask),
         view<float>(dx));
}

void vector_backward_weights(const Context& context, Conv2dParams p, Tensor x, Tensor dy, Tensor dw, Tensor db) {
  const Matrix w = matrix_of(p, dw, x.c, dy.c);
  launch(context, "conv2d_backward_weights (vectors)", vector_weights_kernel,
         dim3(static_cast<unsigned>(divide_up(dy.c * (x.c + 1), kThreads))), dim3(kThreads), 0, w, view<float>(x),
         view<float>(dy), dw.f32(), db.f32(), static_cast<int>(x.n));
}

}  // namespace bandlift::cuda
