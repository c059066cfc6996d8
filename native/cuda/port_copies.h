// The few numbers that go into a program and come out of it, enqueued with it through pinned memory: waiting for each
// copy would cost more than the copy. Used by the device's thread alone.
#pragma once
#include <cuda_runtime.h>

#include <cstddef>
#include <vector>

namespace bandlift::cuda {

class PortCopies {
 public:
  explicit PortCopies(cudaStream_t stream) : stream_(stream) {}
  ~PortCopies();
  PortCopies(const PortCopies&) = delete;
  PortCopies& operator=(const PortCopies&) = delete;

  // Enqueue a copy; false where it does not fit beside what is enqueued. A source may be let go of at once, a target is
  // filled by deliver().
  bool upload(void* device, const void* source, size_t bytes);
  bool download(void* target, const void* device, size_t bytes);

  // After the stream was waited for: what was enqueued is done.
  void deliver();  // fills the targets
  void forget();   // leaves them as they are

 private:
  static constexpr size_t kBytes = size_t{128} << 10;
  char* take(size_t bytes);

  struct Target {
    void* to;
    const char* from;
    size_t bytes;
  };
  cudaStream_t stream_;
  char* pinned_ = nullptr;
  size_t used_ = 0;
  std::vector<Target> targets_;
};

}  // namespace bandlift::cuda
