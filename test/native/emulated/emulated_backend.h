// The CUDA backend on the emulated GPU, for one computation.
#pragma once
#include <cuda_runtime.h>

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cuda/cuda_backend.h"
#include "emulation/emulation.h"

namespace emulated {

struct NamedOrder {
  bandlift::emulation::Order order;
  uint64_t seed;
  const char* name;
};
inline constexpr NamedOrder kOrders[] = {{bandlift::emulation::Order::ascending, 0, "ascending"},
                                         {bandlift::emulation::Order::descending, 0, "descending"},
                                         {bandlift::emulation::Order::shuffled, 1, "shuffled"},
                                         {bandlift::emulation::Order::shuffled, 2, "shuffled otherwise"}};

class EmulatedBackend {
 public:
  explicit EmulatedBackend(const NamedOrder& order = kOrders[0]) {
    using bandlift::cuda::check;
    bandlift::emulation::reset();
    bandlift::emulation::set_order(order.order, order.seed);
    cudaDeviceProp properties;
    check(cudaGetDeviceProperties(&properties, 0), "cudaGetDeviceProperties");
    bandlift::cuda::Context context;
    context.major = properties.major;
    context.minor = properties.minor;
    context.multiprocessors = properties.multiProcessorCount;
    context.synchronous = true;  // scratch memory of a test ends with its block, and an error names its kernel
    check(cudaStreamCreateWithFlags(&context.stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
    check(cudaMalloc(&context.status, sizeof(bandlift::cuda::Status)), "cudaMalloc");
    check(cudaMemsetAsync(context.status, 0, sizeof(bandlift::cuda::Status), context.stream), "cudaMemsetAsync");
    backend_.emplace(context, std::vector{bandlift::cuda::make_own_conv_provider(context)});
  }
  ~EmulatedBackend() {
    cudaStreamDestroy(backend_->context().stream);
    cudaFree(backend_->context().status);
  }
  EmulatedBackend(const EmulatedBackend&) = delete;
  EmulatedBackend& operator=(const EmulatedBackend&) = delete;

  bandlift::cuda::CudaBackend& backend() { return *backend_; }

  // What a kernel reported so far.
  bandlift::cuda::Status status() {
    bandlift::cuda::Status now;
    bandlift::cuda::check(cudaMemcpy(&now, backend_->context().status, sizeof(now), cudaMemcpyDeviceToHost),
                          "cudaMemcpy");
    return now;
  }

  // Waits; throws what a kernel did wrong.
  void finish() { bandlift::cuda::check(cudaStreamSynchronize(backend_->context().stream), "cudaStreamSynchronize"); }

 private:
  std::optional<bandlift::cuda::CudaBackend> backend_;
};

// The error's words, and the emulation's about the kernel that failed.
inline std::string explained(const std::exception& e) {
  const std::string fault = bandlift::emulation::last_fault();
  return fault.empty() ? e.what() : std::string(e.what()) + ": " + fault;
}

}  // namespace emulated
