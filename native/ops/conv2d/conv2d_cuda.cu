// conv2d on the GPU: weights are packed, a provider computes the products, and what it does not do (activations other
// than ReLU, the pixel shuffle, operands of another pitch) kernels of our own do before and after.
#include <algorithm>
#include <initializer_list>

#include "cuda/cuda_backend.h"
#include "ops/conv2d/conv2d.h"
#include "ops/conv2d/conv2d_choice_cuda.h"
#include "ops/conv2d/conv2d_epilogue_cuda.h"
#include "ops/conv2d/conv2d_pack_cuda.h"
#include "ops/conv2d/conv2d_vector_cuda.h"

namespace bandlift::cuda {
namespace {

// Pieces of the workspace, handed out in order; with a null base it only counts. Each begins on 256 bytes, as memory of
// cudaMalloc does (cuBLASLt, which cuDNN may use, relies on it), wherever the workspace begins.
class Pieces {
 public:
  explicit Pieces(void* base) : base_(static_cast<char*>(base)) {
    if (base != nullptr) base_ += (kAlignment - reinterpret_cast<uintptr_t>(base) % kAlignment) % kAlignment;
  }
  void* take(int64_t bytes) {
    void* piece = base_ != nullptr && bytes > 0 ? base_ + used_ : nullptr;
    used_ += static_cast<size_t>(divide_up(bytes, kAlignment) * kAlignment);
    return piece;
  }
  size_t bytes() const { return used_ == 0 ? 0 : used_ + kAlignment; }

 private:
  static constexpr int64_t kAlignment = 256;
  char* base_;
  size_t used_ = 0;
};

// One convolution with what both its sizes and its kernels are derived from. x is the image of ci channels (x or dx), y
// that of co (y or dy).
struct Plan {
  // `operands` are the images as they lie in memory: not known yet, and not looked at, where only sizes are asked for.
  Plan(const Context& context, const ConvProviders& providers, ConvPass pass, const Conv2dParams& p, const Tensor& x,
       const Tensor& y, std::initializer_list<const void*> operands = {}) {
    const int runs = p.shuffle * p.shuffle;
    weights = {{static_cast<int>(y.c), static_cast<int>(y.pitch), runs},
               static_cast<int>(x.c),
               static_cast<int>(x.pitch),
               p.kh * p.kw};
    problem.pass = pass;
    problem.type = x.dtype;
    problem.tf32 = context.tf32 && !p.exact && x.dtype == DType::f32;
    problem.n = x.n, problem.h = x.h, problem.w = x.w;
    problem.ci = x.pitch, problem.co = y.pitch * runs;
    problem.kh = p.kh, problem.kw = p.kw;
    candidates = providers_for(providers, problem);
    keep_aligned(operands);
    const int64_t element = element_bytes(x.dtype);
    wide_bytes = x.pixels() * problem.co * element;
    narrow_bytes = x.pixels() * problem.ci * element;
    packed_bytes = weights.packed() * element;
  }

  // Whether a result may be needed apart from the output: to be measured, or because the output's memory is added to it
  // and a provider cannot do that itself.
  bool needs_result() const { return candidates.size() > 1 || !candidates.front()->fuses_all(); }
  size_t provider_bytes() const { return provider_workspace(candidates, problem); }

  // Leaves out providers that need images to start at wider steps than these do; fewer need no more workspace.
  void keep_aligned(std::initializer_list<const void*> operands) {
    uintptr_t bits = 0;
    for (const void* operand : operands) bits |= reinterpret_cast<uintptr_t>(operand);
    const auto misses = [bits](const ConvProvider* c) { return bits % static_cast<uintptr_t>(c->alignment()) != 0; };
    const std::string first = candidates.front()->name();
    candidates.erase(std::remove_if(candidates.begin(), candidates.end(), misses), candidates.end());
    BANDLIFT_CHECK(!candidates.empty(), shape,
                   "convolution " + text_of(problem) + ": an image does not start at a multiple of 16 bytes, which " +
                       first + " needs");
  }

