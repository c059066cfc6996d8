// Device and pinned memory: known allocations, bounds of copies. Device memory starts as 0xff bytes (NaN).
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

std::map<uintptr_t, Allocation>::iterator find(const void* p) {
  auto& all = state().allocations;
  const auto address = reinterpret_cast<uintptr_t>(p);
  auto it = all.upper_bound(address);
  if (it == all.begin()) return all.end();
  --it;
  return address - it->first <= it->second.bytes ? it : all.end();
}

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

struct Area {
  unsigned char* p;
  size_t pitch;
};
struct Copy {
  Area to, from;
  size_t width, height;
  cudaMemcpyKind kind;
  size_t span(const Area& area) const { return height == 0 ? 0 : area.pitch * (height - 1) + width; }
  void run() const {
    for (size_t y = 0; y < height; ++y) std::memmove(to.p + y * to.pitch, from.p + y * from.pitch, width);
  }
};

// Whether [p, p + bytes) is device memory (or host memory) as a whole.
bool fits(const void* p, size_t bytes, bool device) {
  const auto it = find(p);
  if (it == state().allocations.end()) return !device && p != nullptr;  // the host's own memory is not known
  return it->second.device == device && reinterpret_cast<uintptr_t>(p) - it->first + bytes <= it->second.bytes;
}
bool is_device(const void* p) {
  const auto it = find(p);
  return it != state().allocations.end() && it->second.device;
}
bool is_pageable(const void* p) {
  return find(p) == state().allocations.end();
}

cudaError_t check_copy(Copy& c) {
  if (c.width > c.to.pitch || c.width > c.from.pitch) return cudaErrorInvalidValue;
  if (c.kind < 0 || c.kind > cudaMemcpyDefault) return cudaErrorInvalidMemcpyDirection;
  if (c.kind == cudaMemcpyDefault)
    c.kind = static_cast<cudaMemcpyKind>((is_device(c.from.p) ? 2 : 0) + (is_device(c.to.p) ? 1 : 0));
  const bool from_device = c.kind == cudaMemcpyDeviceToHost || c.kind == cudaMemcpyDeviceToDevice;
  const bool to_device = c.kind == cudaMemcpyHostToDevice || c.kind == cudaMemcpyDeviceToDevice;
  if (!fits(c.from.p, c.span(c.from), from_device) || !fits(c.to.p, c.span(c.to), to_device))
    return cudaErrorInvalidValue;
  return cudaSuccess;
}

// Runs when the stream gets there: the memory may have been freed since.
void run_copy(Copy c) {
  if (check_copy(c) == cudaSuccess)
    c.run();
  else
    set_fault(cudaErrorIllegalAddress, "a copy on a stream: its memory was freed before the copy ran");
}

cudaError_t copy(Copy c, cudaStream_t handle, bool wait) {
  if (c.width == 0 || c.height == 0) return cudaSuccess;
  BANDLIFT_TRY(check_copy(c));
  const StreamPtr stream = find_stream(handle);
  if (!stream) return fail(cudaErrorInvalidResourceHandle);
  const bool pageable = is_pageable(c.to.p) || is_pageable(c.from.p);
  if (stream->capture) return fail(enqueue(stream, [c] { run_copy(c); }));
  if (c.kind == cudaMemcpyHostToDevice && is_pageable(c.from.p)) {
    // pageable memory is read before the call returns
    auto staged = std::make_shared<std::vector<unsigned char>>(c.span(c.from));
    for (size_t y = 0; y < c.height; ++y)
      std::memcpy(staged->data() + y * c.from.pitch, c.from.p + y * c.from.pitch, c.width);
    BANDLIFT_TRY(enqueue(stream, [c, staged]() mutable {
      c.from.p = staged->data();
      run_copy(c);
    }));
  } else {
    BANDLIFT_TRY(enqueue(stream, [c] { run_copy(c); }));
    wait = wait || pageable;  // and written before it returns
  }
  if (wait) drain(*stream, stream->enqueued);
  return fail(state().sticky);
}

// Synchronous copies use the legacy stream; from device to device they do not wait for the result.
cudaError_t copy_now(const Copy& c) {
  BANDLIFT_TRY(forbidden_in_capture());
  return copy(c, nullptr, c.kind != cudaMemcpyDeviceToDevice);
}

Copy rows(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width, size_t height,
          cudaMemcpyKind kind) {
  return {{static_cast<unsigned char*>(to), to_pitch},
          {static_cast<unsigned char*>(const_cast<void*>(from)), from_pitch},
          width,
          height,
          kind};
}

cudaError_t set(void* p, int value, size_t bytes, cudaStream_t handle) {
  if (bytes == 0) return cudaSuccess;
  if (!fits(p, bytes, true)) return fail(cudaErrorInvalidValue);
  const StreamPtr stream = find_stream(handle);
  if (!stream) return fail(cudaErrorInvalidResourceHandle);
  return fail(enqueue(stream, [p, value, bytes] {
    if (fits(p, bytes, true))
      std::memset(p, value, bytes);
    else
      set_fault(cudaErrorIllegalAddress, "a memset on a stream: its memory was freed before it ran");
  }));
}

}  // namespace

namespace bandlift::emulation {

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
  const auto it = find(p);
  void* pointer = const_cast<void*>(p);
  if (it == state().allocations.end())
    *attributes = {cudaMemoryTypeUnregistered, 0, nullptr, pointer};
  else if (it->second.device)
    *attributes = {cudaMemoryTypeDevice, it->second.on, pointer, nullptr};
  else
    *attributes = {cudaMemoryTypeHost, it->second.on, pointer, pointer};
  return cudaSuccess;
}
cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  BANDLIFT_ENTER;
  return copy_now(rows(to, bytes, from, bytes, bytes, 1, kind));
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  BANDLIFT_ENTER;
  return copy(rows(to, bytes, from, bytes, bytes, 1, kind), stream, false);
}
cudaError_t cudaMemcpy2D(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width, size_t height,
                         cudaMemcpyKind kind) {
  BANDLIFT_ENTER;
  return copy_now(rows(to, to_pitch, from, from_pitch, width, height, kind));
}
cudaError_t cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width,
                              size_t height, cudaMemcpyKind kind, cudaStream_t stream) {
  BANDLIFT_ENTER;
  return copy(rows(to, to_pitch, from, from_pitch, width, height, kind), stream, false);
}
cudaError_t cudaMemset(void* p, int value, size_t bytes) {
  BANDLIFT_ENTER;
  BANDLIFT_TRY(forbidden_in_capture());
  return set(p, value, bytes, nullptr);
}
cudaError_t cudaMemsetAsync(void* p, int value, size_t bytes, cudaStream_t stream) {
  BANDLIFT_ENTER;
  return set(p, value, bytes, stream);
}
