// Activations as every kernel applies them, fused or not. Included by .cu files only.
#pragma once
#include "backend.h"
#include "cuda/kernel.h"

namespace bandlift::cuda {

__device__ __forceinline__ float activated(Activation kind, float v) {
  switch (kind) {
    case Activation::relu:
      return v < 0.0f ? 0.0f : v;  // NaN stays NaN, as in PyTorch
    case Activation::sigmoid:
      return 1.0f / (1.0f + expf(-v));
    case Activation::softplus:  // log(1 + e^v), written so that e^v cannot overflow
      return (v > 0.0f ? v : 0.0f) + log1pf(expf(-fabsf(v)));
    case Activation::none:
      break;
  }
  return v;
}

}  // namespace bandlift::cuda
