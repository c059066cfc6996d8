// Stream capture and replay of the emulated runtime.
#include <thread>

#include "kernels.h"

using namespace kernels;

namespace {

__global__ void scale(float* x, const float* factor) {
  x[threadIdx.x] *= *factor;
}
__global__ void add(const float* x, float* y, float v) {
  y[threadIdx.x] = x[threadIdx.x] + v;
}

struct Fixture {
  Fixture() {
    for (cudaStream_t* s : {&main, &side}) ok(cudaStreamCreateWithFlags(s, cudaStreamNonBlocking));
    for (cudaEvent_t* e : {&forked, &joined}) ok(cudaEventCreateWithFlags(e, cudaEventDisableTiming));
  }
  // Captures body; the error of cudaStreamEndCapture.
  template <typename Body>
  cudaError_t capture(const Body& body, cudaGraph_t* graph) {
    ok(cudaStreamBeginCapture(main, cudaStreamCaptureModeThreadLocal));
    body();
    return cudaStreamEndCapture(main, graph);
  }
  const Machine machine;
  cudaStream_t main = nullptr, side = nullptr;
  cudaEvent_t forked = nullptr, joined = nullptr;
};

}  // namespace

TEST(
    "emulation: a captured graph runs nothing at capture and the same work at every replay, on what memory holds "
    "then") {
  Fixture f;
  const Device<float> x(std::vector<float>(32, 1.0f)), y(32), factor(std::vector<float>{2.0f});
  float* pinned = nullptr;
  ok(cudaMallocHost(&pinned, 128));
  cudaGraph_t graph = nullptr;
  float v = 10;
  ok(f.capture(
      [&] {
        ok(launch(scale, 1, 32, 0, f.main, x.data(), factor.data()));
        ok(launch(add, 1, 32, 0, f.main, x.data(), y.data(), v));
        v = 99;  // arguments were copied
        ok(cudaMemcpyAsync(pinned, y.data(), 128, cudaMemcpyDeviceToHost, f.main));
        ok(cudaMemsetAsync(y.data(), 0, 64, f.main));
      },
      &graph));
  size_t nodes = 0;
  ok(cudaGraphGetNodes(graph, nullptr, &nodes));
  REQUIRE(nodes == 4);
  cudaGraphExec_t executable = nullptr;
  ok(cudaGraphInstantiate(&executable, graph, 0));
  ok(cudaGraphDestroy(graph));
  ok(cudaStreamSynchronize(f.main));
  REQUIRE(emulation::launch_count() == 0 && x.values()[0] == 1);
  ok(cudaGraphLaunch(executable, f.main));
  ok(cudaGraphLaunch(executable, f.main));
  REQUIRE(emulation::launch_count() == 0);  // deferred, too
  ok(cudaStreamSynchronize(f.main));
  REQUIRE(pinned[0] == 14 && x.values()[31] == 4 && y.values()[15] == 0 && y.values()[16] == 14);
  const float three = 3;
  ok(cudaMemcpy(factor.data(), &three, sizeof three, cudaMemcpyHostToDevice));
  ok(cudaGraphLaunch(executable, f.main));
  ok(cudaStreamSynchronize(f.main));
  REQUIRE(pinned[0] == 22);
  ok(cudaGraphExecDestroy(executable));
  REQUIRE(cudaGraphLaunch(executable, f.main) == cudaErrorInvalidValue);
}

TEST("emulation: a capture takes in streams that wait for its events, and they must join again") {
  Fixture f;
  const Device<float> x(std::vector<float>(32, 1.0f)), y(32), z(32);
  for (bool join : {true, false}) {
    cudaGraph_t graph = nullptr;
    const cudaError_t error = f.capture(
        [&] {
          ok(launch(add, 1, 32, 0, f.main, x.data(), y.data(), 1.0f));
          ok(cudaEventRecord(f.forked, f.main));
          ok(cudaStreamWaitEvent(f.side, f.forked));
          ok(launch(add, 1, 32, 0, f.side, y.data(), z.data(), 5.0f));
          cudaStreamCaptureStatus status;
          ok(cudaStreamIsCapturing(f.side, &status));
          REQUIRE(status == cudaStreamCaptureStatusActive);
          ok(cudaEventRecord(f.joined, f.side));
          if (join) ok(cudaStreamWaitEvent(f.main, f.joined));
        },
        &graph);
    REQUIRE(error == (join ? cudaSuccess : cudaErrorStreamCaptureUnjoined));
    if (!join) continue;
    cudaGraphExec_t executable = nullptr;
    ok(cudaGraphInstantiate(&executable, graph, 0));
    ok(cudaGraphLaunch(executable, f.main));
    ok(cudaStreamSynchronize(f.main));
    REQUIRE(z.values()[0] == 7);
  }
}

