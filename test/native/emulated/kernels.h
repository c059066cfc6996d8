// What tests of the emulated GPU share: launches, device memory that belongs to a test, checked calls.
#pragma once
#include <cuda_runtime.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "check.h"
#include "emulation.h"

namespace kernels {

namespace emulation = bandlift::emulation;

inline void ok(cudaError_t error, const std::string& what = "call") {
  if (error != cudaSuccess)
    check::fail(what + ": " + cudaGetErrorName(error) + " " + bandlift::emulation::last_fault());
}

template <typename... P, typename... A>
cudaError_t launch(void (*kernel)(P...), dim3 grid, dim3 block, size_t shared, cudaStream_t stream, A... arguments) {
  const auto go = [&](P... parameters) {
    void* pointers[] = {static_cast<void*>(&parameters)..., nullptr};
    return cudaLaunchKernel(kernel, grid, block, pointers, shared, stream);
  };
  return go(static_cast<P>(arguments)...);
}

// A fresh machine for one test.
struct Machine {
  Machine() { emulation::reset(); }
  ~Machine() { emulation::reset(); }
};

template <typename T>
class Device {
 public:
  explicit Device(size_t count) : count_(count) { ok(cudaMalloc(&data_, count * sizeof(T)), "cudaMalloc"); }
  explicit Device(const std::vector<T>& values) : Device(values.size()) {
    ok(cudaMemcpy(data_, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice), "upload");
  }
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  ~Device() { cudaFree(data_); }
  T* data() const { return data_; }
  std::vector<T> values() const {
    std::vector<T> all(count_);
    ok(cudaMemcpy(all.data(), data_, count_ * sizeof(T), cudaMemcpyDeviceToHost), "download");
    return all;
  }

 private:
  T* data_ = nullptr;
  size_t count_;
};

// Waits for a launch that must fail; why it did.
inline std::string fault_of(cudaError_t launched) {
  ok(launched, "launch");  // faults come when somebody waits
  REQUIRE(cudaDeviceSynchronize() == cudaErrorLaunchFailure);
  REQUIRE(cudaGetLastError() == cudaErrorLaunchFailure);
  void* p;
  REQUIRE(cudaMalloc(&p, 16) == cudaErrorLaunchFailure);  // and stay
  return emulation::last_fault();
}

inline void contains(const std::string& text, const std::string& part) {
  if (text.find(part) == std::string::npos) check::fail("'" + text + "' does not name '" + part + "'");
}

// Every order of threads and blocks that tests go through.
struct NamedOrder {
  emulation::Order order;
  uint64_t seed;
};
inline constexpr NamedOrder kOrders[] = {{emulation::Order::ascending, 0},
                                         {emulation::Order::descending, 0},
                                         {emulation::Order::shuffled, 1},
                                         {emulation::Order::shuffled, 2}};

struct Ended {
  int status;         // as waitpid() gives it
  std::string error;  // what it wrote to standard error
};

// Runs body in a child process, which is expected to crash.
template <typename Body>
Ended in_child(const Body& body) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  std::fflush(nullptr);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    dup2(ends[1], 2);
    body();
    _exit(0);
  }
  close(ends[1]);
  Ended ended{0, ""};
  char buffer[4096];
  for (ssize_t n; (n = read(ends[0], buffer, sizeof buffer)) > 0;) ended.error.append(buffer, static_cast<size_t>(n));
  close(ends[0]);
  REQUIRE(waitpid(child, &ended.status, 0) == child);
  return ended;
}

}  // namespace kernels
