// Device and pinned memory: what is allocated, and who may touch it. It starts as 0xff bytes (NaN).
#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "emulation.h"
#include "state.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

using namespace bandlift::emulation;

namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr size_t kMargin = 0;  // exactly its bytes, so that every access beside them is reported
#else
constexpr size_t kMargin = 256;
#endif
constexpr size_t kPage = 4096;
constexpr unsigned char kMarginByte = 0xc5;

int access_depth = 0;  // DeviceAccess objects alive

#if !defined(__SANITIZE_ADDRESS__)
size_t mapped_bytes(const Allocation& allocation) {
  return (allocation.bytes + 2 * kMargin + kPage - 1) / kPage * kPage;
}
#endif

// Device memory can be touched only while a stream's work runs: host code that reads it must fail as it would on a GPU.
// AddressSanitizer reports it; without it, the pages themselves refuse.
void let(const Allocation& allocation, bool touch) {
  if (!allocation.device) return;
#if defined(__SANITIZE_ADDRESS__)
  if (touch)
    __asan_unpoison_memory_region(allocation.memory, allocation.bytes);
  else
    __asan_poison_memory_region(allocation.memory, allocation.bytes);
#else
  if (mprotect(allocation.memory, mapped_bytes(allocation), touch ? PROT_READ | PROT_WRITE : PROT_NONE) != 0) {
    std::perror("emulation: protection of device memory");
    std::abort();
  }
#endif
}

// `memory` for `bytes` and the margins.
bool obtain(Allocation& allocation) {
#if !defined(__SANITIZE_ADDRESS__)
  if (allocation.device) {
    allocation.memory =
        mmap(nullptr, mapped_bytes(allocation), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return allocation.memory != MAP_FAILED;
  }
#endif
  return posix_memalign(&allocation.memory, 256, allocation.bytes + 2 * kMargin) == 0;
}

void give_back(const Allocation& allocation) {
  let(allocation, true);
#if !defined(__SANITIZE_ADDRESS__)
  if (allocation.device) {
    munmap(allocation.memory, mapped_bytes(allocation));
    return;
  }
#endif
  std::free(allocation.memory);
}

cudaError_t allocate(void** p, size_t bytes, bool device) {
  *p = nullptr;
  State& s = state();
  BANDLIFT_TRY(forbidden_in_capture());
  if (bytes == 0) return cudaSuccess;
  size_t& used = s.used[current_device()];
  if (device && (bytes > s.settings.memory || used + bytes > s.settings.memory)) return fail(cudaErrorMemoryAllocation);
  Allocation allocation{bytes, device, current_device(), nullptr};
  if (!obtain(allocation)) return fail(cudaErrorMemoryAllocation);
  auto* data = static_cast<unsigned char*>(allocation.memory) + kMargin;
  std::memset(allocation.memory, kMarginByte, kMargin);
  std::memset(data, 0xff, bytes);
  std::memset(data + bytes, kMarginByte, kMargin);
  if (access_depth == 0) let(allocation, false);
  s.allocations[reinterpret_cast<uintptr_t>(data)] = allocation;
  if (device) used += bytes;
  *p = data;
  return cudaSuccess;
}

cudaError_t release(void* p, bool device) {
  if (p == nullptr) return cudaSuccess;
  State& s = state();
  BANDLIFT_TRY(forbidden_in_capture());
  const auto it = s.allocations.find(reinterpret_cast<uintptr_t>(p));
  if (it == s.allocations.end() || it->second.device != device) return fail(cudaErrorInvalidValue);
  drain_device(it->second.on);  // CUDA waits, too
  if (device) s.used[it->second.on] -= it->second.bytes;
  give_back(it->second);
  s.allocations.erase(it);
  return fail(s.sticky);
}

}  // namespace

namespace bandlift::emulation {

const Allocation* allocation_of(const void* p, size_t* offset) {
  const auto& all = state().allocations;
  const auto address = reinterpret_cast<uintptr_t>(p);
  auto it = all.upper_bound(address);
  if (it == all.begin()) return nullptr;
  --it;
  *offset = address - it->first;
  return *offset <= it->second.bytes ? &it->second : nullptr;
}

size_t allocated_bytes() {
  const std::lock_guard<std::recursive_mutex> lock(state().mutex);
  size_t sum = 0;
  for (const auto& [device, bytes] : state().used) sum += bytes;
  return sum;
}
size_t allocation_count() {
  const std::lock_guard<std::recursive_mutex> lock(state().mutex);
  return state().allocations.size();
}

void check_canaries(const std::string& after) {
  if constexpr (kMargin == 0) return;
  static const std::vector<unsigned char> intact(kMargin, kMarginByte);
  for (const auto& [address, allocation] : state().allocations) {
    const auto* before = static_cast<const unsigned char*>(allocation.memory);
    const unsigned char* behind = before + kMargin + allocation.bytes;
    const bool low = std::memcmp(before, intact.data(), kMargin) != 0;
    if (!low && std::memcmp(behind, intact.data(), kMargin) == 0) continue;
    return set_fault(cudaErrorIllegalAddress, after + " wrote " + (low ? "before" : "behind") + " an allocation of " +
                                                  std::to_string(allocation.bytes) + " bytes");
  }
}

DeviceAccess::DeviceAccess() {
  if (access_depth++ > 0) return;
  for (const auto& [address, allocation] : state().allocations) let(allocation, true);
}
DeviceAccess::~DeviceAccess() {
  if (--access_depth > 0) return;
  for (const auto& [address, allocation] : state().allocations) let(allocation, false);
}

void release_all_memory() {
  for (const auto& [address, allocation] : state().allocations) give_back(allocation);
  state().allocations.clear();
  state().used.clear();
}

}  // namespace bandlift::emulation

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  BANDLIFT_ENTER;
  *total = state().settings.memory;
  *free = *total - state().used[current_device()];
  return cudaSuccess;
}
cudaError_t cudaMalloc(void** p, size_t bytes) {
  BANDLIFT_ENTER;
  return allocate(p, bytes, true);
}
cudaError_t cudaFree(void* p) {
  BANDLIFT_ENTER;
  return release(p, true);
}
cudaError_t cudaMallocHost(void** p, size_t bytes) {
  BANDLIFT_ENTER;
  return allocate(p, bytes, false);
}
cudaError_t cudaHostAlloc(void** p, size_t bytes, unsigned) {
  return cudaMallocHost(p, bytes);
}
cudaError_t cudaFreeHost(void* p) {
  BANDLIFT_ENTER;
  return release(p, false);
}
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* p) {
  BANDLIFT_ENTER;
  size_t offset = 0;
  const Allocation* allocation = allocation_of(p, &offset);
  void* pointer = const_cast<void*>(p);
  if (allocation == nullptr)
    *attributes = {cudaMemoryTypeUnregistered, 0, nullptr, pointer};
  else if (allocation->device)
    *attributes = {cudaMemoryTypeDevice, allocation->on, pointer, nullptr};
  else
    *attributes = {cudaMemoryTypeHost, allocation->on, pointer, pointer};
  return cudaSuccess;
}
