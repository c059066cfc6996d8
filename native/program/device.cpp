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

Buffer::Buffer(char* data, size_t bytes, std::shared_ptr<MemoryStats> stats)
    : data_(data), bytes_(bytes), stats_(std::move(stats)) {
  stats_->add(static_cast<int64_t>(bytes_));
}

Buffer::~Buffer() {
  stats_->remove(static_cast<int64_t>(bytes_));
}

// ---- host memory: pages that were never touched cost nothing ----

static char* map_pages(size_t bytes) {
  const size_t size = bytes < 64 ? 64 : bytes;
  void* block = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  BANDLIFT_CHECK(block != MAP_FAILED, out_of_memory,
                 "cannot allocate " + std::to_string(bytes) + " bytes; give a smaller batch or --max-memory");
#ifdef MADV_HUGEPAGE
  if (size >= (size_t{8} << 20)) madvise(block, size, MADV_HUGEPAGE);  // fewer TLB misses; a refusal changes nothing
#endif
  return static_cast<char*>(block);
}

namespace {

class HostBuffer final : public Buffer {
 public:
  HostBuffer(size_t bytes, std::shared_ptr<MemoryStats> stats) : Buffer(map_pages(bytes), bytes, std::move(stats)) {}
  ~HostBuffer() override { munmap(data(), bytes() < 64 ? 64 : bytes()); }
  void write(const void* source, size_t offset, size_t bytes) override { std::memcpy(data() + offset, source, bytes); }
  void read(void* target, size_t offset, size_t bytes) const override { std::memcpy(target, data() + offset, bytes); }
};

}  // namespace

// ---- the device's thread ----

Device::Device() : thread_([this] { loop(); }) {}
Device::~Device() {
  stop();
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
  return {"cpu", cpu_name(), isa_name(isa_), pool_.threads(), 1, 0, ""};
}

std::shared_ptr<Buffer> CpuDevice::allocate(size_t bytes) {
  return std::make_shared<HostBuffer>(bytes, stats_);
}

}  // namespace bandlift
