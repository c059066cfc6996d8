// Streams and events: work waits in queues until somebody waits for it, and then only what that needs runs.
#include <chrono>

#include "emulation.h"
#include "state.h"

using namespace bandlift::emulation;

namespace {

double now_milliseconds() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void push(CUstream_st& stream, Work work) {
  stream.queue.push_back(std::move(work));
  ++stream.enqueued;
}

// Makes `stream` wait for all that `other` has now.
void push_wait(CUstream_st& stream, const StreamPtr& other) {
  if (other->executed < other->enqueued) push(stream, {nullptr, other, other->enqueued});
}

const StreamPtr& legacy_stream(int device) {
  StreamPtr& stream = state().legacy[device];
  if (!stream) {
    stream = std::make_shared<CUstream_st>();
    stream->device = device;
  }
  return stream;
}

std::shared_ptr<CUevent_st> find_event(cudaEvent_t event) {
  const auto it = state().events.find(event);
  return it == state().events.end() ? nullptr : it->second;
}

// One piece of work, so that a loop which polls comes to its end.
void step(CUstream_st& stream) {
  if (stream.executed < stream.enqueued) drain(stream, stream.executed + 1);
}

}  // namespace

namespace bandlift::emulation {

StreamPtr find_stream(cudaStream_t stream) {
  if (stream == nullptr) return legacy_stream(current_device());
  const auto it = state().streams.find(stream);
  return it == state().streams.end() ? nullptr : it->second;
}

cudaError_t enqueue(const StreamPtr& stream, std::function<void()> run) {
  if (stream->capture) return capture_work(*stream, std::move(run));
  const StreamPtr& legacy = legacy_stream(stream->device);
  if (stream == legacy) {
    for (const auto& [handle, other] : state().streams) {
      if (other->device != stream->device || !other->blocking) continue;
      if (other->capture) return invalidate(*other->capture, cudaErrorStreamCaptureImplicit);
      push_wait(*stream, other);
    }
  } else if (stream->blocking) {
    push_wait(*stream, legacy);
  }
  push(*stream, {std::move(run), nullptr, 0});
  return cudaSuccess;
}

void drain(CUstream_st& stream, uint64_t until) {
  if (stream.executed >= until) return;
  const DeviceAccess access;
  while (stream.executed < until) {
    const Work work = std::move(stream.queue.front());
    stream.queue.pop_front();
    if (work.wait_for) drain(*work.wait_for, work.until);
    if (work.run && state().sticky == cudaSuccess) work.run();
    ++stream.executed;
  }
}

void drain_device(int device) {
  drain(*legacy_stream(device), legacy_stream(device)->enqueued);
  const auto all = state().streams;  // a host function may make streams
  for (const auto& [handle, stream] : all)
    if (stream->device == device) drain(*stream, stream->enqueued);
}

}  // namespace bandlift::emulation

cudaError_t cudaDeviceSynchronize() {
  BANDLIFT_ENTER;
  BANDLIFT_TRY(forbidden_in_capture());
  drain_device(current_device());
  return fail(state().sticky);
}

