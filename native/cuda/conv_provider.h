// Who computes a convolution on the GPU: our own kernels (native/ops/conv2d/*_cuda.cu) or cuDNN (native/cuda/cudnn).
// The backend packs weights, chooses a provider for each problem and applies the epilogue where the provider does not.
#pragma once
#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "core/tensor.h"
#include "cuda/context.h"

namespace bandlift::cuda {

enum class ConvPass : int { forward = 0, backward_data = 1, backward_weights = 2 };

// Dense NHWC tensors of ci and co channels, padding counted as channels (it holds zeros); odd kernel, stride 1, zero
// padding k / 2, so x and y have the same h and w. Weights are packed [co, kh, kw, ci] in `type`.
struct ConvProblem {
  ConvPass pass = ConvPass::forward;
  DType type = DType::f32;  // f32, f16, bf16; products are summed in f32
  bool tf32 = false;        // f32 operands may be rounded to tf32
  int64_t n = 0, h = 0, w = 0, ci = 0, co = 0;
  int kh = 1, kw = 1;
};

// y = relu(conv + bias + add), or for backward_data dx = (conv + add) * (mask > 0); what is null is left out.
// bias f32 [co]; add and mask like the result.
struct ConvEpilogue {
  const float* bias = nullptr;
  const void* add = nullptr;
  const void* mask = nullptr;
  bool relu = false;
  bool any() const { return bias != nullptr || add != nullptr || mask != nullptr || relu; }
};

// forward reads x and w, writes y; backward_data reads y (= dy) and w, writes x (= dx); backward_weights reads x and
// y (= dy), writes w (= dw, packed, in weight_gradient_type(), overwritten).
struct ConvBuffers {
  void* x = nullptr;
  void* w = nullptr;
  void* y = nullptr;
};

class ConvProvider {
 public:
  virtual ~ConvProvider() = default;
  virtual const char* name() const = 0;
  // Of what makes it fast or slow: choices measured with another are not used.
  virtual std::string version() const = 0;
  // Whether it can compute this at all (known without running anything).
  virtual bool supports(const ConvProblem& p) const = 0;
  // Whether run() also does such an epilogue; else it is called without one.
  virtual bool fuses(const ConvProblem& p, const ConvEpilogue& e) const = 0;
  // Whether it fuses every epilogue, whatever measuring brings to light.
  virtual bool fuses_all() const { return false; }
  // A bound on the scratch bytes of run(), known without running anything.
  virtual size_t workspace_bytes(const ConvProblem& p) const = 0;
  virtual DType weight_gradient_type(const ConvProblem& p) const = 0;
  // Images must start at multiples of this many bytes; elsewhere another provider is asked.
  virtual int64_t alignment() const { return 1; }
  // Enqueues on context.stream; the first call for a problem may measure engines (not while a stream is captured). The
  // result may be `add`'s own memory. Throws Error(device) naming provider and problem.
  virtual void run(const Context& context, const ConvProblem& p, const ConvBuffers& b, const ConvEpilogue& e,
                   void* workspace) = 0;
};

}  // namespace bandlift::cuda
