#include "cuda/cuda_device.h"

#include <cstdlib>
#include <string_view>
#include <utility>

#include "cuda/cache_file.h"

namespace bandlift::cuda {

namespace {

class DeviceBuffer final : public Buffer {
 public:
  DeviceBuffer(size_t bytes, std::shared_ptr<Allocator> allocator, std::shared_ptr<Staging> staging,
               std::shared_ptr<MemoryStats> stats)
      : Buffer(static_cast<char*>(allocator->allocate(bytes)), bytes, std::move(stats)),
        allocator_(std::move(allocator)),
        staging_(std::move(staging)) {}
  ~DeviceBuffer() override { allocator_->free(data(), bytes()); }
  void write(const void* source, size_t offset, size_t bytes) override {
    staging_->upload(data() + offset, source, bytes);
  }
  void read(void* target, size_t offset, size_t bytes) const override {
    staging_->download(target, data() + offset, bytes);
  }

 private:
  std::shared_ptr<Allocator> allocator_;
  std::shared_ptr<Staging> staging_;
};

class GraphRecording final : public Recording {
 public:
  explicit GraphRecording(cudaGraphExec_t graph) : graph(graph) {}
  ~GraphRecording() override { cudaGraphExecDestroy(graph); }
  cudaGraphExec_t graph;
};

bool flag(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && std::string_view(value) == "1";
}

// cuDNN where it is found, fits and starts, else null, with the reason in `why`: our own kernels then compute every
// convolution. BANDLIFT_CONV=cudnn asks for it, and then what is wrong with it is an error.
std::shared_ptr<ConvProvider> open_cudnn(const Context& context, const CudaOptions& options, const CudaReport::Gpu& gpu,
                                         std::shared_ptr<Allocator> allocator, std::string& why) {
  const char* asked = std::getenv("BANDLIFT_CONV");
  const bool required = asked != nullptr && std::string_view(asked) == "cudnn";
  if (asked != nullptr && std::string_view(asked) == "own") {
    why = "BANDLIFT_CONV=own";
    return nullptr;
  }
  CudnnOptions cudnn;
  cudnn.folders = options.library_folders;
  cudnn.device_name = gpu.name;
  cudnn.make_room = [allocator = std::move(allocator)] { allocator->release(); };
  cudnn.cache = std::make_shared<ConvChoiceCache>(ConvChoiceCache::default_file());
  if (const auto folder = cache_folder(); !folder.empty()) cudnn.plan_folder = folder / "cudnn_plans";
  try {
    return make_cudnn_provider(context, cudnn);
  } catch (const Error& error) {
    if (required) throw;
    const bool found = !report_cudnn(options.library_folders, gpu.major, gpu.minor).path.empty();
    why = found ? error.what() : "not found, `doctor` says where it was looked for";
    cudaGetLastError();
    return nullptr;
  }
}

const char* status_text(int code) {
  switch (code) {
    case kStatusTableOutside:
      return "resample: a table points outside of x";
    case kStatusPlaceOutside:
      return "gather_patches: a place or turn is none of the patches held";
    default:
      return "a kernel reported an unknown fault";
  }
}

}  // namespace

CudaDevice::CudaDevice(const CudaOptions& options) {
  const CudaReport found = report();
  BANDLIFT_CHECK(found.reason.empty(), device, found.reason);
  BANDLIFT_CHECK(options.index >= 0 && static_cast<size_t>(options.index) < found.gpus.size(), device,
                 "there is no cuda:" + std::to_string(options.index) + ": this machine has " +
                     std::to_string(found.gpus.size()) + " GPU" + (found.gpus.size() == 1 ? "" : "s") +
                     ", numbered from 0");
  const CudaReport::Gpu& gpu = found.gpus[static_cast<size_t>(options.index)];
  BANDLIFT_CHECK(gpu.reason.empty(), device, gpu.reason);

  Context context;
  context.device = options.index;
  check(cudaSetDevice(context.device), "opening cuda:" + std::to_string(options.index));
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, context.device), "asking for the GPU's properties");
  context.major = properties.major;
  context.minor = properties.minor;
  context.multiprocessors = properties.multiProcessorCount;
  context.tf32 = options.tf32 && properties.major >= 8;
  context.deterministic = options.deterministic;
  context.synchronous = flag("BANDLIFT_SYNC");
  BANDLIFT_CHECK(!options.tf32 || context.tf32, device,
                 "tf32 needs compute capability 8.0, " + gpu.name + " has " + gpu.compute_capability +
                     ": use --precision fp32 or fp16");
  capability_ = properties.major * 10 + properties.minor;
  size_t free_bytes = 0, total = 0;
  check(cudaMemGetInfo(&free_bytes, &total), "asking for the GPU's memory");
  info_ = {"cuda", gpu.name, "sm_" + std::to_string(capability_), 0, 16, static_cast<int64_t>(free_bytes), ""};

  Handles& h = handles_;
  check(cudaStreamCreateWithFlags(&h.stream, cudaStreamNonBlocking), "making a stream");
  context.stream = h.stream;
  check(cudaMalloc(reinterpret_cast<void**>(&h.status), sizeof(Status)), "allocating the status word");
  check(cudaMallocHost(reinterpret_cast<void**>(&h.host_status), sizeof(Status)), "allocating the status word");
  check(cudaMemsetAsync(h.status, 0, sizeof(Status), h.stream), "clearing the status word");
  context.status = h.status;
  allocator_ = std::make_shared<Allocator>(context.device);
  staging_ = std::make_shared<Staging>(context.device);
  std::vector<std::shared_ptr<ConvProvider>> providers;
  std::string why;
  if (auto cudnn = open_cudnn(context, options, gpu, allocator_, why)) {
    info_.convolutions = "cuDNN " + cudnn->version();
    providers.push_back(std::move(cudnn));
  } else {
    info_.convolutions = "no cuDNN: " + why;
  }
  providers.push_back(make_own_conv_provider(context));
  backend_ = std::make_unique<CudaBackend>(context, std::move(providers));
  ports_ = std::make_unique<PortCopies>(handles_.stream);
  submit([device = context.device] { cudaSetDevice(device); });  // the current device is per thread
}

