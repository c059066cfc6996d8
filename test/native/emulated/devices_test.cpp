// Devices, limits of launches, out-of-memory and leaks of the emulated runtime.
#include <cstring>

#include "kernels.h"

using namespace kernels;

namespace {

__global__ void nothing() {}
__global__ void fill_shared(int bytes, int* sum) {
  auto* p = static_cast<unsigned char*>(bandlift_emulated_shared());
  int total = 0;
  for (int i = 0; i < bytes; ++i) total += p[i];
  *sum = total;
}

}  // namespace

TEST("emulation: machines without a driver or a device say so") {
  const Machine machine;
  int count = -1;
  void* p = nullptr;
  emulation::set_no_driver(true);
  REQUIRE(cudaGetDeviceCount(&count) == cudaErrorInsufficientDriver && count == 0);
  REQUIRE(cudaMalloc(&p, 4) == cudaErrorInsufficientDriver);
  REQUIRE(cudaDriverGetVersion(&count) == cudaSuccess && count == 0);
  emulation::set_no_driver(false);
  emulation::set_device_count(0);
  REQUIRE(cudaGetDeviceCount(&count) == cudaErrorNoDevice && count == 0);
  REQUIRE(cudaSetDevice(0) == cudaErrorNoDevice);
  REQUIRE(std::string(cudaGetErrorName(cudaErrorNoDevice)) == "cudaErrorNoDevice");
  REQUIRE(std::string(cudaGetErrorString(cudaErrorMemoryAllocation)) == "out of memory");
  cudaGetLastError();
}

TEST("emulation: devices have the set properties, and each its own memory and streams") {
  const Machine machine;
  emulation::set_device_count(2);
  emulation::set_compute_capability(7, 0);
  emulation::set_memory(1 << 20);
  cudaDeviceProp p;
  ok(cudaGetDeviceProperties(&p, 1));
  REQUIRE(std::string(p.name) == "emulated" && p.major == 7 && p.minor == 0 && p.multiProcessorCount == 4);
  REQUIRE(p.totalGlobalMem == 1 << 20);
  int value = 0;
  ok(cudaDeviceGetAttribute(&value, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0));
  REQUIRE(value == 96 << 10);
  REQUIRE(cudaGetDeviceProperties(&p, 2) == cudaErrorInvalidDevice && cudaSetDevice(-1) == cudaErrorInvalidDevice);
  void* mine = nullptr;
  ok(cudaMalloc(&mine, 1 << 19));
  cudaStream_t stream = nullptr;
  ok(cudaStreamCreate(&stream));
  ok(cudaSetDevice(1));
  size_t free = 0, total = 0;
  ok(cudaMemGetInfo(&free, &total));
  REQUIRE(free == 1 << 20 && total == 1 << 20);
  REQUIRE(launch(nothing, 1, 1, 0, stream) == cudaErrorInvalidResourceHandle);
  ok(cudaSetDevice(0));
  ok(cudaMemGetInfo(&free, &total));
  REQUIRE(free == 1 << 19);
  cudaPointerAttributes attributes;
  ok(cudaPointerGetAttributes(&attributes, mine));
  REQUIRE(attributes.type == cudaMemoryTypeDevice && attributes.device == 0);
  ok(cudaFree(mine));
}

TEST("emulation: launches beyond CUDA's limits are refused with CUDA's errors") {
  const Machine machine;
  const auto error = [](dim3 grid, dim3 block, size_t shared) { return launch(nothing, grid, block, shared, nullptr); };
  ok(error(1, dim3(32, 32), 48 << 10));
  ok(error(dim3(1, 65535, 1), 1, 0));
  for (const dim3 block : {dim3(1025), dim3(0), dim3(32, 33), dim3(1, 1, 65)})
    REQUIRE(error(1, block, 0) == cudaErrorInvalidConfiguration);
  for (const dim3 grid : {dim3(0), dim3(1, 65536), dim3(1, 1, 65536), dim3(0x80000000u)})
    REQUIRE(error(grid, 1, 0) == cudaErrorInvalidConfiguration);
  REQUIRE(error(1, 1, (48 << 10) + 1) == cudaErrorInvalidValue);
  void (*null)() = nullptr;
  REQUIRE(launch(null, 1, 1, 0, nullptr) == cudaErrorInvalidDeviceFunction);
  ok(cudaDeviceSynchronize());
  REQUIRE(emulation::launch_count() == 2);
  cudaGetLastError();
}

TEST("emulation: more shared memory after cudaFuncSetAttribute, up to 96 KiB, all of it 0xff") {
  const Machine machine;
  const Device<int> sum(1);
  const int bytes = 96 << 10;
  REQUIRE(launch(fill_shared, 1, 1, bytes, nullptr, bytes, sum.data()) == cudaErrorInvalidValue);
  REQUIRE(cudaFuncSetAttribute(fill_shared, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes + 1) ==
          cudaErrorInvalidValue);
  ok(cudaFuncSetAttribute(fill_shared, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes));
  ok(launch(fill_shared, 1, 1, bytes, nullptr, bytes, sum.data()));
  REQUIRE(sum.values()[0] == bytes * 255);
  int blocks = 0;
  ok(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, nothing, 256, 40 << 10));
  REQUIRE(blocks == 2);  // of 40 KiB in 96
  ok(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, nothing, 256, 0));
  REQUIRE(blocks == 8);  // of 256 threads in 2048
}

TEST("emulation: memory runs out, comes back, and what is not freed is counted") {
  const Machine machine;
  emulation::set_memory(1000);
  void *a = nullptr, *b = nullptr, *pinned = nullptr;
  ok(cudaMalloc(&a, 600));
  REQUIRE(cudaMalloc(&b, 401) == cudaErrorMemoryAllocation && b == nullptr);
  REQUIRE(cudaGetLastError() == cudaErrorMemoryAllocation && cudaGetLastError() == cudaSuccess);  // not sticky
  REQUIRE(cudaMalloc(&b, ~size_t{0} - 100) == cudaErrorMemoryAllocation);
  ok(cudaMalloc(&b, 400));
  ok(cudaMallocHost(&pinned, 5000));  // of the host
  REQUIRE(emulation::allocated_bytes() == 1000 && emulation::allocation_count() == 3);
  REQUIRE(cudaFree(static_cast<char*>(a) + 16) == cudaErrorInvalidValue && cudaFree(pinned) == cudaErrorInvalidValue);
  ok(cudaFree(a));
  REQUIRE(cudaFree(a) == cudaErrorInvalidValue);
  ok(cudaFree(nullptr));
  REQUIRE(emulation::allocated_bytes() == 400 && emulation::allocation_count() == 2);
  ok(cudaFree(b));
  ok(cudaFreeHost(pinned));
  REQUIRE(emulation::allocation_count() == 0);
  cudaGetLastError();
}

TEST("emulation: new memory holds NaN, not zeros") {
  const Machine machine;
  for (const float v : Device<float>(1000).values()) REQUIRE(std::isnan(v));
}
