// Copies between the caller's memory and the device through two pinned halves: while the device copies one, the
// processor fills (or empties) the other. Streams of their own, so that copies pass by computing ones.
#pragma once
#include <cuda_runtime.h>

#include <cstddef>
#include <mutex>

namespace bandlift::cuda {

class Staging {
 public:
  explicit Staging(int device) : small_(device, kSmall), large_(device, kLarge) {}

  // Both return when the copy is done. From any thread.
  void upload(void* target, const void* source, size_t bytes) { lane(bytes).upload(target, source, bytes); }
  void download(void* target, const void* source, size_t bytes) { lane(bytes).download(target, source, bytes); }

 private:
  // One copy at a time.
  class Lane {
   public:
    Lane(int device, size_t half_bytes) : device_(device), half_bytes_(half_bytes) {}
    ~Lane();
    Lane(const Lane&) = delete;
    Lane& operator=(const Lane&) = delete;
    void upload(void* target, const void* source, size_t bytes);
    void download(void* target, const void* source, size_t bytes);

   private:
    void open();  // pinned memory is taken at the first copy

    const int device_;
    const size_t half_bytes_;
    std::mutex mutex_;
    cudaStream_t stream_ = nullptr;
    char* half_[2] = {nullptr, nullptr};
    cudaEvent_t copied_[2] = {nullptr, nullptr};
  };

  // A step's few numbers must not wait until a batch of hundreds of megabytes for the next step has been copied.
  static constexpr size_t kSmall = size_t{64} << 10, kLarge = size_t{8} << 20;
  Lane& lane(size_t bytes) { return bytes <= 2 * kSmall ? small_ : large_; }

  Lane small_, large_;
};

}  // namespace bandlift::cuda