// Errors are not looked at: at the end of a process the driver may be gone already.
CudaDevice::~CudaDevice() {
  stop();
  cudaSetDevice(backend_->context().device);
  backend_.reset();
  cudaStreamSynchronize(handles_.stream);
}

CudaDevice::Handles::~Handles() {
  if (stream != nullptr) cudaStreamDestroy(stream);
  if (status != nullptr) cudaFree(status);
  if (host_status != nullptr) cudaFreeHost(host_status);
}

bool CudaDevice::stores(DType type) const {
  return type == DType::f32 || type == DType::f16 || (type == DType::bf16 && capability_ >= 80);
}

std::shared_ptr<Buffer> CudaDevice::allocate(size_t bytes) {
  auto buffer = std::make_shared<DeviceBuffer>(bytes, allocator_, staging_, stats_);
  check(cudaSetDevice(backend_->context().device), "choosing the device");
  check(cudaMemset(buffer->data(), 0, bytes), "clearing a buffer");
  check(cudaStreamSynchronize(cudaStreamLegacy), "clearing a buffer");  // streams that compute do not wait for it
  return buffer;
}

void CudaDevice::upload(Buffer& buffer, size_t offset, const void* source, size_t bytes) {
  if (!ports_->upload(buffer.data() + offset, source, bytes)) buffer.write(source, offset, bytes);
}

void CudaDevice::download(const Buffer& buffer, size_t offset, void* target, size_t bytes) {
  if (!ports_->download(target, buffer.data() + offset, bytes)) late_.push_back({&buffer, offset, target, bytes});
}

void CudaDevice::finish() {
  const std::vector<Late> late = std::exchange(late_, {});
  cudaError_t error =
      cudaMemcpyAsync(handles_.host_status, handles_.status, sizeof(Status), cudaMemcpyDeviceToHost, handles_.stream);
  if (error == cudaSuccess) error = cudaStreamSynchronize(handles_.stream);
  if (error != cudaSuccess) {
    ports_->forget();
    throw DeviceFault(ErrorCode::device, -1, "the GPU failed while it ran the program: " + lost_context(error));
  }
  if (handles_.host_status->code == kStatusOk) {
    ports_->deliver();
    for (const Late& l : late) l.buffer->read(l.target, l.offset, l.bytes);
    return;
  }
  ports_->forget();
  const Status status = *handles_.host_status;
  check(cudaMemsetAsync(handles_.status, 0, sizeof(Status), handles_.stream), "clearing the status word");
  throw DeviceFault(ErrorCode::shape, status.instruction, status_text(status.code));
}

std::unique_ptr<Recording> CudaDevice::record(const std::function<void()>& enqueue, std::string& why) {
  why = "BANDLIFT_SYNC=1";
  if (backend_->context().synchronous) return nullptr;
  check(cudaStreamBeginCapture(handles_.stream, cudaStreamCaptureModeThreadLocal), "recording a program");
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  why.clear();
  try {
    enqueue();
  } catch (const std::exception& error) {
    why = error.what();
  }
  cudaError_t error = cudaStreamEndCapture(handles_.stream, &graph);
  if (why.empty() && error == cudaSuccess) error = cudaGraphInstantiate(&executable, graph, 0);
  if (graph != nullptr) cudaGraphDestroy(graph);
  if (executable != nullptr) return std::make_unique<GraphRecording>(executable);
  // Something may run and yet not be recorded, an engine of a library perhaps; what is wrong otherwise is found again
  // when it is run.
  if (why.empty()) why = std::string(cudaGetErrorName(error)) + ": " + cudaGetErrorString(error);
  cudaGetLastError();
  return nullptr;
}

void CudaDevice::replay(Recording& recording) {
  check(cudaGraphLaunch(static_cast<GraphRecording&>(recording).graph, handles_.stream),
        "launching a recorded program");
}

}  // namespace bandlift::cuda
