// What a machine offers to CUDA, in words a user can act on.
#include <algorithm>

#include "cuda/cuda_device.h"

namespace bandlift::cuda {

namespace {

std::string cuda_version(int version) {
  return version == 0 ? "" : std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

std::string architectures_text() {
  std::string text;
  for (int a : built_architectures()) text += (text.empty() ? "sm_" : ", sm_") + std::to_string(a);
  return text;
}

// Machine code runs on the same major version from its own minor version on; newer GPUs translate the PTX of the last.
std::string why_not(int major, int minor) {
  const int capability = major * 10 + minor;
  const auto& built = built_architectures();
  const bool code = std::any_of(built.begin(), built.end(), [&](int a) { return a / 10 == major && a <= capability; });
  if (code || capability > built.back()) return "";
  return "this build has code for " + architectures_text() + "; the GPU is sm_" + std::to_string(capability) +
         ": use --device cpu";
}

std::string driver_reason(cudaError_t error, int driver) {
  if (driver == 0)
    return "no NVIDIA driver was found: install one (CUDA 12 needs version 525 or newer), or use --device cpu";
  if (error == cudaErrorNoDevice)
    return "the NVIDIA driver sees no GPU (is one in the machine, is CUDA_VISIBLE_DEVICES empty?): use --device cpu";
  if (error == cudaErrorInsufficientDriver)
    return "the NVIDIA driver (for CUDA " + cuda_version(driver) +
           ") is too old for this build: install version 525 or newer, or use --device cpu";
  return std::string("CUDA does not start: ") + cudaGetErrorString(error) + " (" + cudaGetErrorName(error) +
         "); use --device cpu";
}

}  // namespace

const std::vector<int>& built_architectures() {
  static const std::vector<int> built = {BANDLIFT_CUDA_ARCHITECTURES};
  return built;
}

// The parts after the driver's are asked for even without one: they tell what would be missing.
static void add_libraries(CudaReport& result, const std::vector<std::string>& folders) {
  int major = 0, minor = 0;
  for (const auto& gpu : result.gpus)
    if (gpu.reason.empty() && major == 0) major = gpu.major, minor = gpu.minor;
  result.libraries.emplace_back("cuDNN", report_cudnn(folders, major, minor));
  result.libraries.emplace_back("NCCL", report_nccl(folders));
}

static CudaReport report_gpus() {
  CudaReport result;
  int runtime = 0, driver = 0, count = 0;
  cudaRuntimeGetVersion(&runtime);
  cudaDriverGetVersion(&driver);
  result.runtime = cuda_version(runtime);
  result.driver = cuda_version(driver);
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess || count == 0) {
    cudaGetLastError();
    result.reason = driver_reason(error == cudaSuccess ? cudaErrorNoDevice : error, driver);
    return result;
  }
  for (int i = 0; i < count; ++i) {
    cudaDeviceProp p;
    if (cudaGetDeviceProperties(&p, i) != cudaSuccess) {
      cudaGetLastError();
      result.gpus.push_back({i, 0, 0, "GPU " + std::to_string(i), "", 0, "it does not answer (see nvidia-smi)"});
      continue;
    }
    result.gpus.push_back({i, p.major, p.minor, p.name, std::to_string(p.major) + "." + std::to_string(p.minor),
                           p.totalGlobalMem, why_not(p.major, p.minor)});
  }
  if (std::none_of(result.gpus.begin(), result.gpus.end(), [](const auto& gpu) { return gpu.reason.empty(); }))
    result.reason = result.gpus.front().name + ": " + result.gpus.front().reason;
  return result;
}

CudaReport report() {
  return report_gpus();
}

CudaReport report(const std::vector<std::string>& library_folders) {
  CudaReport result = report_gpus();
  add_libraries(result, library_folders);
  return result;
}

}  // namespace bandlift::cuda
