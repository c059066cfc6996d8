// Devices and what tests set.
#include <algorithm>
#include <cstdio>

#include "emulation.h"
#include "state.h"

using namespace bandlift::emulation;

namespace {

thread_local int device_of_thread = 0;

// Driver and devices, without regard to faults.
cudaError_t driver() {
  const Settings& s = state().settings;
  return s.no_driver ? cudaErrorInsufficientDriver : s.devices == 0 ? cudaErrorNoDevice : cudaSuccess;
}

bool known(int device) {
  return device >= 0 && device < state().settings.devices;
}

constexpr int kMultiprocessors = 4, kClock = 1000000, kMemoryClock = 1000000, kBusWidth = 64, kL2 = 1 << 20;

}  // namespace

namespace bandlift::emulation {

State& state() {
  static State* s = new State;  // never destroyed: kernels may run while the program ends
  return *s;
}

int current_device() {
  return device_of_thread;
}

cudaError_t ready() {
  const cudaError_t error = driver();
  return error != cudaSuccess ? error : state().sticky;
}

void reset() {
  const std::lock_guard<std::recursive_mutex> lock(state().mutex);
  State& s = state();
  release_all_memory();
  s.streams.clear();
  s.legacy.clear();
  s.events.clear();
  s.graphs.clear();
  s.executables.clear();
  s.captures.clear();
  s.shared_limits.clear();
  s.settings = Settings{};
  s.sticky = cudaSuccess;
  forget_error();
  s.fault.clear();
  s.launches = 0;
  device_of_thread = 0;
  set_order(Order::ascending);
}

void set_device_count(int count) {
  const std::lock_guard<std::recursive_mutex> lock(state().mutex);
  state().settings.devices = count;
}
void set_no_driver(bool missing) {
  const std::lock_guard<std::recursive_mutex> lock(state().mutex);
  state().settings.no_driver = missing;
}
void set_compute_capability(int major, int minor) {
  const std::lock_guard<std::recursive_mutex> lock(state().mutex);
  state().settings.major = major;
  state().settings.minor = minor;
}
void set_memory(size_t bytes) {
  const std::lock_guard<std::recursive_mutex> lock(state().mutex);
  state().settings.memory = bytes;
}
size_t launch_count() {
  const std::lock_guard<std::recursive_mutex> lock(state().mutex);
  return state().launches;
}

}  // namespace bandlift::emulation

// ---- devices ----
cudaError_t cudaGetDeviceCount(int* count) {
  const std::lock_guard<std::recursive_mutex> lock(state().mutex);
  *count = 0;
  BANDLIFT_TRY(driver());
  *count = state().settings.devices;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) {
  const std::lock_guard<std::recursive_mutex> lock(state().mutex);
  BANDLIFT_TRY(driver());
  if (!known(device)) return fail(cudaErrorInvalidDevice);
  device_of_thread = device;
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int* device) {
  const std::lock_guard<std::recursive_mutex> lock(state().mutex);
  BANDLIFT_TRY(driver());
  *device = device_of_thread;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  const std::lock_guard<std::recursive_mutex> lock(state().mutex);
  BANDLIFT_TRY(driver());
  if (!known(device)) return fail(cudaErrorInvalidDevice);
  cudaDeviceProp p = {};
  std::snprintf(p.name, sizeof p.name, "emulated");
  p.uuid.bytes[0] = static_cast<char>(device + 1);
  p.totalGlobalMem = state().settings.memory;
  p.sharedMemPerBlock = kSharedPerBlock;
  p.regsPerBlock = p.regsPerMultiprocessor = 65536;
  p.warpSize = 32;
  p.maxThreadsPerBlock = 1024;
  p.maxThreadsDim[0] = p.maxThreadsDim[1] = 1024;
  p.maxThreadsDim[2] = 64;
  p.maxGridSize[0] = 0x7fffffff;
  p.maxGridSize[1] = p.maxGridSize[2] = 65535;
  p.clockRate = kClock;
  p.totalConstMem = 64 << 10;
  p.major = state().settings.major;
  p.minor = state().settings.minor;
  p.multiProcessorCount = kMultiprocessors;
  p.canMapHostMemory = p.concurrentKernels = p.unifiedAddressing = 1;
  p.asyncEngineCount = 2;
  p.pciBusID = device + 1;
  p.memoryClockRate = kMemoryClock;
  p.memoryBusWidth = kBusWidth;
  p.l2CacheSize = kL2;
  p.maxThreadsPerMultiProcessor = 2048;
  p.sharedMemPerMultiprocessor = p.sharedMemPerBlockOptin = kSharedOptin;
  p.maxBlocksPerMultiProcessor = 32;
  *properties = p;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  cudaDeviceProp p;
  BANDLIFT_TRY(cudaGetDeviceProperties(&p, device));
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock:
      *value = p.maxThreadsPerBlock;
      return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlock:
      *value = static_cast<int>(p.sharedMemPerBlock);
      return cudaSuccess;
    case cudaDevAttrWarpSize:
      *value = p.warpSize;
      return cudaSuccess;
    case cudaDevAttrClockRate:
      *value = p.clockRate;
      return cudaSuccess;
    case cudaDevAttrMultiProcessorCount:
      *value = p.multiProcessorCount;
      return cudaSuccess;
    case cudaDevAttrMemoryClockRate:
      *value = p.memoryClockRate;
      return cudaSuccess;
    case cudaDevAttrGlobalMemoryBusWidth:
      *value = p.memoryBusWidth;
      return cudaSuccess;
    case cudaDevAttrL2CacheSize:
      *value = p.l2CacheSize;
      return cudaSuccess;
    case cudaDevAttrMaxThreadsPerMultiProcessor:
      *value = p.maxThreadsPerMultiProcessor;
      return cudaSuccess;
    case cudaDevAttrComputeCapabilityMajor:
      *value = p.major;
      return cudaSuccess;
    case cudaDevAttrComputeCapabilityMinor:
      *value = p.minor;
      return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
      *value = static_cast<int>(p.sharedMemPerMultiprocessor);
      return cudaSuccess;
    case cudaDevAttrCooperativeLaunch:
      *value = p.cooperativeLaunch;
      return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = static_cast<int>(p.sharedMemPerBlockOptin);
      return cudaSuccess;
  }
  return fail(cudaErrorInvalidValue);
}
cudaError_t cudaDeviceGetPCIBusId(char* text, int length, int device) {
  cudaDeviceProp p;
  BANDLIFT_TRY(cudaGetDeviceProperties(&p, device));
  std::snprintf(text, static_cast<size_t>(length), "0000:%02X:00.0", static_cast<unsigned>(p.pciBusID));
  return cudaSuccess;
}
cudaError_t cudaDeviceCanAccessPeer(int* can, int device, int peer) {
  BANDLIFT_ENTER;
  if (!known(device) || !known(peer)) return fail(cudaErrorInvalidDevice);
  *can = 0;
  return cudaSuccess;
}
cudaError_t cudaDeviceReset() {
  const std::lock_guard<std::recursive_mutex> lock(state().mutex);
  BANDLIFT_TRY(driver());
  const Settings settings = state().settings;
  reset();
  state().settings = settings;
  return cudaSuccess;
}
