#include "cuda/cudnn/tuner.h"

#include <algorithm>
#include <cstring>

namespace bandlift::cuda::cudnn {

namespace {

// Bytes that repeat to moderate positive numbers in every type: 0x3b3b is 0.90 in f16 and 0.0029 in bf16 and f32,
// 0x3c3c is 1.06 and 0.011, 0x4040 is 2.1 and 3.0.
constexpr int kSmall = 0x3b, kMiddle = 0x3c, kLarge = 0x40;

constexpr double kWarmMicroseconds = 20e3;
constexpr int kMostWarmRuns = 1000;

}  // namespace

Sizes sizes_of(const ConvProblem& p) {
  const int64_t pixels = p.n * p.h * p.w, bytes = element_bytes(p.type);
  return {pixels * p.ci * bytes, pixels * p.co * bytes, p.co * p.kh * p.kw * p.ci * bytes};
}

std::vector<std::pair<TensorId, void*>> bind(const ConvBuffers& b, const ConvEpilogue& e) {
  std::vector<std::pair<TensorId, void*>> tensors = {{kX, b.x}, {kW, b.w}, {kY, b.y}};
  if (e.bias) tensors.emplace_back(kBias, const_cast<float*>(e.bias));
  if (e.add) tensors.emplace_back(kAdd, const_cast<void*>(e.add));
  if (e.mask) tensors.emplace_back(kMask, const_cast<void*>(e.mask));
  return tensors;
}

Bench::Bench(const Context& context, Handle handle, const ConvProblem& p, const Fusion& f, size_t workspace_bytes)
    : context_(context), handle_(handle), pass_(p.pass), fusion_(f) {
  const Sizes sizes = sizes_of(p);
  const int64_t channels = p.pass == ConvPass::backward_data ? p.ci : p.co;
  result_bytes_ = p.pass == ConvPass::backward_data ? sizes.x : p.pass == ConvPass::forward ? sizes.y : sizes.w;
  try {
    x_ = allocate(sizes.x, kMiddle);
    y_ = allocate(sizes.y, kMiddle);
    w_ = allocate(sizes.w, kSmall);
    if (f.bias) bias_ = allocate(channels * 4, kMiddle);
    if (f.add) add_ = allocate(result_bytes_, kLarge);
    if (f.mask) mask_ = allocate(result_bytes_, kMiddle);
    workspace_ = allocate(static_cast<int64_t>(workspace_bytes), 0);
    cuda::check(cudaEventCreate(&start_), "measuring cuDNN's engines");
    cuda::check(cudaEventCreate(&end_), "measuring cuDNN's engines");
  } catch (...) {
    release();
    throw;
  }
}

Bench::~Bench() {
  release();
}

void Bench::release() {
  cudaStreamSynchronize(context_.stream);
  for (void* memory : owned_) cudaFree(memory);
  if (start_) cudaEventDestroy(start_);
  if (end_) cudaEventDestroy(end_);
}

void* Bench::allocate(int64_t bytes, int fill) {
  void* memory = nullptr;
  const auto size = static_cast<size_t>(std::max<int64_t>(bytes, 16));
  const cudaError_t error = cudaMalloc(&memory, size);
  if (error == cudaErrorMemoryAllocation)
    cudaGetLastError();  // does not stick, and must not be found by the next check
  cuda::check(error, "measuring cuDNN's engines: " + std::to_string(size) + " bytes");
  owned_.push_back(memory);
  cuda::check(cudaMemsetAsync(memory, fill, size, context_.stream), "measuring cuDNN's engines");
  return memory;
}

void Bench::run(const Plan& plan, bool in_place) {
  ConvBuffers buffers{x_, w_, y_};
  if (in_place) (pass_ == ConvPass::backward_data ? buffers.x : buffers.y) = add_;
  plan.execute(handle_, bind(buffers, {static_cast<float*>(bias_), add_, mask_, fusion_.relu}), workspace_);
}

double Bench::elapsed(const Plan& plan, int runs) {
  cuda::check(cudaEventRecord(start_, context_.stream), "measuring cuDNN's engines");
  for (int i = 0; i < runs; ++i) run(plan, false);
  cuda::check(cudaEventRecord(end_, context_.stream), "measuring cuDNN's engines");
  cuda::check(cudaEventSynchronize(end_), "engine " + plan.engine().text());
  float milliseconds = 0;
  cuda::check(cudaEventElapsedTime(&milliseconds, start_, end_), "measuring cuDNN's engines");
  return 1000.0 * milliseconds / runs;
}

double Bench::time(const Plan& plan, double best) {
  elapsed(plan, 1);  // loads its code
  // An idle GPU takes milliseconds to speed up: the first plan must not look slow for it.
  for (int run = 0; warm_microseconds_ < kWarmMicroseconds && run < kMostWarmRuns; ++run)
    warm_microseconds_ += elapsed(plan, 1);
  double fastest = elapsed(plan, 1);
  if (fastest > 2 * best) return fastest;
  const int runs = static_cast<int>(std::clamp(1000.0 / std::max(fastest, 1.0), 2.0, 20.0));  // about 1 ms
  for (int round = 0; round < 3; ++round) fastest = std::min(fastest, elapsed(plan, runs));
  return fastest;
}

bool Bench::adds_in_place(const Plan& plan) {
  const auto bytes = static_cast<size_t>(result_bytes_);
  const char* const what = "comparing a cuDNN engine's results";
  void* const result = pass_ == ConvPass::backward_data ? x_ : y_;
  run(plan, false);
  std::vector<char> apart(bytes), in_place(bytes);
  cuda::check(cudaMemcpyAsync(apart.data(), result, bytes, cudaMemcpyDeviceToHost, context_.stream), what);
  run(plan, true);
  cuda::check(cudaMemcpyAsync(in_place.data(), add_, bytes, cudaMemcpyDeviceToHost, context_.stream), what);
  cuda::check(cudaMemsetAsync(add_, kLarge, bytes, context_.stream), what);
  cuda::check(cudaStreamSynchronize(context_.stream), what);
  return std::memcmp(apart.data(), in_place.data(), bytes) == 0;
}

}  // namespace bandlift::cuda::cudnn
