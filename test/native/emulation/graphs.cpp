// Stream capture: what is enqueued on a captured stream, or on one that waits for an event of it, becomes a node of the
// graph instead. Nodes are replayed in the order they were captured in.
#include <algorithm>

#include "state.h"

using namespace bandlift::emulation;

namespace {

thread_local cudaStreamCaptureMode thread_mode = cudaStreamCaptureModeGlobal;

void merge(Seen& into, const Seen& from) {
  for (const auto& [stream, count] : from) into[stream] = std::max(into[stream], count);
}

// Ends the capture for all its streams and events.
void leave(const std::shared_ptr<Capture>& capture) {
  for (const auto& [handle, stream] : state().streams)
    if (stream->capture == capture) stream->capture = nullptr;
  for (const auto& [handle, event] : state().events)
    if (event->capture == capture) event->capture = nullptr;
  state().captures.erase(capture);
}

}  // namespace

namespace bandlift::emulation {

cudaError_t invalidate(Capture& capture, cudaError_t error) {
  capture.invalidated = true;
  return error;
}

cudaError_t forbidden_in_capture() {
  for (const auto& capture : state().captures) {
    if (capture->mode == cudaStreamCaptureModeRelaxed || thread_mode == cudaStreamCaptureModeRelaxed) continue;
    const bool mine = capture->thread == std::this_thread::get_id();
    const bool everywhere = capture->mode == cudaStreamCaptureModeGlobal && thread_mode == cudaStreamCaptureModeGlobal;
    if (mine || everywhere) return invalidate(*capture, cudaErrorStreamCaptureUnsupported);
  }
  return cudaSuccess;
}

cudaError_t capture_work(CUstream_st& stream, std::function<void()> run) {
  Capture& capture = *stream.capture;
  if (capture.invalidated) return cudaErrorStreamCaptureInvalidated;
  capture.nodes.push_back(std::move(run));
  capture.seen[&stream][&stream] = capture.nodes.size();
  return cudaSuccess;
}

cudaError_t capture_record(CUstream_st& stream, CUevent_st& event) {
  if (stream.capture->invalidated) return cudaErrorStreamCaptureInvalidated;
  event.capture = stream.capture;
  event.seen = stream.capture->seen[&stream];
  event.stream = nullptr;
  return cudaSuccess;
}

cudaError_t capture_wait(const StreamPtr& stream, CUevent_st& event) {
  if (!event.capture) return invalidate(*stream->capture, cudaErrorStreamCaptureIsolation);
  if (event.capture->invalidated) return cudaErrorStreamCaptureInvalidated;
  if (stream->capture && stream->capture != event.capture) {
    invalidate(*event.capture, cudaErrorStreamCaptureMerge);
    return invalidate(*stream->capture, cudaErrorStreamCaptureMerge);
  }
  stream->capture = event.capture;
  merge(stream->capture->seen[stream.get()], event.seen);
  return cudaSuccess;
}

}  // namespace bandlift::emulation

cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode mode) {
  BANDLIFT_ENTER;
  if (handle == nullptr) return fail(cudaErrorStreamCaptureUnsupported);  // the legacy stream cannot be captured
  const StreamPtr stream = find_stream(handle);
  if (!stream) return fail(cudaErrorInvalidResourceHandle);
  if (stream->capture) return fail(cudaErrorInvalidValue);
  stream->capture = std::make_shared<Capture>();
  stream->capture->mode = mode;
  stream->capture->thread = std::this_thread::get_id();
  stream->capture->origin = handle;
  state().captures.insert(stream->capture);
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t* graph) {
  BANDLIFT_ENTER;
  *graph = nullptr;
  const StreamPtr stream = find_stream(handle);
  if (!stream) return fail(cudaErrorInvalidResourceHandle);
  const std::shared_ptr<Capture> capture = stream->capture;
  if (!capture) return fail(cudaErrorInvalidValue);
  if (capture->origin != handle) return fail(invalidate(*capture, cudaErrorStreamCaptureUnmatched));
  if (capture->mode != cudaStreamCaptureModeRelaxed && capture->thread != std::this_thread::get_id())
    return fail(cudaErrorStreamCaptureWrongThread);
  bool joined = true;
  const Seen end = capture->seen[handle];
  for (const auto& [other, seen] : capture->seen) {
    const auto own = seen.find(other), known = end.find(other);
    if (own != seen.end() && (known == end.end() || known->second < own->second)) joined = false;
  }
  leave(capture);
  if (capture->invalidated) return fail(cudaErrorStreamCaptureInvalidated);
  if (!joined) return fail(cudaErrorStreamCaptureUnjoined);
  auto fresh = std::make_unique<CUgraph_st>();
  fresh->nodes = std::move(capture->nodes);
  *graph = fresh.get();
  state().graphs[*graph] = std::move(fresh);
  return cudaSuccess;
}
cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus* status) {
  BANDLIFT_ENTER;
  const StreamPtr stream = find_stream(handle);
  if (!stream) return fail(cudaErrorInvalidResourceHandle);
  *status = !stream->capture               ? cudaStreamCaptureStatusNone
            : stream->capture->invalidated ? cudaStreamCaptureStatusInvalidated
                                           : cudaStreamCaptureStatusActive;
  return cudaSuccess;
}
cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
  std::swap(*mode, thread_mode);
  return cudaSuccess;
}
// Only the number of nodes: `nodes` must be null.
cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, size_t* count) {
  BANDLIFT_ENTER;
  if (!state().graphs.count(graph)) return fail(cudaErrorInvalidValue);
  if (nodes != nullptr) return fail(cudaErrorNotSupported);
  *count = graph->nodes.size();
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  BANDLIFT_ENTER;
  if (!state().graphs.count(graph)) return fail(cudaErrorInvalidValue);
  const auto fresh = std::make_shared<CUgraphExec_st>();
  fresh->nodes = graph->nodes;
  *executable = fresh.get();
  state().executables[*executable] = fresh;
  return cudaSuccess;
}
cudaError_t cudaGraphUpload(cudaGraphExec_t executable, cudaStream_t) {
  BANDLIFT_ENTER;
  return state().executables.count(executable) ? cudaSuccess : fail(cudaErrorInvalidValue);
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t handle, cudaStream_t stream_handle) {
  BANDLIFT_ENTER;
  const auto it = state().executables.find(handle);
  const StreamPtr stream = find_stream(stream_handle);
  if (it == state().executables.end()) return fail(cudaErrorInvalidValue);
  if (!stream) return fail(cudaErrorInvalidResourceHandle);
  const std::shared_ptr<CUgraphExec_st> executable = it->second;
  return fail(enqueue(stream, [executable] {
    for (const auto& node : executable->nodes)
      if (state().sticky == cudaSuccess) node();
  }));
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  BANDLIFT_ENTER;
  return state().executables.erase(executable) == 1 ? cudaSuccess : fail(cudaErrorInvalidValue);
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  BANDLIFT_ENTER;
  return state().graphs.erase(graph) == 1 ? cudaSuccess : fail(cudaErrorInvalidValue);
}
