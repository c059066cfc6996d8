// What tests of the cuDNN provider share: the stand-in library (test/native/fake_cudnn) on an emulated GPU, folders
// and variables of their own, tensors in device memory.
#pragma once
#include <cuda_runtime.h>
#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "check.h"
#include "cuda/cudnn/provider.h"
#include "emulation.h"

namespace cudnn_fixture {

namespace fs = std::filesystem;
using namespace bandlift;
using namespace bandlift::cuda;

// A variable's value until the end of the scope.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old;
    set(value);
  }
  ~Variable() { set(old_ ? old_->c_str() : nullptr); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  void set(const char* value) { value ? setenv(name_, value, 1) : unsetenv(name_); }
  const char* name_;
  std::optional<std::string> old_;
};

class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "bandlift-cudnn-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Folder() { fs::remove_all(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  fs::path path;
};

inline std::string read_text(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}
inline void write_text(const fs::path& file, const std::string& text) {
  std::ofstream(file, std::ios::binary) << text;
}

// The message of the Error(device) that `body` throws.
template <typename F>
std::string device_error(const F& body) {
  try {
    body();
  } catch (const Error& error) {
    REQUIRE(error.code == ErrorCode::device);
    return error.what();
  }
  check::fail("expected an error");
}

inline void require_text(const std::string& text, const std::string& part) {
  if (text.find(part) == std::string::npos) check::fail("'" + text + "' does not say '" + part + "'");
}

// An emulated GPU with a stream, and the stand-in for cuDNN as the library that is found.
class Machine {
 public:
  explicit Machine(int major = 9, int minor = 0) : library_("BANDLIFT_CUDNN", BANDLIFT_FAKE_CUDNN) {
    emulation::reset();
    emulation::set_compute_capability(major, minor);
    context.major = major;
    context.minor = minor;
    context.multiprocessors = 4;
    REQUIRE(cudaStreamCreateWithFlags(&context.stream, cudaStreamNonBlocking) == cudaSuccess);
  }
  ~Machine() { emulation::reset(); }
  std::shared_ptr<ConvProvider> provider(std::shared_ptr<ConvChoiceCache> cache, bool measure = true,
                                         const fs::path& plans = "", const std::string& gpu = "NVIDIA H200") {
    CudnnOptions options;
    options.device_name = gpu;
    options.measure = measure;
    options.cache = std::move(cache);
    options.fuse_from_bytes = 0;  // small ones too
    options.plan_folder = plans;
    return make_cudnn_provider(context, options);
  }
  void finish() { REQUIRE(cudaStreamSynchronize(context.stream) == cudaSuccess); }
  Context context;

 private:
  Variable library_;
};

// What the stand-in tells of itself.
inline int64_t fake(const char* name) {
  void* library = dlopen(BANDLIFT_FAKE_CUDNN, RTLD_NOW);
  REQUIRE(library != nullptr);
  const auto function = reinterpret_cast<int64_t (*)()>(dlsym(library, name));
  const int64_t answer = function();
  dlclose(library);
  return answer;
}
inline int64_t last_engine() {
  return fake("fake_cudnn_last_engine");
}
inline int64_t executions() {
  return fake("fake_cudnn_executions");
}
inline int64_t compilations() {
  return fake("fake_cudnn_compilations");
}
// Stored plans that reached the library.
inline int64_t texts_read() {
  return fake("fake_cudnn_texts_read");
}

// ---- numbers ----
inline double rounded(double v, DType type) {
  if (type == DType::f32) return static_cast<float>(v);
  if (type == DType::f16) return static_cast<double>(static_cast<_Float16>(v));
  const auto f = static_cast<float>(v);
  uint32_t bits;
  std::memcpy(&bits, &f, sizeof bits);
  bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u;
  float back;
  std::memcpy(&back, &bits, sizeof back);
  return back;
}

