// Copies and memsets: bounds and directions are checked when they are enqueued and again when they run.
#include <cstring>
#include <memory>
#include <vector>

#include "state.h"

using namespace bandlift::emulation;

namespace {

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
  size_t offset = 0;
  const Allocation* allocation = allocation_of(p, &offset);
  if (allocation == nullptr) return !device && p != nullptr;  // the host's own memory is not known
  return allocation->device == device && offset + bytes <= allocation->bytes;
}
bool is_device(const void* p) {
  size_t offset = 0;
  const Allocation* allocation = allocation_of(p, &offset);
  return allocation != nullptr && allocation->device;
}
bool is_pageable(const void* p) {
  size_t offset = 0;
  return allocation_of(p, &offset) == nullptr;
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
