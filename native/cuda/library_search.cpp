#include "cuda/library_search.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <sstream>
#include <system_error>

namespace bandlift::cuda {

namespace fs = std::filesystem;

namespace {

// What to look for, and where Python wheels and modules keep it.
struct Wanted {
  const char* file;
  const char* variable;
  std::vector<const char*> python_folders;  // below site-packages
  std::vector<const char*> roots;           // variables that name a folder with lib/ or lib64/
};

const Wanted kCudnn = {"libcudnn.so.9",
                       "BANDLIFT_CUDNN",
                       {"nvidia/cudnn/lib", "nvidia/cu13/lib"},
                       {"CUDNN_ROOT", "CUDNN_HOME", "CUDNN_PATH", "CONDA_PREFIX"}};
const Wanted kNccl = {"libnccl.so.2",
                      "BANDLIFT_NCCL",
                      {"nvidia/nccl/lib", "nvidia/cu13/lib"},
                      {"NCCL_ROOT", "NCCL_HOME", "NCCL_PATH", "CONDA_PREFIX"}};

// Each needs those before it. Versions from 9.2x have further parts, which need these; libcudnn_adv (recurrent
// networks, attention) has no convolutions.
constexpr const char* kCudnnParts[] = {
    "libcudnn_graph.so.9",     "libcudnn_ops.so.9",
    "libcudnn_cnn.so.9",       "libcudnn_engines_precompiled.so.9",
    "libcudnn_heuristic.so.9", "libcudnn_engines_runtime_compiled.so.9",
};

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::vector<std::string> split_paths(const std::string& list) {
  std::vector<std::string> paths;
  std::istringstream stream(list);
  for (std::string path; std::getline(stream, path, ':');)
    if (!path.empty()) paths.push_back(path);
  return paths;
}

// What lies in `folder` and starts so, the highest number first (python3.12 before python3.9).
std::vector<fs::path> starting_with(const fs::path& folder, const std::string& prefix) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error))
    if (entry->path().filename().string().rfind(prefix, 0) == 0) found.push_back(entry->path());
  const auto rank = [](const fs::path& path) { return std::make_pair(path.filename().string().size(), path); };
  std::sort(found.begin(), found.end(), [&](const fs::path& a, const fs::path& b) { return rank(a) > rank(b); });
  return found;
}

std::vector<fs::path> site_packages() {
  std::vector<fs::path> folders;
  for (const std::string& path : split_paths(variable("PYTHONPATH"))) folders.emplace_back(path);
  std::vector<fs::path> roots;
  for (const char* name : {"VIRTUAL_ENV", "CONDA_PREFIX"})
    if (const std::string value = variable(name); !value.empty()) roots.emplace_back(value);
  if (const std::string home = variable("HOME"); !home.empty()) roots.push_back(fs::path(home) / ".local");
  std::error_code error;
  for (const fs::path folder : split_paths(variable("PATH")))
    if (fs::exists(folder / "python3", error)) roots.push_back(folder.parent_path());
  roots.emplace_back("/usr/local");
  roots.emplace_back("/usr");
  for (const fs::path& root : roots)
    for (const char* lib : {"lib", "lib64"})
      for (const fs::path& python : starting_with(root / lib, "python3"))
        for (const char* packages : {"site-packages", "dist-packages"}) folders.push_back(python / packages);
  return folders;
}

// dlopen's failure, or empty.
std::string open(const std::string& path, void** handle) {
  dlerror();
  *handle = dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (*handle) return "";
  const char* error = dlerror();
  return error ? error : "dlopen failed";
}

// Where the wheels of CUDA 12 and 13 put libraries, around a folder site-packages/nvidia/cudnn/lib.
std::vector<fs::path> neighbours(const fs::path& folder) {
  std::vector<fs::path> around = {folder};
  if (folder.has_parent_path() && folder.parent_path().has_parent_path()) {
    const fs::path nvidia = folder.parent_path().parent_path();
    for (const char* part : {"cuda_nvrtc/lib", "cublas/lib", "cu13/lib"}) around.push_back(nvidia / part);
  }
  return around;
}

// Opens `file`, and what the loader says it lacks where that lies in one of the folders `around`: of several versions
// the one that is asked for. dlopen's failure, or empty.
std::string open_with_needed(const std::string& file, const std::vector<fs::path>& around, void** handle) {
  std::set<std::string> opened;
  for (;;) {
    const std::string failure = open(file, handle);
    const std::string missing = failure.substr(0, failure.find(':'));  // "libcublasLt.so.12: cannot open shared ..."
    if (failure.empty() || missing.find('/') != std::string::npos || !opened.insert(missing).second) return failure;
    std::error_code error;
    const auto has = [&](const fs::path& place) { return fs::exists(place / missing, error); };
    const auto place = std::find_if(around.begin(), around.end(), has);
    void* needed = nullptr;
    if (place == around.end() || !open_with_needed((*place / missing).string(), around, &needed).empty())
      return failure;
  }
}

