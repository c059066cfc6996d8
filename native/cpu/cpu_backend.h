// The CPU device, once per instruction set (isa.h). Member functions of operator <op> are defined in
// native/ops/<op>/<op>_cpu.cpp.
#pragma once
#include "backend.h"
#include "cpu/isa.h"
#include "cpu/thread_pool.h"

namespace bandlift::BANDLIFT_ISA {

class CpuBackend final : public Backend {
 public:
  explicit CpuBackend(ThreadPool& pool) : pool_(pool) {}

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
  ThreadPool& pool_;
};

}  // namespace bandlift::BANDLIFT_ISA