  WeightShape weights;
  ConvProblem problem;
  std::vector<ConvProvider*> candidates;
  int64_t wide_bytes, narrow_bytes, packed_bytes;  // of co channels, of ci channels, of the weights
};

struct ForwardPieces {
  ForwardPieces(const Plan& plan, const Conv2dParams& p, void* workspace) {
    Pieces pieces(workspace);
    const bool beyond_relu = p.activation == Activation::sigmoid || p.activation == Activation::softplus;
    packed = pieces.take(plan.packed_bytes);
    bias = static_cast<float*>(pieces.take(plan.problem.co * element_bytes(DType::f32)));
    const bool apart = p.shuffle > 1 || beyond_relu || plan.needs_result();
    result = apart ? pieces.take(plan.wide_bytes) : nullptr;
    provider = pieces.take(static_cast<int64_t>(plan.provider_bytes()));
    bytes = pieces.bytes();
  }
  void *packed, *result, *provider;
  float* bias;
  size_t bytes;
};

struct DataPieces {
  DataPieces(const Plan& plan, const Conv2dParams& p, void* workspace) {
    Pieces pieces(workspace);
    packed = pieces.take(plan.packed_bytes);
    unshuffled = p.shuffle > 1 ? pieces.take(plan.wide_bytes) : nullptr;
    result = plan.needs_result() ? pieces.take(plan.narrow_bytes) : nullptr;
    provider = pieces.take(static_cast<int64_t>(plan.provider_bytes()));
    bytes = pieces.bytes();
  }
  void *packed, *unshuffled, *result, *provider;
  size_t bytes;
};

struct WeightsPieces {
  WeightsPieces(const Plan& plan, const Conv2dParams& p, void* workspace) {
    Pieces pieces(workspace);
    const int64_t f32 = element_bytes(DType::f32);
    parts = column_sum_parts(plan.problem.n * plan.problem.h * plan.problem.w);
    gradient = pieces.take(plan.weights.packed() * f32);  // the widest type a provider may choose
    column_sums = static_cast<float*>(pieces.take(parts * plan.problem.co * f32));
    unshuffled = p.shuffle > 1 ? pieces.take(plan.wide_bytes) : nullptr;
    provider = pieces.take(static_cast<int64_t>(plan.provider_bytes()));
    bytes = pieces.bytes();
  }
  void *gradient, *unshuffled, *provider;
  float* column_sums;
  int parts;
  size_t bytes;
};

bool like(const Tensor& operand, const Tensor& result) {
  return !operand || operand.pitch == result.pitch;
}

Tensor at(Tensor t, void* data) {
  t.data = data;
  return t;
}

// What is done to a product before it is the result, as far as it changes how long that takes.
std::string epilogue_text(const ConvEpilogue& e, Activation activation, int shuffle) {
  std::string text = std::string(e.bias ? " + bias" : "") + (e.add ? " + add" : "") + (e.mask ? " * mask" : "");
  if (activation != Activation::none) text += " activation " + std::to_string(static_cast<int>(activation));
  if (shuffle > 1) text += " shuffle " + std::to_string(shuffle);
  return text;
}

}  // namespace

void CudaBackend::conv2d_forward(Conv2dParams p, Tensor x, Tensor w, Tensor b, Tensor residual, Tensor y,
                                 Tensor workspace) {
  if (y.elements() == 0) return;
  if (is_vectors(p, x)) return vector_forward(context_, p, x, w, b, residual, y);
  const Plan plan(context_, providers_, ConvPass::forward, p, x, y, {x.data, residual.data, y.data});
  const ForwardPieces pieces(plan, p, workspace.data);
  pack_weights(context_, plan.weights, w.f32(), b.f32(), x.dtype, pieces.packed, pieces.bias);

  ConvEpilogue e;
  e.bias = b ? pieces.bias : nullptr;
  e.add = residual.data;
  e.relu = p.activation == Activation::relu;
  const auto compute = [&](const ConvWay& way, Tensor out) {
    const bool apart = p.shuffle > 1 || (!way.fused && residual.data == out.data);
    void* result = apart ? pieces.result : out.data;
    const ConvEpilogue with = way.fused ? e : ConvEpilogue{};
    way.provider->run(context_, plan.problem, {x.data, pieces.packed, result}, with, pieces.provider);
    if (!way.fused)
      apply_epilogue(context_, result, e.bias, residual, {}, p.activation, p.shuffle, out);
    else if (apart)
      apply_epilogue(context_, result, nullptr, {}, {}, Activation::none, p.shuffle, out);
  };
  const bool fusable = (p.activation == Activation::none || e.relu) && like(residual, y);
  const auto ways = ways_of(plan.candidates, plan.problem, e, fusable);
  const std::string what = text_of(plan.problem) + epilogue_text(e, p.activation, p.shuffle);
  // Measured where what is written is not read again: the result beside y holds y's place, but for a shuffled one.
  const bool in_place = residual.data == y.data;
  if (!in_place || p.shuffle == 1)
    measure_ways(context_, ways, what, [&](const ConvWay& way) { compute(way, in_place ? at(y, pieces.result) : y); });
  compute(chosen_way(context_, ways, what), y);
}

void CudaBackend::conv2d_backward_data(Conv2dParams p, Tensor dy, Tensor w, Tensor add, Tensor mask, Tensor dx,
                                       Tensor workspace) {
  if (dx.elements() == 0) return;
  if (is_vectors(p, dx)) return vector_backward_data(context_, p, dy, w, add, mask, dx);
  const Plan plan(context_, providers_, ConvPass::backward_data, p, dx, dy, {dy.data, add.data, mask.data, dx.data});
  const DataPieces pieces(plan, p, workspace.data);
  pack_weights(context_, plan.weights, w.f32(), nullptr, dx.dtype, pieces.packed, nullptr);
  if (p.shuffle > 1) unshuffle(context_, dy, p.shuffle, pieces.unshuffled);
  void* gradient = p.shuffle > 1 ? pieces.unshuffled : dy.data;

  ConvEpilogue e;
  e.add = add.data;
  e.mask = mask.data;
  const bool in_place = add.data == dx.data || mask.data == dx.data;  // what dx holds until then is needed
  const auto compute = [&](const ConvWay& way, Tensor out) {
    void* result = !way.fused && in_place ? pieces.result : out.data;
    const ConvEpilogue with = way.fused ? e : ConvEpilogue{};
    way.provider->run(context_, plan.problem, {result, pieces.packed, gradient}, with, pieces.provider);
    if (!way.fused) apply_epilogue(context_, result, nullptr, add, mask, Activation::none, 1, out);
  };
  const auto ways = ways_of(plan.candidates, plan.problem, e, like(add, dx) && like(mask, dx));
  const std::string what = text_of(plan.problem) + epilogue_text(e, Activation::none, 1);
  measure_ways(context_, ways, what, [&](const ConvWay& way) { compute(way, in_place ? at(dx, pieces.result) : dx); });
  compute(chosen_way(context_, ways, what), dx);
}

void CudaBackend::conv2d_backward_weights(Conv2dParams p, Tensor x, Tensor dy, Tensor dw, Tensor db, Tensor workspace) {
  if (x.elements() == 0 || dy.elements() == 0) return;
  if (is_vectors(p, x)) return vector_backward_weights(context_, p, x, dy, dw, db);
  const Plan plan(context_, providers_, ConvPass::backward_weights, p, x, dy, {x.data, dy.data});
  const WeightsPieces pieces(plan, p, workspace.data);
  if (p.shuffle > 1) unshuffle(context_, dy, p.shuffle, pieces.unshuffled);
  void* gradient = p.shuffle > 1 ? pieces.unshuffled : dy.data;
  const ConvBuffers buffers{x.data, pieces.gradient, gradient};
  const auto ways = ways_of(plan.candidates, plan.problem, {}, false);
  const std::string what = text_of(plan.problem);
  const auto compute = [&](const ConvWay& way) {
    way.provider->run(context_, plan.problem, buffers, {}, pieces.provider);
  };
  measure_ways(context_, ways, what, compute);
  const ConvWay chosen = chosen_way(context_, ways, what);
  compute(chosen);
  if (db) sum_columns(context_, x.dtype, gradient, x.pixels(), plan.weights.out.positions(), pieces.column_sums);
  add_gradients(context_, plan.weights, chosen.provider->weight_gradient_type(plan.problem), pieces.gradient, dw.f32(),
                pieces.column_sums, pieces.parts, db.f32());
}

size_t CudaBackend::conv2d_forward_workspace(Conv2dParams p, Tensor x, Tensor y) const {
  if (y.elements() == 0 || is_vectors(p, x)) return 0;
  return ForwardPieces(Plan(context_, providers_, ConvPass::forward, p, x, y), p, nullptr).bytes;
}

size_t CudaBackend::conv2d_backward_data_workspace(Conv2dParams p, Tensor dy, Tensor dx) const {
  if (dx.elements() == 0 || is_vectors(p, dx)) return 0;
  return DataPieces(Plan(context_, providers_, ConvPass::backward_data, p, dx, dy), p, nullptr).bytes;
}

size_t CudaBackend::conv2d_backward_weights_workspace(Conv2dParams p, Tensor x, Tensor dy) const {
  if (x.elements() == 0 || dy.elements() == 0 || is_vectors(p, x)) return 0;
  return WeightsPieces(Plan(context_, providers_, ConvPass::backward_weights, p, x, dy), p, nullptr).bytes;
}

}  // namespace bandlift::cuda
