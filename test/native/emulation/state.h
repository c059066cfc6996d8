// The emulated devices' state, shared by the runtime's functions; all of it is guarded by one mutex.
#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "runtime_api.h"

namespace bandlift::emulation {

using StreamPtr = std::shared_ptr<CUstream_st>;

// What a stream does, or a point in another stream it waits for.
struct Work {
  std::function<void()> run;
  StreamPtr wait_for;
  uint64_t until = 0;
};

// How much of each captured stream a point of the capture comes after.
using Seen = std::map<CUstream_st*, size_t>;

struct Capture {
  cudaStreamCaptureMode mode;
  std::thread::id thread;
  CUstream_st* origin;
  bool invalidated = false;
  std::vector<std::function<void()>> nodes;
  std::map<CUstream_st*, Seen> seen;
};

struct Allocation {
  size_t bytes = 0;
  bool device = false;  // else pinned memory of the host
  int on = 0;
  void* memory = nullptr;  // where it was obtained from, margins included
};

constexpr int kSharedPerBlock = 48 << 10, kSharedOptin = 96 << 10;  // a V100's

struct Settings {
  int devices = 1;
  bool no_driver = false;
  int major = 9, minor = 0;
  size_t memory = size_t{16} << 30;
};

}  // namespace bandlift::emulation

struct CUstream_st {
  int device = 0;
  bool blocking = true;  // waits for the legacy stream, and it for this one
  std::deque<bandlift::emulation::Work> queue;
  uint64_t enqueued = 0, executed = 0;
  std::shared_ptr<bandlift::emulation::Capture> capture;
};

struct CUevent_st {
  bool timing = true;
  bandlift::emulation::StreamPtr stream;  // null: never recorded
  uint64_t sequence = 0;
  std::shared_ptr<double> milliseconds;  // when the record was reached
  std::shared_ptr<bandlift::emulation::Capture> capture;
  bandlift::emulation::Seen seen;
};

struct CUgraph_st {
  std::vector<std::function<void()>> nodes;
};
struct CUgraphExec_st {
  std::vector<std::function<void()>> nodes;
};

namespace bandlift::emulation {

struct State {
  std::recursive_mutex mutex;
  Settings settings;
  cudaError_t sticky = cudaSuccess;
  std::string fault;
  size_t launches = 0;
  std::map<uintptr_t, Allocation> allocations;
  std::map<int, size_t> used;  // bytes by device
  std::map<int, StreamPtr> legacy;
  std::map<CUstream_st*, StreamPtr> streams;
  std::map<CUevent_st*, std::shared_ptr<CUevent_st>> events;
  std::map<CUgraph_st*, std::unique_ptr<CUgraph_st>> graphs;
  std::map<CUgraphExec_st*, std::shared_ptr<CUgraphExec_st>> executables;
  std::map<const void*, int> shared_limits;
  std::set<std::shared_ptr<Capture>> captures;
};
State& state();

// ---- devices.cpp ----
int current_device();
// Whether calls can work at all: the driver's error, or the one that a fault left behind.
cudaError_t ready();

// ---- errors.cpp ----
// Remembers an error for cudaGetLastError and returns it.
cudaError_t fail(cudaError_t error);
void forget_error();
// The first fault stays.
void set_fault(cudaError_t error, const std::string& text);

// ---- streams.cpp ----
StreamPtr find_stream(cudaStream_t stream);  // null: no such stream
// Puts work behind what the stream has (or into the graph that captures it).
cudaError_t enqueue(const StreamPtr& stream, std::function<void()> run);
void drain(CUstream_st& stream, uint64_t until);
void drain_device(int device);

// ---- graphs.cpp ----
// For calls that must not be made while a stream is captured: invalidates the capture.
cudaError_t forbidden_in_capture();
cudaError_t invalidate(Capture& capture, cudaError_t error);
cudaError_t capture_work(CUstream_st& stream, std::function<void()> run);
cudaError_t capture_record(CUstream_st& stream, CUevent_st& event);
cudaError_t capture_wait(const StreamPtr& stream, CUevent_st& event);

// ---- memory.cpp ----
// What holds p, and how far into it p lies; null: pageable memory of the host.
const Allocation* allocation_of(const void* p, size_t* offset);
// While one lives, device memory can be touched.
struct DeviceAccess {
  DeviceAccess();
  ~DeviceAccess();
  DeviceAccess(const DeviceAccess&) = delete;
  DeviceAccess& operator=(const DeviceAccess&) = delete;
};
// After a kernel: whether something was written beside an allocation (AddressSanitizer tells where there is one).
void check_canaries(const std::string& after);
void release_all_memory();

}  // namespace bandlift::emulation

// Locks, and returns from the calling function where no call can work.
#define BANDLIFT_ENTER                                             \
  const std::lock_guard<std::recursive_mutex> lock(state().mutex); \
  if (const cudaError_t not_ready = ready(); not_ready != cudaSuccess) return fail(not_ready)
#define BANDLIFT_TRY(call) \
  if (const cudaError_t error = (call); error != cudaSuccess) return fail(error)
