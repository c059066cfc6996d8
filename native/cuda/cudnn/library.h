// cuDNN opened: its functions, its version, a handle.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "cuda/context.h"
#include "cuda/cudnn/api.h"
#include "cuda/library_search.h"

namespace bandlift::cuda::cudnn {

// "cuDNN: WHAT: CUDNN_STATUS_X (what the library says was wrong)".
std::string explain(const Api& api, Status status, const std::string& what);
// Throws Error(device) with it.
void check(const Api& api, Status status, const std::string& what);

// 91002 -> "9.10.2".
std::string version_text(size_t version);

// The functions of an opened library. Throws Error(device) naming the one that is missing, or the version where it is
// below 9.0.
Api resolve(const FoundLibrary& library);

// Empty where this version has code for the GPU; else what to install instead.
std::string unfit(size_t version, int major, int minor);

// Empty where the driver can run code for the CUDA that the library was built for; else what to install instead.
std::string unfit_driver(const Api& api);

// A library with a handle on the current device.
class Library {
 public:
  // Throws Error(device): not found (with every place tried), too old, or unfit for the GPU.
  Library(FoundLibrary found, int major, int minor);
  ~Library();
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
  const Api& api() const { return api_; }
  Handle handle() const { return handle_; }
  size_t version() const { return version_; }
  const std::string& path() const { return path_; }

 private:
  Api api_;
  Handle handle_ = nullptr;
  size_t version_ = 0;
  std::string path_;
};

}  // namespace bandlift::cuda::cudnn
