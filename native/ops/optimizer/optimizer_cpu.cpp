#include <cmath>

#include "cpu/cpu_backend.h"
#include "cpu/pixels.h"
#include "ops/optimizer/optimizer.h"

namespace bandlift::BANDLIFT_ISA {

static constexpr int64_t kChunk = 16384;

// ---- norm ----

size_t CpuBackend::grad_norm_workspace(Tensor g) const {
  return static_cast<size_t>(task_count(g.elements(), kChunk)) * sizeof(double);
}

void CpuBackend::grad_norm(Tensor g, Tensor loss_terms, Tensor norm, Tensor scalars, Tensor workspace) {
  const int64_t count = g.elements(), tasks = task_count(count, kChunk);
  double* partial = static_cast<double*>(workspace.data);
  pool_.parallel_for(tasks, [&](int64_t task, int) {
    const float* x = g.f32() + task * kChunk;
    const int64_t length = least(kChunk, count - task * kChunk);
    double sum[8] = {};
    int64_t i = 0;
    for (; i + 8 <= length; i += 8)
      for (int k = 0; k < 8; ++k) sum[k] += static_cast<double>(x[i + k]) * x[i + k];
    for (; i < length; ++i) sum[0] += static_cast<double>(x[i]) * x[i];
    partial[task] = ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
  });
  double sum = 0;
  for (int64_t task = 0; task < tasks; ++task) sum += partial[task];
  const double loss_scale = scalars.f32()[kLossScale] == 0 ? 1 : scalars.f32()[kLossScale];
  const double value = sqrt(sum) / loss_scale, limit = scalars.f32()[kMaxNorm];
  norm.f64()[0] = value;
  double scale = limit > 0 ? limit / (value + 1e-6) : 1;
  if (scale > 1) scale = 1;
  const bool usable = std::isfinite(value) && (!loss_terms || std::isfinite(loss_terms.f64()[kLossTotal]));
  scalars.f32()[kGradScale] = usable ? static_cast<float>(scale / loss_scale) : 0;
}

// ---- update ----

void CpuBackend::adam(AdamParams p, Tensor g, Tensor scalars, Tensor param, Tensor m, Tensor v, Tensor ema) {
  const float* s = scalars.f32();
  const float scale = s[kGradScale];
  if (scale == 0) return;
  const float step = static_cast<float>(static_cast<double>(s[kLearningRate]) / s[kBiasCorrection1]);
  const float root = sqrtf(s[kBiasCorrection2]), decay = s[kEmaDecay];
  const float beta1 = static_cast<float>(p.beta1), rest1 = static_cast<float>(1 - p.beta1);
  const float beta2 = static_cast<float>(p.beta2), rest2 = static_cast<float>(1 - p.beta2);
  const float epsilon = static_cast<float>(p.epsilon);
  const int64_t count = param.elements();
  pool_.parallel_for(task_count(count, kChunk), [&](int64_t task, int) {
    const int64_t first = task * kChunk, last = least(count, first + kChunk);
    const float* gradient = g.f32();
    float *value = param.f32(), *first_moment = m.f32(), *second_moment = v.f32();
    for (int64_t i = first; i < last; ++i) {
      const float d = gradient[i] * scale;
      first_moment[i] = beta1 * first_moment[i] + rest1 * d;
      second_moment[i] = beta2 * second_moment[i] + rest2 * d * d;
      value[i] -= step * first_moment[i] / (sqrtf(second_moment[i]) / root + epsilon);
    }
    if (ema)
      for (int64_t i = first; i < last; ++i) ema.f32()[i] = decay * ema.f32()[i] + (1 - decay) * value[i];
  });
}

}  // namespace bandlift::BANDLIFT_ISA
