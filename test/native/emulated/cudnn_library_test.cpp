// Finding cuDNN and NCCL, and what is said where they are missing, too old or unfit.
#include <link.h>

#include "cudnn_fixture.h"

using namespace cudnn_fixture;

namespace {

// Nothing of the machine's own is found: no variables, an empty home.
struct Bare {
  Folder folder;
  Variable cudnn{"BANDLIFT_CUDNN", nullptr}, nccl{"BANDLIFT_NCCL", nullptr}, root{"CUDNN_ROOT", nullptr},
      home_root{"CUDNN_HOME", nullptr}, path{"CUDNN_PATH", nullptr}, conda{"CONDA_PREFIX", nullptr},
      venv{"VIRTUAL_ENV", nullptr}, python{"PYTHONPATH", nullptr}, home{"HOME", folder.path.c_str()};
  // Makes folder/PARTS/libcudnn.so.9 and returns it.
  fs::path place(const std::string& parts) const {
    const fs::path file = folder.path / parts / "libcudnn.so.9";
    fs::create_directories(file.parent_path());
    fs::create_symlink(BANDLIFT_FAKE_CUDNN, file);
    return file;
  }
};

void found_at(const fs::path& file, const std::vector<std::string>& folders = {}) {
  const FoundLibrary library = find_cudnn(folders);
  if (!library.found()) check::fail(library.why());
  if (library.path != file.string()) check::fail("found " + library.path + ", expected " + file.string());
  REQUIRE(cudnn::resolve(library).cudnnGetVersion() == 91002);
}

}  // namespace

TEST("cudnn is found by its variable, as a file, a folder or a prefix") {
  const Bare bare;
  const fs::path file = bare.place("prefix/lib");
  for (const fs::path& named : {file, file.parent_path(), file.parent_path().parent_path()}) {
    const Variable variable("BANDLIFT_CUDNN", named.c_str());
    found_at(file);
  }
}

TEST("cudnn is found in side packages, Python's site-packages and modules, in this order") {
  const Bare bare;
  const fs::path module = bare.place("module/lib64");
  const Variable root("CUDNN_ROOT", (bare.folder.path / "module").c_str());
  found_at(module);
  const fs::path on_path = bare.place("tool/lib/python3.12/site-packages/nvidia/cudnn/lib");
  fs::create_directories(bare.folder.path / "tool/bin");
  write_text(bare.folder.path / "tool/bin/python3", "#!");
  const Variable programs("PATH", ("/nowhere:" + (bare.folder.path / "tool/bin").string()).c_str());
  found_at(on_path);
  found_at(bare.place(".local/lib/python3.9/site-packages/nvidia/cudnn/lib"));
  found_at(bare.place(".local/lib/python3.12/site-packages/nvidia/cu13/lib"));  // 3.12 before 3.9
  const fs::path conda = bare.place("conda/lib/python3.11/site-packages/nvidia/cudnn/lib");
  const Variable prefix("CONDA_PREFIX", (bare.folder.path / "conda").c_str());
  found_at(conda);
  const fs::path environment = bare.place("venv/lib/python3.11/site-packages/nvidia/cudnn/lib");
  const Variable venv("VIRTUAL_ENV", (bare.folder.path / "venv").c_str());
  found_at(environment);
  const fs::path path = bare.place("path/nvidia/cudnn/lib");
  const Variable python("PYTHONPATH", ("/nowhere:" + (bare.folder.path / "path").string()).c_str());
  found_at(path);
  const fs::path package = bare.place("node_modules/side/lib");
  found_at(package, {(bare.folder.path / "node_modules/side").string()});
}

namespace {

// Files below `folder` that this process has loaded, in the order in which it loaded them.
std::vector<std::string> loaded_below(const fs::path& folder) {
  struct Answer {
    std::string prefix;
    std::vector<std::string> names;
  } answer{folder.string() + "/", {}};
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* data) {
        auto& all = *static_cast<Answer*>(data);
        const std::string name = info->dlpi_name;
        if (name.rfind(all.prefix, 0) == 0) all.names.push_back(name.substr(all.prefix.size()));
        return 0;
      },
      &answer);
  return answer.names;
}

// The wheels of PyTorch for CUDA 12 and CUDA 13 side by side, around a cuDNN that says which it was built for.
std::vector<std::string> companions_of(const char* cudart, const fs::path& nvidia) {
  const Variable built_for("BANDLIFT_FAKE_CUDNN_CUDART", cudart);
  for (const char* name :
       {"cuda_nvrtc/lib/libnvrtc.so.12", "cuda_nvrtc/lib/libnvrtc-builtins.so.12.9", "cublas/lib/libcublasLt.so.12",
        "cu13/lib/libnvrtc.so.13", "cu13/lib/libnvrtc-builtins.so.13.0", "cu13/lib/libcublasLt.so.13"}) {
    fs::create_directories((nvidia / name).parent_path());
    fs::copy_file(BANDLIFT_FAKE_NVRTC, nvidia / name);
  }
  fs::create_directories(nvidia / "cudnn/lib");
  fs::create_symlink(BANDLIFT_FAKE_CUDNN, nvidia / "cudnn/lib/libcudnn.so.9");
  const Variable named("BANDLIFT_CUDNN", (nvidia / "cudnn/lib").c_str());
  const FoundLibrary library = find_cudnn({});
  if (!library.found()) check::fail(library.why());
  return loaded_below(nvidia);
}

}  // namespace

