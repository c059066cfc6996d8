#include "cuda/port_copies.h"

#include <cstring>

#include "cuda/context.h"

namespace bandlift::cuda {

PortCopies::~PortCopies() {
  if (pinned_ != nullptr) cudaFreeHost(pinned_);  // errors are not looked at: the driver may be gone already
}

char* PortCopies::take(size_t bytes) {
  constexpr size_t kAlignment = 16;
  const size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  if (rounded > kBytes - used_) return nullptr;
  if (pinned_ == nullptr)
    check(cudaMallocHost(reinterpret_cast<void**>(&pinned_), kBytes), "allocating pinned memory for copies");
  char* const piece = pinned_ + used_;
  used_ += rounded;
  return piece;
}

bool PortCopies::upload(void* device, const void* source, size_t bytes) {
  char* const piece = take(bytes);
  if (piece == nullptr) return false;
  std::memcpy(piece, source, bytes);
  check(cudaMemcpyAsync(device, piece, bytes, cudaMemcpyHostToDevice, stream_), "copying to the GPU");
  return true;
}

bool PortCopies::download(void* target, const void* device, size_t bytes) {
  char* const piece = take(bytes);
  if (piece == nullptr) return false;
  check(cudaMemcpyAsync(piece, device, bytes, cudaMemcpyDeviceToHost, stream_), "copying from the GPU");
  targets_.push_back({target, piece, bytes});
  return true;
}

void PortCopies::deliver() {
  for (const Target& t : targets_) std::memcpy(t.to, t.from, t.bytes);
  forget();
}

void PortCopies::forget() {
  targets_.clear();
  used_ = 0;
}

}  // namespace bandlift::cuda
