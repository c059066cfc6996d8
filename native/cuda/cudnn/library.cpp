#include "cuda/cudnn/library.h"

#include <dlfcn.h>

namespace bandlift::cuda::cudnn {

std::string explain(const Api& api, Status status, const std::string& what) {
  std::string text = "cuDNN: " + what + ": ";
  text += api.cudnnGetErrorString ? api.cudnnGetErrorString(status) : "status";
  text += " [" + std::to_string(status) + "]";
  char message[1024] = "";
  if (api.cudnnGetLastErrorString) api.cudnnGetLastErrorString(message, sizeof message);
  message[sizeof message - 1] = '\0';
  if (message[0]) text += std::string(" (") + message + ")";
  return text;
}

void check(const Api& api, Status status, const std::string& what) {
  BANDLIFT_CHECK(status == kSuccess, device, explain(api, status, what));
}

std::string version_text(size_t version) {
  return std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
         std::to_string(version % 100);
}

namespace {

template <typename F>
void find(const FoundLibrary& library, const char* name, F& function, bool optional = false) {
  function = reinterpret_cast<F>(dlsym(library.handle, name));
  BANDLIFT_CHECK(function || optional, device,
                 "cuDNN at " + library.path + " has no function " + name + ": is it cuDNN 9?");
}

}  // namespace

Api resolve(const FoundLibrary& library) {
  Api api;
#define BANDLIFT_FIND(name) find(library, #name, api.name)
  BANDLIFT_FIND(cudnnGetVersion);
  const size_t version = api.cudnnGetVersion();
  BANDLIFT_CHECK(version >= 90000, device,
                 "cuDNN at " + library.path + " is version " + std::to_string(version) +
                     ", expected 9.0 or newer: pip install nvidia-cudnn-cu12");
  BANDLIFT_FIND(cudnnGetErrorString);
  find(library, "cudnnGetLastErrorString", api.cudnnGetLastErrorString, true);
  find(library, "cudnnGetCudartVersion", api.cudnnGetCudartVersion, true);
  BANDLIFT_FIND(cudnnCreate);
  BANDLIFT_FIND(cudnnDestroy);
  BANDLIFT_FIND(cudnnSetStream);
  BANDLIFT_FIND(cudnnBackendCreateDescriptor);
  BANDLIFT_FIND(cudnnBackendDestroyDescriptor);
  BANDLIFT_FIND(cudnnBackendFinalize);
  BANDLIFT_FIND(cudnnBackendSetAttribute);
  BANDLIFT_FIND(cudnnBackendGetAttribute);
  BANDLIFT_FIND(cudnnBackendExecute);
#undef BANDLIFT_FIND
  return api;
}

std::string unfit(size_t version, int major, int minor) {
  const int capability = major * 10 + minor;
  const std::string gpu = "this GPU (sm_" + std::to_string(capability) + ")";
  // 9.11 dropped every architecture before Turing; 9.10.2 is the last with Volta.
  if (capability < 75 && version >= 91100)
    return "cuDNN " + version_text(version) + " has no code for " + gpu + ": install nvidia-cudnn-cu12==9.10.2.21";
  return "";
}

std::string unfit_driver(const Api& api) {
  int driver = 0;
  if (!api.cudnnGetCudartVersion || cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0) return "";
  const int built_for = static_cast<int>(api.cudnnGetCudartVersion() / 1000), runs = driver / 1000;
  if (built_for <= runs) return "";
  return "cuDNN is built for CUDA " + std::to_string(built_for) + ", the driver runs CUDA " + std::to_string(runs) +
         ": install nvidia-cudnn-cu" + std::to_string(runs) + ", or a newer driver";
}

Library::Library(FoundLibrary found, int major, int minor) : path_(found.path) {
  BANDLIFT_CHECK(found.found(), device,
                 "cuDNN 9 (libcudnn.so.9) " + found.why() +
                     ". Install it (pip install nvidia-cudnn-cu12) or set BANDLIFT_CUDNN to its file or folder");
  api_ = resolve(found);
  version_ = api_.cudnnGetVersion();
  for (const std::string& problem : {unfit(version_, major, minor), unfit_driver(api_)})
    BANDLIFT_CHECK(problem.empty(), device, problem);
  check(api_, api_.cudnnCreate(&handle_), "cudnnCreate (" + path_ + ")");
}

Library::~Library() {
  if (handle_) api_.cudnnDestroy(handle_);
}

}  // namespace bandlift::cuda::cudnn
