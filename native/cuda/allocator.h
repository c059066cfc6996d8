// Device memory that is kept for the next request instead of given back: cudaMalloc and cudaFree wait for the whole
// device. Blocks are rounded up (512 bytes below 1 MiB, 2 MiB above) and reused for requests of the same rounded size;
// when the device is full, kept blocks are given back and the request is tried again.
#pragma once
#include <cstddef>
#include <map>
#include <mutex>

namespace bandlift::cuda {

class Allocator {
 public:
  explicit Allocator(int device) : device_(device) {}
  ~Allocator() { release(); }
  Allocator(const Allocator&) = delete;
  Allocator& operator=(const Allocator&) = delete;

  // Memory with any contents, aligned to 512 bytes. Throws Error(out_of_memory) naming what is free, in use and kept.
  void* allocate(size_t bytes);
  void free(void* block, size_t bytes);
  void release();  // gives kept blocks back to CUDA

  size_t in_use() const;
  size_t kept() const;

 private:
  static size_t rounded(size_t bytes);
  void release_locked();

  const int device_;
  mutable std::mutex mutex_;
  std::multimap<size_t, void*> kept_;
  size_t in_use_ = 0, kept_bytes_ = 0;
};

}  // namespace bandlift::cuda