// ---- streams ----
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  BANDLIFT_ENTER;
  if (flags > cudaStreamNonBlocking) return fail(cudaErrorInvalidValue);
  const auto fresh = std::make_shared<CUstream_st>();
  fresh->device = current_device();
  fresh->blocking = flags != cudaStreamNonBlocking;
  state().streams[fresh.get()] = fresh;
  *stream = fresh.get();
  return cudaSuccess;
}
cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  return cudaStreamCreateWithFlags(stream, cudaStreamDefault);
}
cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int) {
  return cudaStreamCreateWithFlags(stream, flags);
}
cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  BANDLIFT_ENTER;
  *least = *greatest = 0;
  return cudaSuccess;
}
// What it still has to do is done: CUDA lets it finish, too.
cudaError_t cudaStreamDestroy(cudaStream_t handle) {
  BANDLIFT_ENTER;
  const StreamPtr stream = find_stream(handle);
  if (!stream || handle == nullptr) return fail(cudaErrorInvalidResourceHandle);
  if (stream->capture) state().captures.erase(stream->capture);
  drain(*stream, stream->enqueued);
  state().streams.erase(handle);
  return fail(state().sticky);
}
cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
  BANDLIFT_ENTER;
  const StreamPtr stream = find_stream(handle);
  if (!stream) return fail(cudaErrorInvalidResourceHandle);
  if (stream->capture) return fail(invalidate(*stream->capture, cudaErrorStreamCaptureUnsupported));
  if (handle == nullptr) BANDLIFT_TRY(enqueue(stream, [] {}));  // it waits for the blocking streams
  drain(*stream, stream->enqueued);
  return fail(state().sticky);
}
cudaError_t cudaStreamQuery(cudaStream_t handle) {
  BANDLIFT_ENTER;
  const StreamPtr stream = find_stream(handle);
  if (!stream) return fail(cudaErrorInvalidResourceHandle);
  if (stream->capture) return fail(invalidate(*stream->capture, cudaErrorStreamCaptureUnsupported));
  if (stream->executed == stream->enqueued) return fail(state().sticky);
  step(*stream);
  return cudaErrorNotReady;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event_handle, unsigned) {
  BANDLIFT_ENTER;
  const StreamPtr stream = find_stream(handle);
  const auto event = find_event(event_handle);
  if (!stream || !event) return fail(cudaErrorInvalidResourceHandle);
  if (stream->capture || event->capture) return fail(capture_wait(stream, *event));
  if (event->stream) push(*stream, {nullptr, event->stream, event->sequence});
  return cudaSuccess;
}
cudaError_t cudaLaunchHostFunc(cudaStream_t handle, cudaHostFn_t function, void* data) {
  BANDLIFT_ENTER;
  const StreamPtr stream = find_stream(handle);
  if (!stream) return fail(cudaErrorInvalidResourceHandle);
  if (function == nullptr) return fail(cudaErrorInvalidValue);
  return fail(enqueue(stream, [function, data] { function(data); }));
}

// ---- events ----
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  BANDLIFT_ENTER;
  const auto fresh = std::make_shared<CUevent_st>();
  fresh->timing = !(flags & cudaEventDisableTiming);
  state().events[fresh.get()] = fresh;
  *event = fresh.get();
  return cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t* event) {
  return cudaEventCreateWithFlags(event, cudaEventDefault);
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  BANDLIFT_ENTER;
  return state().events.erase(event) == 1 ? cudaSuccess : fail(cudaErrorInvalidResourceHandle);
}
cudaError_t cudaEventRecord(cudaEvent_t event_handle, cudaStream_t handle) {
  BANDLIFT_ENTER;
  const StreamPtr stream = find_stream(handle);
  const auto event = find_event(event_handle);
  if (!stream || !event) return fail(cudaErrorInvalidResourceHandle);
  if (stream->capture) return fail(capture_record(*stream, *event));
  auto milliseconds = std::make_shared<double>(0);
  BANDLIFT_TRY(enqueue(stream, [milliseconds] { *milliseconds = now_milliseconds(); }));
  event->capture = nullptr;
  event->stream = stream;
  event->sequence = stream->enqueued;
  event->milliseconds = std::move(milliseconds);
  return cudaSuccess;
}
cudaError_t cudaEventQuery(cudaEvent_t handle) {
  BANDLIFT_ENTER;
  const auto event = find_event(handle);
  if (!event) return fail(cudaErrorInvalidResourceHandle);
  if (event->capture) return fail(invalidate(*event->capture, cudaErrorCapturedEvent));
  if (!event->stream || event->stream->executed >= event->sequence) return fail(state().sticky);
  step(*event->stream);
  return cudaErrorNotReady;
}
cudaError_t cudaEventSynchronize(cudaEvent_t handle) {
  BANDLIFT_ENTER;
  const auto event = find_event(handle);
  if (!event) return fail(cudaErrorInvalidResourceHandle);
  if (event->capture) return fail(invalidate(*event->capture, cudaErrorCapturedEvent));
  if (event->stream) drain(*event->stream, event->sequence);
  return fail(state().sticky);
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start_handle, cudaEvent_t end_handle) {
  BANDLIFT_ENTER;
  const auto start = find_event(start_handle), end = find_event(end_handle);
  if (!start || !end || !start->timing || !end->timing || !start->stream || !end->stream)
    return fail(cudaErrorInvalidResourceHandle);
  if (start->stream->executed < start->sequence || end->stream->executed < end->sequence) return cudaErrorNotReady;
  *milliseconds = static_cast<float>(*end->milliseconds - *start->milliseconds);
  return cudaSuccess;
}
