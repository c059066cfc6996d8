#include "cuda/staging.h"

#include <algorithm>
#include <cstring>

#include "cuda/context.h"

namespace bandlift::cuda {

Staging::Lane::~Lane() {
  if (stream_ == nullptr) return;
  cudaSetDevice(device_);  // errors are not looked at: at the end of a process the driver may be gone already
  cudaStreamSynchronize(stream_);
  for (int i = 0; i < 2; ++i) {
    if (copied_[i] != nullptr) cudaEventDestroy(copied_[i]);
    if (half_[i] != nullptr) cudaFreeHost(half_[i]);
  }
  cudaStreamDestroy(stream_);
}

void Staging::Lane::open() {
  check(cudaSetDevice(device_), "choosing the device");
  // what an earlier attempt had before it failed is there
  if (stream_ == nullptr)
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "making a stream for copies");
  for (int i = 0; i < 2; ++i) {
    void** const half = reinterpret_cast<void**>(&half_[i]);
    if (*half == nullptr) check(cudaMallocHost(half, half_bytes_), "allocating pinned memory for copies");
    if (copied_[i] == nullptr)
      check(cudaEventCreateWithFlags(&copied_[i], cudaEventDisableTiming), "making an event for copies");
  }
}

void Staging::Lane::upload(void* target, const void* source, size_t bytes) {
  std::lock_guard lock(mutex_);
  open();
  int half = 0;
  for (size_t done = 0; done < bytes; half ^= 1) {
    const size_t part = std::min(half_bytes_, bytes - done);
    check(cudaEventSynchronize(copied_[half]), "waiting for a copy to the GPU");  // its last copy has left this half
    std::memcpy(half_[half], static_cast<const char*>(source) + done, part);
    check(cudaMemcpyAsync(static_cast<char*>(target) + done, half_[half], part, cudaMemcpyHostToDevice, stream_),
          "copying to the GPU");
    check(cudaEventRecord(copied_[half], stream_), "copying to the GPU");
    done += part;
  }
  check(cudaStreamSynchronize(stream_), "copying to the GPU");
}

void Staging::Lane::download(void* target, const void* source, size_t bytes) {
  std::lock_guard lock(mutex_);
  open();
  const auto start = [&](size_t from, int half) {
    if (from >= bytes) return;
    check(cudaMemcpyAsync(half_[half], static_cast<const char*>(source) + from, std::min(half_bytes_, bytes - from),
                          cudaMemcpyDeviceToHost, stream_),
          "copying from the GPU");
    check(cudaEventRecord(copied_[half], stream_), "copying from the GPU");
  };
  start(0, 0);
  int half = 0;
  for (size_t done = 0; done < bytes; half ^= 1) {
    const size_t part = std::min(half_bytes_, bytes - done);
    start(done + part, half ^ 1);
    check(cudaEventSynchronize(copied_[half]), "waiting for a copy from the GPU");
    std::memcpy(static_cast<char*>(target) + done, half_[half], part);
    done += part;
  }
}

}  // namespace bandlift::cuda
