// The CUDA device's backend: every method enqueues on context.stream and returns. Member functions of operator <op> are
// defined in native/ops/<op>/<op>_cuda.cu. Images are f32, f16 or bf16, all of one instruction alike; paddings of
// inputs hold zeros, and every kernel writes zeros into the padding of its outputs. Pointers need not be aligned beyond
// their element: kernels check before they take 16 bytes at a time. No float atomics but for whole numbers, whose sums
// are exact in any order: results do not vary from run to run.
#pragma once
#include <memory>
#include <vector>

#include "backend.h"
#include "cuda/context.h"
#include "cuda/conv_provider.h"

namespace bandlift::cuda {

class CudaBackend final : public Backend {
 public:
  // Providers in order of preference; the first that supports a problem computes it, unless `choose` (conv2d_cuda.cu)
  // measured another to be faster.
  CudaBackend(const Context& context, std::vector<std::shared_ptr<ConvProvider>> providers)
      : context_(context), providers_(std::move(providers)) {}
  Context& context() { return context_; }

  BANDLIFT_OPS(BANDLIFT_OVERRIDE, BANDLIFT_OVERRIDE_WITH_WORKSPACE)

 private:
  // Where kernels report what they find wrong with tables in the device's memory.
  Faults faults() const { return {context_.status, context_.instruction}; }

  Context context_;
  std::vector<std::shared_ptr<ConvProvider>> providers_;
};

// Our own convolution kernels (native/ops/conv2d/conv2d_own_cuda.cu): supports every problem.
std::shared_ptr<ConvProvider> make_own_conv_provider(const Context& context);

}  // namespace bandlift::cuda
