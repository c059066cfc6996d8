// What kernels of the emulated GPU write beside shared and device memory, and host code that touches device memory.
#include "kernels.h"

using namespace kernels;

namespace {

__global__ void past_shared(int by) {
  static_cast<unsigned char*>(bandlift_emulated_shared())[static_cast<int>(blockDim.x) - 1 + by] = 1;
}

__global__ void past_device(float* x, int i) {
  x[i] = 1;
}

// Neighbours of a static array in shared memory: AddressSanitizer guards it where the kernel has internal linkage.
__global__ void past_static_shared(int i) {
  __shared__ float part[8];
  float* p = part;
  asm volatile("" : "+r"(p));  // or the compiler itself would see it
  p[i] = 1;
  __syncthreads();
  if (part[0] > 2) __trap();
}

}  // namespace

#if defined(__SANITIZE_ADDRESS__)
namespace {
void dies_of(const Ended& ended, const std::string& report) {
  REQUIRE(ended.status != 0);
  contains(ended.error, report);
}
}  // namespace

TEST("emulation: AddressSanitizer reports every access beside shared and device memory") {
  const Machine machine;
  const Device<float> x(10);
  const auto run = [](cudaError_t launched) {
    ok(launched);
    cudaDeviceSynchronize();
  };
  for (int by : {1, 20}) {
    const Ended ended = in_child([&] { run(launch(past_shared, 1, 33, 33, nullptr, by)); });
    dies_of(ended, "heap-buffer-overflow");
  }
  dies_of(in_child([&] { run(launch(past_device, 1, 1, 0, nullptr, x.data(), 10)); }), "heap-buffer-overflow");
  dies_of(in_child([&] { run(launch(past_device, 1, 1, 0, nullptr, x.data(), -1)); }), "heap-buffer-overflow");
  dies_of(in_child([&] { run(launch(past_static_shared, 1, 1, 0, nullptr, 8)); }), "global-buffer-overflow");
  REQUIRE(in_child([&] { run(launch(past_device, 1, 1, 0, nullptr, x.data(), 9)); }).status == 0);
  // the host itself must not touch device memory
  dies_of(in_child([&] { x.data()[3] = 1; }), "use-after-poison");
}
#else
TEST("emulation: writes beside shared and device memory are a fault") {
  for (int by : {1, 20, -40}) {
    const Machine machine;
    contains(fault_of(launch(past_shared, 1, 33, 33, nullptr, by)),
             by > 0 ? "behind the 33 bytes of dynamic shared memory" : "before the dynamic shared memory");
  }
  {
    const Machine machine;
    ok(launch(past_shared, 1, 33, 33, nullptr, 0));
    ok(launch(past_static_shared, 1, 1, 0, nullptr, 7));
    ok(cudaDeviceSynchronize());
  }
  for (int i : {10, -1}) {
    const Machine machine;
    const Device<float> x(10);
    emulation::name_next_launch("past");
    ok(launch(past_device, 1, 1, 0, nullptr, x.data(), i));
    REQUIRE(cudaDeviceSynchronize() == cudaErrorIllegalAddress);
    contains(emulation::last_fault(), "kernel 'past' wrote");
    contains(emulation::last_fault(), i < 0 ? "before an allocation of 40 bytes" : "behind an allocation of 40 bytes");
  }
}

TEST("emulation: the host itself cannot touch device memory") {
  const Machine machine;
  const Device<float> x(10);
  const Ended ended = in_child([&] { x.data()[3] = 1; });
  REQUIRE(WIFSIGNALED(ended.status) && WTERMSIG(ended.status) == SIGSEGV);
}
#endif
