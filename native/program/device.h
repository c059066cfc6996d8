// A device: memory, a backend that computes on it, and the one thread that runs programs on it in the order of the
// calls. The CPU is here, CUDA in native/cuda/cuda_device.h: its backend only enqueues on a stream, finish() waits for
// that stream, and a sequence of instructions can be recorded once and replayed.
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
#include "core/error.h"
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

// A block of zeroed memory of a device, aligned to at least 64 bytes.
class Buffer {
 public:
  Buffer(char* data, size_t bytes, std::shared_ptr<MemoryStats> stats);
  virtual ~Buffer();
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  char* data() const { return data_; }  // as the device's backend sees it; not always readable from here
  size_t bytes() const { return bytes_; }
  // From and to memory of the caller, done when the call returns; from any thread.
  virtual void write(const void* source, size_t offset, size_t bytes) = 0;
  virtual void read(void* target, size_t offset, size_t bytes) const = 0;

 private:
  char* data_;
  size_t bytes_;
  std::shared_ptr<MemoryStats> stats_;
};

struct DeviceInfo {
  std::string kind, name, isa;
  int threads;
  int row_bytes;             // rows of channels are padded to this many bytes where they have more than one (1: never)
  int64_t memory_bytes;      // free for buffers when the device was opened; 0: the machine's
  std::string convolutions;  // who computes them on a GPU, and why no library does; empty on the CPU
};

// What a device found wrong while it ran: which instruction, where that is known (else -1).
class DeviceFault : public Error {
 public:
  DeviceFault(ErrorCode code, int instruction, const std::string& message)
      : Error(code, message), instruction(instruction) {}
  int instruction;
};

// Enqueued work that can be repeated (a CUDA graph).
class Recording {
 public:
  virtual ~Recording() = default;
};

class Device {
 public:
  virtual ~Device();
  virtual DeviceInfo info() const = 0;
  virtual Backend& backend() = 0;
  // Whether images may be kept in this type.
  virtual bool stores(DType type) const = 0;
  // Zeroed memory. Throws Error(out_of_memory).
  virtual std::shared_ptr<Buffer> allocate(size_t bytes) = 0;

  // On the device's thread: before the instruction of this number; after a program, waits until everything is done.
  // finish() throws DeviceFault.
  virtual void begin(int /*instruction*/) {}
  virtual void finish() {}
  // Copies into and out of a program's buffers, in order with its instructions: a source may be let go of when upload()
  // returns, a target is filled when finish() has returned.
  virtual void upload(Buffer& buffer, size_t offset, const void* source, size_t bytes) {
    buffer.write(source, offset, bytes);
  }
  virtual void download(const Buffer& buffer, size_t offset, void* target, size_t bytes) {
    buffer.read(target, offset, bytes);
  }
  // Work that `enqueue` asks of the backend, recorded instead of done; null where it cannot be, and then `why` says
  // why.
  virtual std::unique_ptr<Recording> record(const std::function<void()>& /*enqueue*/, std::string& /*why*/) {
    return nullptr;
  }
  virtual void replay(Recording&) {}

  const MemoryStats& memory() const { return *stats_; }
  // Runs `work` on the device's thread, after everything submitted before. `work` must not throw.
  void submit(std::function<void()> work);

 protected:
  Device();
  void stop();  // drains the queue and joins; derived destructors call it before their members go

  std::shared_ptr<MemoryStats> stats_ = std::make_shared<MemoryStats>();

 private:
  void loop();

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
  bool stores(DType type) const override { return type == DType::f32; }
  std::shared_ptr<Buffer> allocate(size_t bytes) override;

 private:
  ThreadPool pool_;
  Isa isa_;
  std::unique_ptr<Backend> backend_;
};

}  // namespace bandlift
