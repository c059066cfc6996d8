// A device: memory, a backend that computes on it, and the one thread that runs programs on it in the order of the
// calls. The CPU is the only kind so far. A CUDA device derives from Device too: it allocates device memory, its
// backend only enqueues on a stream, and finish() waits for that stream; programs, buffers and bindings stay as they
// are.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "backend.h"
#include "cpu/cpu_device.h"

namespace bandlift {

// Live and peak bytes of a device's buffers; shared with the buffers, which may outlive the device.
class MemoryStats {
 public:
  void add(int64_t bytes);
  void remove(int64_t bytes);
  int64_t buffers() const { return buffers_; }
  int64_t bytes() const { return bytes_; }
  int64_t peak() const { return peak_; }

 private:
  std::atomic<int64_t> buffers_{0}, bytes_{0}, peak_{0};
};

// A block of zeroed memory, aligned to 64 bytes. Pages that were never touched cost nothing.
class Buffer {
 public:
  Buffer(size_t bytes, std::shared_ptr<MemoryStats> stats);
  virtual ~Buffer();
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  char* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  virtual void write(const void* source, size_t offset, size_t bytes);
  virtual void read(void* target, size_t offset, size_t bytes) const;

 private:
  char* data_;
  size_t bytes_;
  std::shared_ptr<MemoryStats> stats_;
};

struct DeviceInfo {
  std::string kind, name, isa;
  int threads, channel_multiple;
};

class Device {
 public:
  virtual ~Device();
  virtual DeviceInfo info() const = 0;
  virtual Backend& backend() = 0;
  virtual std::shared_ptr<Buffer> allocate(size_t bytes);
  // Waits until everything the backend was asked for is done. Called on the device's thread after a program.
  virtual void finish() {}

  const MemoryStats& memory() const { return *stats_; }
  // Runs `work` on the device's thread, after everything submitted before. `work` must not throw.
  void submit(std::function<void()> work);

 protected:
  Device();
  void stop();  // drains the queue and joins; derived destructors call it before their members go

 private:
  void loop();

  std::shared_ptr<MemoryStats> stats_ = std::make_shared<MemoryStats>();
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> queue_;
  bool stopping_ = false;
  std::thread thread_;
};

// Denormals are computed as IEEE 754 wants (no flush to zero): the numbers then equal PyTorch's, and they are rare
// here.
class CpuDevice final : public Device {
 public:
  CpuDevice(int threads, Isa isa);
  ~CpuDevice() override { stop(); }
  DeviceInfo info() const override;
  Backend& backend() override { return *backend_; }

 private:
  ThreadPool pool_;
  Isa isa_;
  std::unique_ptr<Backend> backend_;
};

}  // namespace bandlift
