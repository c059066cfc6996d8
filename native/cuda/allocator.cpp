#include "cuda/allocator.h"

#include <cuda_runtime.h>

#include <string>

#include "core/error.h"
#include "cuda/context.h"

namespace bandlift::cuda {

size_t Allocator::rounded(size_t bytes) {
  const size_t step = bytes < (size_t{1} << 20) ? 512 : size_t{2} << 20;
  BANDLIFT_CHECK(bytes <= SIZE_MAX - step, out_of_memory, "cannot allocate " + std::to_string(bytes) + " bytes");
  return bytes == 0 ? step : (bytes + step - 1) / step * step;
}

void* Allocator::allocate(size_t bytes) {
  const size_t size = rounded(bytes);
  std::lock_guard lock(mutex_);
  if (const auto found = kept_.find(size); found != kept_.end()) {
    void* block = found->second;
    kept_.erase(found);
    kept_bytes_ -= size;
    in_use_ += size;
    return block;
  }
  check(cudaSetDevice(device_), "choosing the device");
  void* block = nullptr;
  cudaError_t error = cudaMalloc(&block, size);
  if (error == cudaErrorMemoryAllocation && kept_bytes_ > 0) {
    cudaGetLastError();
    release_locked();
    error = cudaMalloc(&block, size);
  }
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // this error does not stick, and must not be found by the next check
    size_t free_bytes = 0, total = 0;
    cudaMemGetInfo(&free_bytes, &total);
    throw Error(ErrorCode::out_of_memory,
                "cannot allocate " + std::to_string(bytes) + " bytes on the GPU: " + std::to_string(free_bytes) +
                    " of " + std::to_string(total) + " bytes are free, " + std::to_string(in_use_) + " are bandlift's");
  }
  check(error, "allocating " + std::to_string(bytes) + " bytes on the GPU");
  in_use_ += size;
  return block;
}

void Allocator::free(void* block, size_t bytes) {
  const size_t size = rounded(bytes);
  std::lock_guard lock(mutex_);
  in_use_ -= size;
  kept_bytes_ += size;
  kept_.emplace(size, block);
}

void Allocator::release() {
  std::lock_guard lock(mutex_);
  release_locked();
}

// Errors are not looked at: at the end of a process the driver may be gone already.
void Allocator::release_locked() {
  cudaSetDevice(device_);
  for (const auto& [size, block] : kept_) cudaFree(block);
  kept_.clear();
  kept_bytes_ = 0;
}

size_t Allocator::in_use() const {
  std::lock_guard lock(mutex_);
  return in_use_;
}

size_t Allocator::kept() const {
  std::lock_guard lock(mutex_);
  return kept_bytes_;
}

}  // namespace bandlift::cuda
