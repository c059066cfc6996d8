#include "program/device.h"

#include <sys/mman.h>

#include <cstring>
#include <utility>

#include "core/error.h"

namespace bandlift {

// ---- memory ----

void MemoryStats::add(int64_t bytes) {
  ++buffers_;
  const int64_t now = bytes_ += bytes;
  int64_t peak = peak_;
  while (now > peak && !peak_.compare_exchange_weak(peak, now)) {
  }
}

void MemoryStats::remove(int64_t bytes) {
  --buffers_;
  bytes_ -= bytes;
}

Buffer::Buffer(size_t bytes, std::shared_ptr<MemoryStats> stats) : bytes_(bytes), stats_(std::move(stats)) {
  const size_t size = bytes < 64 ? 64 : bytes;
  void* block = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  BANDLIFT_CHECK(block != MAP_FAILED, out_of_memory,
                 "cannot allocate " + std::to_string(bytes) + " bytes; give a smaller batch or --max-memory");
#ifdef MADV_HUGEPAGE
  if (size >= (size_t{8} << 20)) madvise(block, size, MADV_HUGEPAGE);  // fewer TLB misses; a refusal changes nothing
#endif
  data_ = static_cast<char*>(block);
  stats_->add(static_cast<int64_t>(bytes_));
}

Buffer::~Buffer() {
  munmap(data_, bytes_ < 64 ? 64 : bytes_);
  stats_->remove(static_cast<int64_t>(bytes_));
}

void Buffer::write(const void* source, size_t offset, size_t bytes) {
  std::memcpy(data_ + offset, source, bytes);
}
void Buffer::read(void* target, size_t offset, size_t bytes) const {
  std::memcpy(target, data_ + offset, bytes);
}

// ---- the device's thread ----

Device::Device() : thread_([this] { loop(); }) {}
Device::~Device() {
  stop();
}

std::shared_ptr<Buffer> Device::allocate(size_t bytes) {
  return std::make_shared<Buffer>(bytes, stats_);
}

void Device::submit(std::function<void()> work) {
  {
    std::lock_guard lock(mutex_);
    queue_.push_back(std::move(work));
  }
  wake_.notify_one();
}

void Device::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Device::loop() {
  for (;;) {
    std::function<void()> work;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) return;
      work = std::move(queue_.front());
      queue_.pop_front();
    }
    work();
  }
}

// ---- CPU ----

CpuDevice::CpuDevice(int threads, Isa isa) : pool_(threads), isa_(isa), backend_(make_cpu_backend(isa, pool_)) {}

DeviceInfo CpuDevice::info() const {
  return {"cpu", cpu_name(), isa_name(isa_), pool_.threads(), 1};
}

}  // namespace bandlift