TEST("beside cuDNN the libraries of its CUDA are opened, NVRTC after its builtins") {
  const Bare bare;
  using Names = std::vector<std::string>;
  REQUIRE(companions_of("13000", bare.folder.path / "a/nvidia") ==
          (Names{"cu13/lib/libnvrtc-builtins.so.13.0", "cu13/lib/libnvrtc.so.13", "cu13/lib/libcublasLt.so.13"}));
  REQUIRE(companions_of("12090", bare.folder.path / "b/nvidia") ==
          (Names{"cuda_nvrtc/lib/libnvrtc-builtins.so.12.9", "cuda_nvrtc/lib/libnvrtc.so.12",
                 "cublas/lib/libcublasLt.so.12"}));
}

TEST("a variable that names nothing is the only place tried, and says so") {
  const Bare bare;
  bare.place(".local/lib/python3.12/site-packages/nvidia/cudnn/lib");
  const Variable variable("BANDLIFT_CUDNN", "/nowhere/libcudnn.so.9");
  Machine machine;
  const Variable again("BANDLIFT_CUDNN", "/nowhere/libcudnn.so.9");
  const std::string text = device_error([&] { machine.provider(nullptr); });
  require_text(text, "cuDNN 9 (libcudnn.so.9) not found; tried: BANDLIFT_CUDNN=/nowhere/libcudnn.so.9 (no such file)");
  require_text(text, "pip install nvidia-cudnn-cu12");
}

TEST("every place tried is told with its failure") {
  const Bare bare;
  const fs::path broken = bare.folder.path / "side" / "libcudnn.so.9";
  fs::create_directories(broken.parent_path());
  write_text(broken, "not a library");
  const Variable root("CUDNN_ROOT", (bare.folder.path / "module").c_str());
  const FoundLibrary library = find_cudnn({broken.parent_path().string()});
  REQUIRE(library.tried.size() >= 4);
  REQUIRE(library.tried[0].place == broken.string());
  require_text(library.tried[0].failure, "file too short");
  require_text(library.why(), (bare.folder.path / "module/lib/libcudnn.so.9").string() + " (no such file)");
  if (!library.found()) require_text(library.tried.back().place, "libcudnn.so.9 on the loader's path");
}

TEST("a library that is not cuDNN, or too old, is refused") {
  Machine machine;
  const Folder folder;
  fs::create_symlink("libm.so.6", folder.path / "libcudnn.so.9");  // dangling
  const Variable dangling("BANDLIFT_CUDNN", folder.path.c_str());
  require_text(device_error([&] { machine.provider(nullptr); }), "(no such file)");

  FoundLibrary other;
  other.handle = dlopen("libm.so.6", RTLD_NOW);
  other.path = "libm.so.6";
  require_text(device_error([&] { cudnn::resolve(other); }),
               "cuDNN at libm.so.6 has no function cudnnGetVersion: is it cuDNN 9?");

  const Variable real("BANDLIFT_CUDNN", BANDLIFT_FAKE_CUDNN), version("BANDLIFT_FAKE_CUDNN_VERSION", "8907");
  require_text(device_error([&] { machine.provider(nullptr); }), "is version 8907, expected 9.0 or newer");
}

TEST("cuDNN without code for the GPU names the last that has") {
  const Variable version("BANDLIFT_FAKE_CUDNN_VERSION", "91400");
  Machine volta(7, 0);
  REQUIRE(device_error([&] { volta.provider(nullptr); }) ==
          "cuDNN 9.14.0 has no code for this GPU (sm_70): install nvidia-cudnn-cu12==9.10.2.21");
  const LibraryReport report = report_cudnn({}, 7, 0);
  REQUIRE(report.version == "9.14.0" && report.path == BANDLIFT_FAKE_CUDNN);
  require_text(report.problem, "has no code for this GPU (sm_70)");
  REQUIRE(report_cudnn({}, 7, 5).problem.empty());
  REQUIRE(report_cudnn({}, 0, 0).problem.empty());
  REQUIRE(cudnn::unfit(91002, 7, 0).empty());
}

TEST("cuDNN for a newer CUDA than the driver's names what to install") {
  Machine machine;  // its driver runs CUDA 12.4
  const Variable built_for("BANDLIFT_FAKE_CUDNN_CUDART", "13000");
  const std::string problem =
      "cuDNN is built for CUDA 13, the driver runs CUDA 12: install nvidia-cudnn-cu12, or a newer driver";
  REQUIRE(device_error([&] { machine.provider(nullptr); }) == problem);
  REQUIRE(report_cudnn({}, 9, 0).problem == problem);
  const Variable newer_minor("BANDLIFT_FAKE_CUDNN_CUDART", "12090");
  REQUIRE(report_cudnn({}, 9, 0).problem.empty());
}

TEST("NCCL is found and asked for its version") {
  const Bare bare;
  const Variable missing("BANDLIFT_NCCL", "/nowhere");
  const LibraryReport report = report_nccl({});
  REQUIRE(report.version.empty());
  require_text(report.problem, "not found; tried: BANDLIFT_NCCL=/nowhere (no such file)");
  const Variable other("BANDLIFT_NCCL", BANDLIFT_FAKE_CUDNN);  // opens, but is no NCCL
  require_text(report_nccl({}).problem, "does not tell its version");
}
