// Our own convolution provider: which kernel computes which problem, and the sum of the slices of backward_weights.
#include "cuda/cuda_backend.h"
#include "ops/conv2d/conv2d_own_cuda.h"

namespace bandlift::cuda {

namespace {

// Rows x columns of a block of the kernels, roughly: how many blocks a slice is.
constexpr int64_t kBlockSide = 128;
constexpr int64_t kBlocksWanted = 528;  // four for each multiprocessor of the largest GPU so far
constexpr int64_t kMostSlices = 264, kPixelsPerSlice = 256;
constexpr char kKernelsVersion[] = "2";  // raise it when a kernel becomes faster or slower

// dw = the slices' sums, in their order.
__global__ void sum_slices_kernel(const float* partial, float* dw, int64_t count, int slices) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += step) {
    float sum = partial[i];
    for (int slice = 1; slice < slices; ++slice) sum += partial[slice * count + i];
    dw[i] = sum;
  }
}

class OwnConvProvider final : public ConvProvider {
 public:
  explicit OwnConvProvider(const Context& context) : bfloat16_(context.major >= 8) {}

  const char* name() const override { return "own"; }
  std::string version() const override { return kKernelsVersion; }
  bool supports(const ConvProblem& p) const override {
    const int64_t pixels = p.n * p.h * p.w;
    const int64_t widest = p.kh * p.kw * (p.ci > p.co ? p.ci : p.co);
    return (p.type != DType::bf16 || bfloat16_) && p.type != DType::f64 && pixels < kMostPixels && widest < kMostPixels;
  }
  bool fuses(const ConvProblem&, const ConvEpilogue&) const override { return true; }
  bool fuses_all() const override { return true; }
  size_t workspace_bytes(const ConvProblem& p) const override {
    const int64_t slices = p.pass == ConvPass::backward_weights ? weight_slices(p) : 1;
    return slices == 1 ? 0 : static_cast<size_t>(slices * weights(p)) * sizeof(float);
  }
  DType weight_gradient_type(const ConvProblem&) const override { return DType::f32; }

  void run(const Context& context, const ConvProblem& p, const ConvBuffers& b, const ConvEpilogue& e,
           void* workspace) override {
    const bool sixteen = p.type != DType::f32 && p.ci % 8 == 0 && p.co % 8 == 0;
    const bool tensor_cores =
        sixteen && aligned16(b.x) && aligned16(b.y) && aligned16(b.w) && aligned16(e.add) && aligned16(e.mask);
    if (p.pass != ConvPass::backward_weights)
      return tensor_cores ? tensor_convolution(context, p, b, e) : float_convolution(context, p, b, e);
    const int slices = weight_slices(p);
    auto* dw = static_cast<float*>(b.w);
    float* partial = slices == 1 ? dw : static_cast<float*>(workspace);
    if (tensor_cores)
      tensor_weights(context, p, b, partial, slices);
    else
      float_weights(context, p, b, partial, slices);
    if (slices > 1)
      launch(context, "conv2d_backward_weights (slices)", sum_slices_kernel, dim3(blocks_for(context, weights(p), 256)),
             dim3(256), 0, partial, dw, weights(p), slices);
  }

 private:
  static constexpr int64_t kMostPixels = int64_t{1} << 30;  // kernels count them in 32 bits
  static int64_t weights(const ConvProblem& p) { return p.co * p.kh * p.kw * p.ci; }
  bool bfloat16_;
};

}  // namespace

int weight_slices(const ConvProblem& p) {
  const int64_t blocks = divide_up(p.co, kBlockSide) * divide_up(p.kh * p.kw * p.ci, kBlockSide);
  // never more blocks than wanted: a few of them alone would take as long as a full round
  const int64_t wanted = kBlocksWanted / blocks, pixels = divide_up(p.n * p.h * p.w, kPixelsPerSlice);
  const int64_t slices = wanted < pixels ? wanted : pixels;
  return static_cast<int>(slices < 1 ? 1 : slices < kMostSlices ? slices : kMostSlices);
}

std::shared_ptr<ConvProvider> make_own_conv_provider(const Context& context) {
  return std::make_shared<OwnConvProvider>(context);
}

}  // namespace bandlift::cuda
