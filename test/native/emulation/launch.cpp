// Launches of kernels, and what a kernel may use.
#include <algorithm>
#include <cstdint>
#include <utility>

#include "emulation.h"
#include "state.h"

namespace bandlift::emulation {
namespace {

thread_local std::string next_name;

std::string kernel_name(const std::string& given, const KernelSymbol& symbol) {
  return !given.empty() ? given : symbol.name.empty() ? "without a name" : symbol.name;
}

size_t static_bytes(const KernelSymbol& symbol) {
  size_t sum = 0;
  for (const Bytes& bytes : symbol.shared) sum += bytes.count;
  return sum;
}

// Of dynamic shared memory, and of both kinds together.
struct SharedLimits {
  size_t dynamic, total;
};
SharedLimits shared_limits(const void* kernel) {
  const auto raised = state().shared_limits.find(kernel);
  if (raised == state().shared_limits.end()) return {kSharedPerBlock, kSharedPerBlock};
  return {static_cast<size_t>(raised->second), kSharedOptin};
}

}  // namespace

void name_next_launch(const std::string& name) {
  next_name = name;
}

cudaError_t enqueue_launch(const void* kernel, dim3 grid, dim3 block, size_t shared, cudaStream_t handle,
                           void (*invoke)(const void*), std::shared_ptr<const void> closure) {
  BANDLIFT_ENTER;
  const std::string given = std::exchange(next_name, "");
  if (kernel == nullptr) return fail(cudaErrorInvalidDeviceFunction);
  const KernelSymbol& symbol = kernel_symbol(kernel);
  const Launch launch{grid, block, shared, invoke, closure.get(), kernel_name(given, symbol), symbol.shared};
  if (block.x < 1 || block.y < 1 || block.z < 1 || block.x > 1024 || block.y > 1024 || block.z > 64 ||
      uint64_t{block.x} * block.y * block.z > 1024 || grid.x < 1 || grid.y < 1 || grid.z < 1 || grid.x > 0x7fffffffu ||
      grid.y > 65535 || grid.z > 65535)
    return fail(cudaErrorInvalidConfiguration);
  const SharedLimits limits = shared_limits(kernel);
  if (shared > limits.dynamic || shared + static_bytes(symbol) > limits.total) return fail(cudaErrorInvalidValue);
  const StreamPtr stream = find_stream(handle);
  if (!stream || stream->device != current_device()) return fail(cudaErrorInvalidResourceHandle);
  return fail(enqueue(stream, [launch, closure] {
    ++state().launches;
    const std::string fault = run(launch);
    if (!fault.empty())
      set_fault(cudaErrorLaunchFailure, fault);
    else
      check_canaries("kernel '" + launch.name + "'");
  }));
}

cudaError_t set_function_attribute(const void* kernel, cudaFuncAttribute attribute, int value) {
  BANDLIFT_ENTER;
  if (kernel == nullptr) return fail(cudaErrorInvalidDeviceFunction);
  if (attribute == cudaFuncAttributeMaxDynamicSharedMemorySize) {
    if (value < 0 || static_cast<size_t>(value) + static_bytes(kernel_symbol(kernel)) > kSharedOptin)
      return fail(cudaErrorInvalidValue);
    state().shared_limits[kernel] = value;
  }
  return cudaSuccess;
}
cudaError_t get_function_attributes(cudaFuncAttributes* attributes, const void* kernel) {
  BANDLIFT_ENTER;
  if (kernel == nullptr) return fail(cudaErrorInvalidDeviceFunction);
  *attributes = {};
  attributes->maxThreadsPerBlock = 1024;
  attributes->numRegs = 32;
  attributes->ptxVersion = attributes->binaryVersion = state().settings.major * 10 + state().settings.minor;
  attributes->sharedSizeBytes = static_bytes(kernel_symbol(kernel));
  attributes->maxDynamicSharedSizeBytes = static_cast<int>(shared_limits(kernel).dynamic);
  return cudaSuccess;
}
cudaError_t occupancy(int* blocks, const void* kernel, int block, size_t shared) {
  BANDLIFT_ENTER;
  if (kernel == nullptr) return fail(cudaErrorInvalidDeviceFunction);
  if (block < 1 || block > 1024) return fail(cudaErrorInvalidValue);
  const int by_threads = 2048 / ((block + 31) / 32 * 32);
  const size_t total = shared + static_bytes(kernel_symbol(kernel));
  const int by_shared = total == 0 ? 32 : static_cast<int>(kSharedOptin / total);
  *blocks = std::min({32, by_threads, by_shared});
  return cudaSuccess;
}

}  // namespace bandlift::emulation
