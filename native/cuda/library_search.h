// Finds and opens the libraries that are looked for at run time, so that the addon loads on machines without them:
// cuDNN 9 (libcudnn.so.9) and NCCL 2 (libnccl.so.2). Places, in this order:
//   1. the environment variable (BANDLIFT_CUDNN, BANDLIFT_NCCL): a file or a folder; where it is set, nothing else;
//   2. the folders given (side packages in node_modules) and their lib/;
//   3. site-packages of Python: PYTHONPATH, $VIRTUAL_ENV, $CONDA_PREFIX, ~/.local, those on PATH, /usr/local, /usr
//      (nvidia/cudnn/lib; nvidia/cu13/lib for CUDA 13's wheels);
//   4. CUDNN_ROOT, CUDNN_HOME, CUDNN_PATH (NCCL_...) as `module load` sets them, $CONDA_PREFIX/lib;
//   5. the loader's own path (LD_LIBRARY_PATH, ldconfig).
#pragma once
#include <string>
#include <vector>

namespace bandlift::cuda {

// A place that was tried. `failure` is empty where the library was opened.
struct TriedPlace {
  std::string place, failure;
};

struct FoundLibrary {
  void* handle = nullptr;  // of dlopen; never closed: kernels of it may be running
  std::string path;        // the file, or the bare name where the loader found it
  std::vector<TriedPlace> tried;
  bool found() const { return handle != nullptr; }
  // "not found; tried: ..., one place and its failure after another".
  std::string why() const;
};

// Opens every part of cuDNN by its absolute path before libcudnn.so.9 itself, which would ask the loader for them by
// bare names; and libnvrtc and libcublasLt of its CUDA where they lie beside it.
FoundLibrary find_cudnn(const std::vector<std::string>& folders);
FoundLibrary find_nccl(const std::vector<std::string>& folders);

// NCCL is only found and asked for its version: 22809 is 2.28.9; 0 where it does not say.
int nccl_version(const FoundLibrary& library);

}  // namespace bandlift::cuda
