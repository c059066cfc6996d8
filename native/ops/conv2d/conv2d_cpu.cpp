// Entry points of conv2d on the CPU: the views of shapes and weights, and the choice of algorithm.
#include "ops/conv2d/conv2d_cpu.h"

#include "cpu/cpu_backend.h"
#include "ops/conv2d/conv2d.h"

namespace bandlift::BANDLIFT_ISA {

namespace {

// One row of kh = 1 or 1 x 1 pixels has no neighbours above: the fewer image borders, the fuller the tiles.
ConvShape shape_of(Conv2dParams p, Tensor x, Tensor y) {
  ConvShape s{x.n, x.h, x.w, x.c, y.c, x.pitch, y.pitch, p.kh, p.kw};
  if (p.kh == 1) s.n = x.n * x.h, s.h = 1;
  if (p.kh == 1 && p.kw == 1) s.w = x.n * x.h * x.w, s.n = 1;
  return s;
}

void convolve(ThreadPool& pool, const Convolution& c, void* workspace) {
  if (c.s.n * c.s.h * c.s.w * c.s.co == 0) return;
  if (choose_algorithm(c.s) == ConvAlgorithm::winograd)
    winograd_convolution(pool, c, workspace);
  else
    direct_convolution(pool, c, workspace);
}

size_t workspace_of(const ConvShape& s, int threads) {
  return choose_algorithm(s) == ConvAlgorithm::winograd ? winograd_workspace(s, threads) : direct_workspace(s, threads);
}

}  // namespace

vfloat activate(Activation kind, vfloat values) {
  for (int i = 0; i < kLanes; ++i) {
    const float v = values[i];
    if (kind == Activation::sigmoid)
      values[i] = 1.0f / (1.0f + __builtin_expf(-v));
    else  // softplus = log(1 + e^v), written so that e^v cannot overflow
      values[i] = (v > 0 ? v : 0.0f) + __builtin_log1pf(__builtin_expf(-__builtin_fabsf(v)));
  }
  return values;
}

void CpuBackend::conv2d_forward(Conv2dParams p, Tensor x, Tensor w, Tensor b, Tensor residual, Tensor y,
                                Tensor workspace) {
  const int64_t taps = static_cast<int64_t>(p.kh) * p.kw;
  Convolution c{shape_of(p, x, y), x.f32(), y.f32(), {w.f32(), x.c * taps, taps, false}, {}};
  c.epilogue = {b.f32(), residual.f32(), nullptr, residual.pitch, 0, p.activation};
  convolve(pool_, c, workspace.data);
}

void CpuBackend::conv2d_backward_data(Conv2dParams p, Tensor dy, Tensor w, Tensor add, Tensor mask, Tensor dx,
                                      Tensor workspace) {
  const int64_t taps = static_cast<int64_t>(p.kh) * p.kw;
  Convolution c{shape_of(p, dy, dx), dy.f32(), dx.f32(), {w.f32(), taps, dx.c * taps, true}, {}};
  c.epilogue = {nullptr, add.f32(), mask.f32(), add.pitch, mask.pitch, Activation::none};
  convolve(pool_, c, workspace.data);
}

void CpuBackend::conv2d_backward_weights(Conv2dParams p, Tensor x, Tensor dy, Tensor dw, Tensor db, Tensor workspace) {
  const WeightGradient g{shape_of(p, x, dy), x.f32(), dy.f32(), dw.f32(), db.f32()};
  if (g.s.n * g.s.h * g.s.w * g.s.co == 0) return;
  if (choose_algorithm(g.s) == ConvAlgorithm::winograd)
    winograd_weights(pool_, g, workspace.data);
  else
    direct_weights(pool_, g, workspace.data);
}

size_t CpuBackend::conv2d_forward_workspace(Conv2dParams p, Tensor x, Tensor y) const {
  return workspace_of(shape_of(p, x, y), pool_.threads());
}

size_t CpuBackend::conv2d_backward_data_workspace(Conv2dParams p, Tensor dy, Tensor dx) const {
  return workspace_of(shape_of(p, dy, dx), pool_.threads());
}

size_t CpuBackend::conv2d_backward_weights_workspace(Conv2dParams p, Tensor x, Tensor dy) const {
  const ConvShape s = shape_of(p, x, dy);
  return choose_algorithm(s) == ConvAlgorithm::winograd ? winograd_weights_workspace(s, pool_.threads())
                                                        : direct_weights_workspace(s, pool_.threads());
}

}  // namespace bandlift::BANDLIFT_ISA