// What cuDNN asks the loader for while it runs, of the CUDA it was built for (12 or 13; 0: it does not say): NVRTC, which
// compiles fused convolutions, and cuBLASLt. CUDA 13's NVRTC looks for its builtins on the loader's path alone, so they
// are opened before it. Whichever is not there is left to the loader: cuDNN says itself what it misses.
void open_companions(void* cudnn, const std::vector<fs::path>& around) {
  const auto cudart = reinterpret_cast<size_t (*)()>(dlsym(cudnn, "cudnnGetCudartVersion"));
  const size_t major = cudart ? cudart() / 1000 : 0;
  const std::string version = major > 0 ? std::to_string(major) : "";
  for (const std::string name : {"libnvrtc", "libcublasLt"})
    for (const fs::path& place : around) {
      const std::vector<fs::path> files = starting_with(place, name + ".so." + version);
      if (files.empty()) continue;
      void* handle = nullptr;
      for (const fs::path& builtins : starting_with(place, name + "-builtins.so." + version))
        open(builtins.string(), &handle);
      if (open(files.front().string(), &handle).empty()) break;
    }
}

// Opens `file` (an existing path), for cuDNN after its parts.
std::string open_with_parts(const Wanted& wanted, const fs::path& file, void** handle) {
  if (&wanted == &kCudnn) {
    const std::vector<fs::path> around = neighbours(file.parent_path());
    std::vector<fs::path> parts;
    std::error_code error;
    for (const char* part : kCudnnParts)
      if (fs::exists(file.parent_path() / part, error)) parts.push_back(file.parent_path() / part);
    for (const fs::path& part : starting_with(file.parent_path(), "libcudnn_"))
      if (part.extension() == ".9" && part.filename().string().rfind("libcudnn_adv", 0) != 0) parts.push_back(part);
    for (const fs::path& part : parts) {
      void* part_handle = nullptr;
      const std::string failure = open_with_needed(part.string(), around, &part_handle);
      const auto needed = [&](const char* name) { return part.filename() == name; };
      if (!failure.empty() && std::any_of(std::begin(kCudnnParts), std::end(kCudnnParts), needed)) return failure;
    }
    const std::string failure = open_with_needed(file.string(), around, handle);
    if (*handle) open_companions(*handle, around);
    return failure;
  }
  return open(file.string(), handle);
}

class Search {
 public:
  explicit Search(const Wanted& wanted) : wanted_(wanted) {}

  FoundLibrary run(const std::vector<std::string>& folders) {
    if (const std::string named = variable(wanted_.variable); !named.empty()) {
      std::error_code error;
      const std::string label = std::string(wanted_.variable) + "=" + named;
      if (fs::is_directory(named, error)) {
        if (!try_folder(named, true)) try_folder(fs::path(named) / "lib", true);
      } else {
        try_file(named, label);
      }
      return std::move(result_);
    }
    for (const std::string& folder : folders)
      if (try_folder(folder, true) || try_folder(fs::path(folder) / "lib", false)) return std::move(result_);
    for (const fs::path& packages : site_packages())
      for (const char* folder : wanted_.python_folders)
        if (try_folder(packages / folder, false)) return std::move(result_);
    for (const char* name : wanted_.roots)
      if (const std::string root = variable(name); !root.empty())
        for (const char* lib : {"lib", "lib64", "."})
          if (try_folder(fs::path(root) / lib, true)) return std::move(result_);
    try_loader();
    return std::move(result_);
  }

 private:
  bool try_file(const fs::path& file, const std::string& label) {
    std::error_code error;
    if (!seen_.insert(file.string()).second) return false;
    if (!fs::exists(file, error)) {
      result_.tried.push_back({label, "no such file"});
      return false;
    }
    const fs::path absolute = fs::absolute(file, error);
    const std::string failure = open_with_parts(wanted_, error ? file : absolute, &result_.handle);
    result_.tried.push_back({label, failure});
    if (result_.handle) result_.path = absolute.string();
    return result_.found();
  }

  // Folders that nobody named are mentioned only where the file is there.
  bool try_folder(const fs::path& folder, bool named) {
    const fs::path file = folder / wanted_.file;
    std::error_code error;
    if (!named && !fs::exists(file, error)) return false;
    return try_file(file, file.string());
  }

  // cuDNN asks the loader for its parts as well: they are opened first for the error's sake.
  void try_loader() {
    const std::string label = std::string(wanted_.file) + " on the loader's path";
    std::string failure = open(wanted_.file, &result_.handle);
    result_.tried.push_back({label, failure});
    if (!result_.handle) return;
    result_.path = wanted_.file;
    if (&wanted_ != &kCudnn) return;
    for (const char* part : kCudnnParts) {
      void* part_handle = nullptr;
      open(part, &part_handle);
    }
  }

  const Wanted& wanted_;
  FoundLibrary result_;
  std::set<std::string> seen_;
};

}  // namespace

std::string FoundLibrary::why() const {
  std::string text = "not found; tried";
  for (const TriedPlace& t : tried) text += (&t == tried.data() ? ": " : "; ") + t.place + " (" + t.failure + ")";
  return text;
}

FoundLibrary find_cudnn(const std::vector<std::string>& folders) {
  return Search(kCudnn).run(folders);
}

FoundLibrary find_nccl(const std::vector<std::string>& folders) {
  return Search(kNccl).run(folders);
}

int nccl_version(const FoundLibrary& library) {
  if (!library.found()) return 0;
  const auto get = reinterpret_cast<int (*)(int*)>(dlsym(library.handle, "ncclGetVersion"));
  int version = 0;
  return get && get(&version) == 0 ? version : 0;
}

}  // namespace bandlift::cuda
