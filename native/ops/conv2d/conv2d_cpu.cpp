// Entry points of conv2d on the CPU: the views of shapes and weights, and the choice of algorithm.
#include "ops/conv2d/conv2d_cpu.h"

#include "cpu/cpu_backend.h"
#include "ops/conv2d/conv2d.h"

namespace bandlift::BANDLIFT_ISA {

namespace {

// One row of kh = 1 or 1 x 1 pixels has no neighbours above: the fewer image borders, the fuller the tiles.
// `in` and `out` are the shuffle of x and of y.
ConvShape shape_of(Conv2dParams p, Tensor x, Tensor y, int64_t in, int64_t out) {
  ConvShape s{};
  s.n = x.n, s.h = x.h / in, s.w = x.w / in, s.ci = x.c * in * in, s.co = y.c * out * out;
  s.kh = p.kh, s.kw = p.kw;
  if (p.kh == 1) s.n *= s.h, s.h = 1;
  if (p.kh == 1 && p.kw == 1 && in * out == 1) s.w *= s.n, s.n = 1;
  s.x = {x.pitch, s.w, x.c, in};
  s.y = {y.pitch, s.w, y.c, out};
  return s;
}

// The copies of weights and bias with channels in the order of a shuffled layout; the rest of the workspace behind.
struct ShuffledWeights {
  ShuffledWeights(const Layout& layout, int64_t channels, int64_t numbers, void* workspace) {
    Arena arena(workspace);
    if (layout.shuffled()) weights = arena.take(channels * numbers), bias = arena.take(channels);
    rest = arena.take(0);
    bytes = arena.bytes();
  }
  float *weights = nullptr, *bias = nullptr, *rest;
  size_t bytes;
};

// w [channels, numbers] in PyTorch's order.
void reorder(ThreadPool& pool, const Layout& layout, int64_t channels, int64_t numbers, const float* w, const float* b,
             const ShuffledWeights& to) {
  pool.parallel_for(channels, [&](int64_t position, int) {
    const int64_t channel = layout.channel(position);
    __builtin_memcpy(to.weights + position * numbers, w + channel * numbers, numbers * sizeof(float));
    if (b) to.bias[position] = b[channel];
  });
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
  const ConvShape s = shape_of(p, x, y, 1, p.shuffle);
  const int64_t numbers = s.ci * s.taps();
  const ShuffledWeights shuffled(s.y, s.co, numbers, workspace.data);
  Convolution c{s, x.f32(), y.f32(), {w.f32(), numbers, s.taps(), false}, {}};
  c.epilogue = {b.f32(), residual.f32(), nullptr, residual.pitch, 0, p.activation};
  if (s.y.shuffled()) {
    reorder(pool_, s.y, s.co, numbers, w.f32(), b.f32(), shuffled);
    c.weights.data = shuffled.weights;
    if (b) c.epilogue.bias = shuffled.bias;
  }
  convolve(pool_, c, shuffled.rest);
}

void CpuBackend::conv2d_backward_data(Conv2dParams p, Tensor dy, Tensor w, Tensor add, Tensor mask, Tensor dx,
                                      Tensor workspace) {
  const ConvShape s = shape_of(p, dy, dx, p.shuffle, 1);
  const int64_t numbers = s.co * s.taps();
  const ShuffledWeights shuffled(s.x, s.ci, numbers, workspace.data);
  Convolution c{s, dy.f32(), dx.f32(), {w.f32(), s.taps(), numbers, true}, {}};
  c.epilogue = {nullptr, add.f32(), mask.f32(), add.pitch, mask.pitch, Activation::none};
  if (s.x.shuffled()) {
    reorder(pool_, s.x, s.ci, numbers, w.f32(), nullptr, shuffled);
    c.weights.data = shuffled.weights;
  }
  convolve(pool_, c, shuffled.rest);
}

void CpuBackend::conv2d_backward_weights(Conv2dParams p, Tensor x, Tensor dy, Tensor dw, Tensor db, Tensor workspace) {
  const WeightGradient g{shape_of(p, x, dy, 1, p.shuffle), x.f32(), dy.f32(), dw.f32(), db.f32()};
  if (g.s.n * g.s.h * g.s.w * g.s.co == 0) return;
  if (choose_algorithm(g.s) == ConvAlgorithm::winograd)
    winograd_weights(pool_, g, workspace.data);
  else
    direct_weights(pool_, g, workspace.data);
}

size_t CpuBackend::conv2d_forward_workspace(Conv2dParams p, Tensor x, Tensor y) const {
  const ConvShape s = shape_of(p, x, y, 1, p.shuffle);
  return ShuffledWeights(s.y, s.co, s.ci * s.taps(), nullptr).bytes + workspace_of(s, pool_.threads());
}

size_t CpuBackend::conv2d_backward_data_workspace(Conv2dParams p, Tensor dy, Tensor dx) const {
  const ConvShape s = shape_of(p, dy, dx, p.shuffle, 1);
  return ShuffledWeights(s.x, s.ci, s.co * s.taps(), nullptr).bytes + workspace_of(s, pool_.threads());
}

size_t CpuBackend::conv2d_backward_weights_workspace(Conv2dParams p, Tensor x, Tensor dy) const {
  const ConvShape s = shape_of(p, x, dy, 1, p.shuffle);
  return choose_algorithm(s) == ConvAlgorithm::winograd ? winograd_weights_workspace(s, pool_.threads())
                                                        : direct_weights_workspace(s, pool_.threads());
}

}  // namespace bandlift::BANDLIFT_ISA