// A dense vector in device memory, of numbers that its type holds exactly.
class DeviceVector {
 public:
  DeviceVector(DType type, const std::vector<double>& values) : type_(type), values_(values) {
    REQUIRE(cudaMalloc(&data, bytes()) == cudaSuccess);
    std::vector<char> raw(bytes());
    for (size_t i = 0; i < values.size(); ++i) put(raw.data(), i, values[i]);
    REQUIRE(cudaMemcpy(data, raw.data(), bytes(), cudaMemcpyHostToDevice) == cudaSuccess);
  }
  ~DeviceVector() { cudaFree(data); }
  DeviceVector(const DeviceVector&) = delete;
  DeviceVector& operator=(const DeviceVector&) = delete;
  const std::vector<double>& values() const { return values_; }
  std::vector<double> read() const {
    std::vector<char> raw(bytes());
    REQUIRE(cudaMemcpy(raw.data(), data, bytes(), cudaMemcpyDeviceToHost) == cudaSuccess);
    std::vector<double> all(values_.size());
    for (size_t i = 0; i < all.size(); ++i) all[i] = get(raw.data(), i);
    return all;
  }
  void* data = nullptr;

 private:
  size_t bytes() const { return values_.size() * static_cast<size_t>(element_bytes(type_)); }
  void put(char* raw, size_t i, double value) const {
    const auto f = static_cast<float>(value);
    uint32_t bits;
    std::memcpy(&bits, &f, sizeof bits);
    const auto half = static_cast<_Float16>(value);
    const auto high = static_cast<uint16_t>(bits >> 16);
    if (type_ == DType::f32)
      std::memcpy(raw + 4 * i, &f, 4);
    else
      std::memcpy(raw + 2 * i, type_ == DType::f16 ? static_cast<const void*>(&half) : &high, 2);
  }
  double get(const char* raw, size_t i) const {
    float f = 0;
    _Float16 half = 0;
    uint32_t bits = 0;
    if (type_ == DType::f32) {
      std::memcpy(&f, raw + 4 * i, 4);
    } else if (type_ == DType::f16) {
      std::memcpy(&half, raw + 2 * i, 2);
      f = static_cast<float>(half);
    } else {
      uint16_t high;
      std::memcpy(&high, raw + 2 * i, 2);
      bits = static_cast<uint32_t>(high) << 16;
      std::memcpy(&f, &bits, sizeof f);
    }
    return f;
  }

  DType type_;
  std::vector<double> values_;
};

inline std::vector<double> random_values(int64_t count, DType type, unsigned seed) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<double> uniform(-1, 1);
  std::vector<double> values(static_cast<size_t>(count));
  for (double& v : values) v = rounded(uniform(generator), type);
  return values;
}

// Everything one problem needs, on the device.
struct Tensors {
  Tensors(const ConvProblem& p, unsigned seed)
      : x(p.type, random_values(p.n * p.h * p.w * p.ci, p.type, seed)),
        w(p.type, random_values(p.co * p.kh * p.kw * p.ci, p.type, seed + 1)),
        y(p.type, random_values(p.n * p.h * p.w * p.co, p.type, seed + 2)),
        bias(DType::f32, random_values(p.co, DType::f32, seed + 3)),
        add(p.type, random_values(result_size(p), p.type, seed + 4)),
        mask(p.type, random_values(result_size(p), p.type, seed + 5)) {}
  static int64_t result_size(const ConvProblem& p) {
    return p.n * p.h * p.w * (p.pass == ConvPass::backward_data ? p.ci : p.co);
  }
  ConvBuffers buffers() const { return {x.data, w.data, y.data}; }
  DeviceVector x, w, y, bias, add, mask;
};

// Scratch memory, full of NaN.
class Scratch {
 public:
  explicit Scratch(size_t bytes) {
    REQUIRE(cudaMalloc(&data, bytes) == cudaSuccess);
    REQUIRE(cudaMemset(data, 0xff, bytes) == cudaSuccess);
  }
  ~Scratch() { cudaFree(data); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  void* data = nullptr;
};

}  // namespace cudnn_fixture
