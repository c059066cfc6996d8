// One GPU as the backend sees it: a stream to enqueue on, what the device can do, and launches that fail with the
// kernel's name. C++17: included by nvcc too.
#pragma once
#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "core/error.h"

namespace bandlift::cuda {

// Throws Error(device | out_of_memory) with `what` and CUDA's name and sentence of the error; where a kernel failed that
// was enqueued before, DeviceFault, which says that it was not `what`.
void check(cudaError_t error, const std::string& what);
// CUDA's name and sentence of an error that ended the context, and what to do.
std::string lost_context(cudaError_t error);

// What a kernel may report while it runs, instead of computing nonsense. One per device, in device memory.
struct Status {
  int code;         // a StatusCode; the first one stays
  int instruction;  // which instruction of the program
};
enum StatusCode : int { kStatusOk = 0, kStatusTableOutside = 1, kStatusPlaceOutside = 2 };

// What a kernel needs to report.
struct Faults {
  Status* status;
  int instruction;
};

struct Context {
  int device = 0;  // CUDA's number
  cudaStream_t stream = nullptr;
  int major = 0, minor = 0;  // compute capability
  int multiprocessors = 0;
  bool tf32 = false;          // f32 convolutions may round their operands to tf32 (compute capability 8.0 and up)
  bool deterministic = true;  // only kernels whose results do not vary from run to run
  bool synchronous = false;   // BANDLIFT_SYNC=1: wait after every launch, so that an error names its kernel
  Status* status = nullptr;   // device memory
  int instruction = 0;        // set by the program before each instruction; kernels that report get it
};

void launched(const Context& context, const char* kernel);

// Enqueues kernel<<<grid, block, shared>>>(arguments...). Shared memory above 48 KiB must have been allowed.
template <typename... P, typename... A>
void launch(const Context& context, const char* name, void (*kernel)(P...), dim3 grid, dim3 block, size_t shared,
            A... arguments) {
  static_assert(sizeof...(P) == sizeof...(A), "one argument for each parameter");
  const auto go = [&](P... parameters) {
    void* pointers[] = {static_cast<void*>(&parameters)..., nullptr};
#ifdef BANDLIFT_EMULATED  // calls the function itself, so it needs its type
    return cudaLaunchKernel(kernel, grid, block, pointers, shared, context.stream);
#else
    return cudaLaunchKernel(reinterpret_cast<const void*>(kernel), grid, block, pointers, shared, context.stream);
#endif
  };
  check(go(static_cast<P>(arguments)...), std::string("kernel '") + name + "'");
  launched(context, name);
}

constexpr int64_t divide_up(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

// Blocks of `threads` for `work` items, capped so that a grid-stride loop covers the rest.
inline unsigned blocks_for(const Context& context, int64_t work, int threads, int blocks_per_multiprocessor = 8) {
  const int64_t wanted = divide_up(work, threads);
  const int64_t most = static_cast<int64_t>(context.multiprocessors) * blocks_per_multiprocessor;
  return static_cast<unsigned>(wanted < 1 ? 1 : wanted < most ? wanted : most);
}

}  // namespace bandlift::cuda
