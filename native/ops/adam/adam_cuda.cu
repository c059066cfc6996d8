#include "cuda/cuda_backend.h"
#include "cuda/kernel.h"
#include "ops/adam/adam.h"

namespace bandlift::cuda {
namespace {

constexpr int kThreads = 256;
// Numbers of one block of the norm: a fixed partition, so that the sum is the same on every GPU.
constexpr int64_t kPerBlock = 16384;

// ---- norm: a sum of squares in double, block by block, then the blocks in order ----

__global__ void __launch_bounds__(kThreads) sum_squares_kernel(const float* g, int64_t count, double* partial) {
  __shared__ double scratch[kThreads / kWarp];
  const int64_t first = blockIdx.x * kPerBlock;
  const int64_t last = first + kPerBlock < count ? first + kPerBlock : count;
  double sum = 0;
  for (int64_t i = first + threadIdx.x; i < last; i += kThreads) sum += static_cast<double>(g[i]) * g[i];
  sum = block_sum(sum, scratch);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

// norm = sqrt(sum) / s; the scale that adam multiplies g by (backend.h: grad_norm).
__global__ void __launch_bounds__(kThreads)
    finish_norm_kernel(const double* partial, int64_t parts, const double* loss_terms, double* norm, float* scalars) {
  __shared__ double scratch[kThreads / kWarp];
  double sum = 0;
  for (int64_t i = threadIdx.x; i < parts; i += kThreads) sum += partial[i];
  sum = block_sum(sum, scratch);
  if (threadIdx.x != 0) return;
  const double loss_scale = scalars[kLossScale] == 0 ? 1 : scalars[kLossScale];
  const double value = sqrt(sum) / loss_scale, limit = scalars[kMaxNorm];
  double scale = limit > 0 ? limit / (value + 1e-6) : 1;
  if (scale > 1) scale = 1;
  const bool usable = isfinite(value) && (loss_terms == nullptr || isfinite(loss_terms[kLossTotal]));
  *norm = value;
  scalars[kGradScale] = usable ? static_cast<float>(scale / loss_scale) : 0;
}

// ---- update ----

struct Moments {
  float beta1, rest1, beta2, rest2, epsilon;
};

__device__ __forceinline__ void update(const Moments& b, float scale, float step, float root, float g, float& value,
                                       float& m, float& v) {
  const float d = g * scale;
  m = b.beta1 * m + b.rest1 * d;
  v = b.beta2 * v + b.rest2 * d * d;
  value -= step * m / (sqrtf(v) / root + b.epsilon);
}

__global__ void __launch_bounds__(kThreads) adam_kernel(Moments b, const float* g, const float* scalars, float* param,
                                                        float* m, float* v, float* ema, int64_t count) {
  const float scale = scalars[kGradScale];
  if (scale == 0) return;
  const float step = static_cast<float>(static_cast<double>(scalars[kLearningRate]) / scalars[kBiasCorrection1]);
  const float root = sqrtf(scalars[kBiasCorrection2]), decay = scalars[kEmaDecay];
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < count; i += stride) {
    float value = param[i];
    update(b, scale, step, root, g[i], value, m[i], v[i]);
    param[i] = value;
    if (ema != nullptr) ema[i] = decay * ema[i] + (1 - decay) * value;
  }
}

}  // namespace

size_t CudaBackend::grad_norm_workspace(Tensor g) const {
  return static_cast<size_t>(divide_up(g.elements(), kPerBlock)) * sizeof(double);
}

void CudaBackend::grad_norm(Tensor g, Tensor loss_terms, Tensor norm, Tensor scalars, Tensor workspace) {
  const int64_t parts = divide_up(g.elements(), kPerBlock);
  auto* partial = static_cast<double*>(workspace.data);
  launch(context_, "grad_norm", sum_squares_kernel, dim3(static_cast<unsigned>(parts)), dim3(kThreads), 0, g.f32(),
         g.elements(), partial);
  launch(context_, "grad_norm, scale", finish_norm_kernel, dim3(1), dim3(kThreads), 0, partial, parts, loss_terms.f64(),
         norm.f64(), scalars.f32());
}

void CudaBackend::adam(AdamParams p, Tensor g, Tensor scalars, Tensor param, Tensor m, Tensor v, Tensor ema) {
  const Moments b = {static_cast<float>(p.beta1), static_cast<float>(1 - p.beta1), static_cast<float>(p.beta2),
                     static_cast<float>(1 - p.beta2), static_cast<float>(p.epsilon)};
  launch(context_, "adam", adam_kernel, dim3(blocks_for(context_, param.elements(), kThreads)), dim3(kThreads), 0, b,
         g.f32(), scalars.f32(), param.f32(), m.f32(), v.f32(), ema.f32(), param.elements());
}

}  // namespace bandlift::cuda
