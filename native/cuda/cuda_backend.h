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

  void convert(Tensor x, Tensor y) override;
  void gather_patches(GatherPatchesParams p, Tensor source, Tensor places, Tensor y) override;

  void conv2d_forward(Conv2dParams p, Tensor x, Tensor w, Tensor b, Tensor residual, Tensor y,
                      Tensor workspace) override;
  void conv2d_backward_data(Conv2dParams p, Tensor dy, Tensor w, Tensor add, Tensor mask, Tensor dx,
                            Tensor workspace) override;
  void conv2d_backward_weights(Conv2dParams p, Tensor x, Tensor dy, Tensor dw, Tensor db, Tensor workspace) override;
  size_t conv2d_forward_workspace(Conv2dParams p, Tensor x, Tensor y) const override;
  size_t conv2d_backward_data_workspace(Conv2dParams p, Tensor dy, Tensor dx) const override;
  size_t conv2d_backward_weights_workspace(Conv2dParams p, Tensor x, Tensor dy) const override;

  void activation_forward(Activation kind, Tensor x, Tensor y) override;
  void activation_backward(Activation kind, Tensor y, Tensor dy, Tensor dx) override;
  void add(Tensor a, Tensor b, Tensor y) override;
  void fill(float value, Tensor y) override;

  void global_mean_forward(Tensor x, Tensor y) override;
  void global_mean_backward(Tensor dy, Tensor dx) override;
  void gate_forward(Tensor x, Tensor gate, Tensor residual, Tensor y) override;
  void gate_backward_gate(Tensor dy, Tensor x, Tensor dgate) override;
  void gate_backward_input(Tensor dy, Tensor gate, Tensor dmean, Tensor mask, Tensor dx) override;

  void softmax_mixing_forward(Tensor logits, Tensor endmembers, Tensor abundances, Tensor y) override;
  void softmax_mixing_backward(Tensor dy, Tensor abundances, Tensor endmembers, Tensor dlogits, Tensor dendmembers,
                               Tensor workspace) override;
  size_t softmax_mixing_backward_workspace(Tensor dy, Tensor abundances) const override;

  void quadratic_features_forward(Tensor x, Tensor y) override;
  void quadratic_features_backward(Tensor dy, Tensor x, Tensor dx) override;

  void resample(Tensor x, Tensor rows, Tensor columns, Tensor residual, Tensor y, Tensor workspace) override;
  size_t resample_workspace(Tensor x, Tensor rows, Tensor y) const override;
  void neighbourhood_bounds(BoundsParams p, Tensor x, Tensor floor, Tensor low, Tensor high) override;
  void clamp_forward(Tensor x, Tensor low, Tensor high, Tensor rows, Tensor columns, Tensor y) override;
  void clamp_backward(Tensor y, Tensor low, Tensor high, Tensor rows, Tensor columns, Tensor dy, Tensor dx) override;
  void count_clamped(Tensor y, Tensor low, Tensor high, Tensor rows, Tensor columns, Tensor counts) override;

  void spectral_loss(SpectralLossParams p, Tensor pred, Tensor target, Tensor pixel_mask, Tensor band_mask,
                     Tensor valid_pixels, Tensor terms, Tensor dpred, Tensor workspace) override;
  size_t spectral_loss_workspace(Tensor pred) const override;
  void spectral_metrics(Tensor pred, Tensor target, Tensor pixel_mask, Tensor scale, Tensor offset, Tensor sums,
                        Tensor workspace) override;
  size_t spectral_metrics_workspace(Tensor pred) const override;
  void normal_equations(Tensor features, Tensor y, Tensor pixel_mask, Tensor gram, Tensor cross,
                        Tensor workspace) override;
  size_t normal_equations_workspace(Tensor features, Tensor y) const override;
  void count_values(CountParams p, Tensor values, Tensor pixel_mask, Tensor band_mask, Tensor prefixes, Tensor counts,
                    Tensor workspace) override;
  size_t count_values_workspace(Tensor prefixes, Tensor counts) const override;

  void grad_norm(Tensor g, Tensor loss_terms, Tensor norm, Tensor scalars, Tensor workspace) override;
  size_t grad_norm_workspace(Tensor g) const override;
  void adam(AdamParams p, Tensor g, Tensor scalars, Tensor param, Tensor m, Tensor v, Tensor ema) override;

 private:
  // Where kernels report what they find wrong with tables in the device's memory.
  Faults faults() const { return {context_.status, context_.instruction}; }

  Context context_;
  std::vector<std::shared_ptr<ConvProvider>> providers_;
};

// Our own convolution kernels (native/ops/conv2d/conv2d_own_cuda.cu): supports every problem.
std::shared_ptr<ConvProvider> make_own_conv_provider(const Context& context);

}  // namespace bandlift::cuda