TEST("emulation: waiting and allocating while a stream is captured fail and spoil the capture") {
  for (int call = 0; call < 8; ++call) {
    Fixture f;
    const Device<float> x(std::vector<float>(32, 1.0f));
    cudaGraph_t graph = nullptr;
    cudaError_t error = cudaSuccess;
    const cudaError_t end = f.capture(
        [&] {
          ok(launch(add, 1, 32, 0, f.main, x.data(), x.data(), 1.0f));
          void* p = nullptr;
          float host = 0;
          if (call == 0) error = cudaStreamSynchronize(f.main);
          if (call == 1) error = cudaDeviceSynchronize();
          if (call == 2) error = cudaMalloc(&p, 16);
          if (call == 3) error = cudaMemcpy(&host, x.data(), 4, cudaMemcpyDeviceToHost);
          if (call == 4) error = cudaStreamQuery(f.main);
          if (call == 5) error = cudaMemset(x.data(), 0, 4);
          if (call >= 6) {
            ok(cudaEventRecord(f.forked, f.main));
            error = call == 6 ? cudaEventSynchronize(f.forked) : cudaEventQuery(f.forked);
          }
          REQUIRE(launch(add, 1, 32, 0, f.main, x.data(), x.data(), 1.0f) == cudaErrorStreamCaptureInvalidated);
        },
        &graph);
    REQUIRE(error == (call >= 6 ? cudaErrorCapturedEvent : cudaErrorStreamCaptureUnsupported));
    REQUIRE(end == cudaErrorStreamCaptureInvalidated && graph == nullptr);
    cudaGetLastError();
    ok(cudaStreamSynchronize(f.main));  // the stream itself is as before
    REQUIRE(x.values()[0] == 1);
  }
}

TEST("emulation: a thread-local capture lets other threads allocate, a global one does not") {
  for (bool global : {false, true}) {
    Fixture f;
    ok(cudaStreamBeginCapture(f.main, global ? cudaStreamCaptureModeGlobal : cudaStreamCaptureModeThreadLocal));
    cudaError_t error = cudaErrorUnknown;
    std::thread([&] {
      void* p = nullptr;
      error = cudaMalloc(&p, 16);
      if (error == cudaSuccess) error = cudaFree(p);
    }).join();
    REQUIRE(error == (global ? cudaErrorStreamCaptureUnsupported : cudaSuccess));
    cudaGraph_t graph = nullptr;
    REQUIRE(cudaStreamEndCapture(f.main, &graph) == (global ? cudaErrorStreamCaptureInvalidated : cudaSuccess));
  }
}

TEST("emulation: work outside of a capture cannot be waited for inside, and the legacy stream cannot be captured") {
  Fixture f;
  cudaGraph_t graph = nullptr;
  ok(cudaEventRecord(f.forked, f.side));
  const cudaError_t end =
      f.capture([&] { REQUIRE(cudaStreamWaitEvent(f.main, f.forked) == cudaErrorStreamCaptureIsolation); }, &graph);
  REQUIRE(end == cudaErrorStreamCaptureInvalidated);
  REQUIRE(cudaStreamBeginCapture(nullptr, cudaStreamCaptureModeGlobal) == cudaErrorStreamCaptureUnsupported);
  cudaStream_t blocking = nullptr;
  ok(cudaStreamCreate(&blocking));
  const Device<float> x(32);
  ok(cudaStreamBeginCapture(blocking, cudaStreamCaptureModeRelaxed));
  REQUIRE(launch(add, 1, 32, 0, nullptr, x.data(), x.data(), 1.0f) == cudaErrorStreamCaptureImplicit);
  REQUIRE(cudaStreamEndCapture(blocking, &graph) == cudaErrorStreamCaptureInvalidated);
}
