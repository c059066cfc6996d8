// One GPU as a Device: its memory, its stream, the backend that enqueues on it, and programs as CUDA graphs.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "cuda/allocator.h"
#include "cuda/context.h"
#include "cuda/cuda_backend.h"
#include "cuda/cudnn/provider.h"
#include "cuda/port_copies.h"
#include "cuda/staging.h"
#include "program/device.h"

namespace bandlift::cuda {

struct CudaOptions {
  int index = 0;
  bool tf32 = false;
  bool deterministic = true;
  std::vector<std::string> library_folders;  // where else to look for cuDNN
};

// Compute capabilities this build has machine code for, as 10 major + minor, ascending.
const std::vector<int>& built_architectures();

// What a machine offers. Opens nothing; never throws.
struct CudaReport {
  struct Gpu {
    int index, major, minor;
    std::string name, compute_capability;  // "9.0"
    size_t memory_bytes;
    std::string reason;  // why it cannot be used; empty where it can
  };
  std::string runtime, driver;  // "12.4"; driver empty where there is none
  std::vector<Gpu> gpus;
  std::string reason;  // why no GPU can be used, and what to do; empty where one can
  std::vector<std::pair<std::string, LibraryReport>> libraries;  // by name; only where they were asked for
};
CudaReport report();
CudaReport report(const std::vector<std::string>& library_folders);  // with the libraries

class CudaDevice : public Device {
 public:
  // Throws Error(device) with a reason and a remedy where this GPU cannot be used.
  explicit CudaDevice(const CudaOptions& options);
  ~CudaDevice() override;

  DeviceInfo info() const override { return info_; }
  Backend& backend() override { return *backend_; }
  bool stores(DType type) const override;
  std::shared_ptr<Buffer> allocate(size_t bytes) override;
  void begin(int instruction) override { backend_->context().instruction = instruction; }
  void finish() override;
  void upload(Buffer& buffer, size_t offset, const void* source, size_t bytes) override;
  void download(const Buffer& buffer, size_t offset, void* target, size_t bytes) override;
  std::unique_ptr<Recording> record(const std::function<void()>& enqueue, std::string& why) override;
  void replay(Recording& recording) override;

 private:
  DeviceInfo info_;
  int capability_ = 0;
  // Given back last, and when the constructor throws.
  struct Handles {
    ~Handles();
    cudaStream_t stream = nullptr;
    Status* status = nullptr;       // on the device
    Status* host_status = nullptr;  // pinned
  };
  Handles handles_;
  std::shared_ptr<Allocator> allocator_;  // shared with buffers, which may outlive the device
  std::shared_ptr<Staging> staging_;
  std::unique_ptr<CudaBackend> backend_;
  std::unique_ptr<PortCopies> ports_;
  // Too much for the ports' pinned memory: read when the program is done.
  struct Late {
    const Buffer* buffer;
    size_t offset;
    void* target;
    size_t bytes;
  };
  std::vector<Late> late_;
};

}  // namespace bandlift::cuda
