// Copies between the caller's memory and the device through two pinned halves: while the device copies one, the
// processor fills (or empties) the other. A stream of its own, so that copies pass by computing ones.
#pragma once
#include <cuda_runtime.h>

#include <cstddef>
#include <mutex>

namespace bandlift::cuda {

class Staging {
 public:
  explicit Staging(int device);
  ~Staging();
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  // Both return when the copy is done. From any thread.
  void upload(void* target, const void* source, size_t bytes);
  void download(void* target, const void* source, size_t bytes);

 private:
  static constexpr size_t kHalf = size_t{8} << 20;
  void open();  // pinned memory is taken at the first copy

  const int device_;
  std::mutex mutex_;
  cudaStream_t stream_ = nullptr;
  char* half_[2] = {nullptr, nullptr};
  cudaEvent_t copied_[2] = {nullptr, nullptr};
};

}  // namespace bandlift::cuda
