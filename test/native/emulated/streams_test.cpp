// Streams, events and copies of the emulated runtime: work is deferred, and only what was waited for is done.
#include <thread>

#include "kernels.h"

using namespace kernels;

namespace {

__global__ void set_to(float* x, float v) {
  x[threadIdx.x] = v;
}
__global__ void twice_plus(const float* x, float* y, float v) {
  y[threadIdx.x] = 2 * x[threadIdx.x] + v;
}

struct Stream {
  explicit Stream(unsigned flags = cudaStreamNonBlocking) { ok(cudaStreamCreateWithFlags(&handle, flags)); }
  ~Stream() { cudaStreamDestroy(handle); }
  cudaStream_t handle = nullptr;
};
struct Event {
  explicit Event(unsigned flags = 0) { ok(cudaEventCreateWithFlags(&handle, flags)); }
  ~Event() { cudaEventDestroy(handle); }
  cudaEvent_t handle = nullptr;
};
struct Pinned {
  explicit Pinned(size_t count) : count(count) { ok(cudaMallocHost(&data, count * sizeof(float))); }
  ~Pinned() { cudaFreeHost(data); }
  float* data = nullptr;
  size_t count;
};

}  // namespace

TEST("emulation: a kernel and a copy to pinned memory happen only when somebody waits") {
  const Machine machine;
  const Stream s;
  const Device<float> x(32);
  const Pinned host(32);
  host.data[5] = 1;
  ok(launch(set_to, 1, 32, 0, s.handle, x.data(), 7.0f));
  ok(cudaMemcpyAsync(host.data, x.data(), 128, cudaMemcpyDeviceToHost, s.handle));
  REQUIRE(host.data[5] == 1 && emulation::launch_count() == 0);
  ok(cudaStreamSynchronize(s.handle));
  REQUIRE(host.data[5] == 7 && emulation::launch_count() == 1);
}

TEST("emulation: waiting for one stream leaves another's work undone") {
  const Machine machine;
  const Stream a, b;
  const Device<float> x(32);
  const Pinned host(32);
  host.data[0] = 1;
  ok(launch(set_to, 1, 32, 0, a.handle, x.data(), 7.0f));
  ok(cudaMemcpyAsync(host.data, x.data(), 128, cudaMemcpyDeviceToHost, b.handle));
  ok(cudaStreamSynchronize(b.handle));
  REQUIRE(std::isnan(host.data[0]));  // the kernel of stream a was not waited for
  ok(cudaDeviceSynchronize());
  REQUIRE(x.values()[0] == 7);
}

TEST("emulation: events order streams, and later work of the first stream is not waited for") {
  const Machine machine;
  const Stream a, b;
  const Event filled(cudaEventDisableTiming), copied(cudaEventDisableTiming);
  const Device<float> x(32), y(32), z(32);
  const Pinned host(32);
  ok(launch(set_to, 1, 32, 0, a.handle, x.data(), 7.0f));
  ok(cudaEventRecord(filled.handle, a.handle));
  ok(launch(set_to, 1, 32, 0, a.handle, z.data(), 9.0f));
  ok(cudaStreamWaitEvent(b.handle, filled.handle));
  ok(launch(twice_plus, 1, 32, 0, b.handle, x.data(), y.data(), 1.0f));
  ok(cudaMemcpyAsync(host.data, y.data(), 128, cudaMemcpyDeviceToHost, b.handle));
  ok(cudaEventRecord(copied.handle, b.handle));
  ok(cudaEventSynchronize(copied.handle));
  REQUIRE(host.data[31] == 15 && emulation::launch_count() == 2);
  ok(cudaStreamSynchronize(a.handle));
  REQUIRE(emulation::launch_count() == 3 && z.values()[0] == 9);
}

TEST("emulation: polling an event or a stream comes to an end") {
  const Machine machine;
  const Stream s;
  const Event e;
  const Device<float> x(32);
  ok(cudaEventQuery(e.handle));  // never recorded
  for (int i = 0; i < 3; ++i) ok(launch(set_to, 1, 32, 0, s.handle, x.data(), static_cast<float>(i)));
  ok(cudaEventRecord(e.handle, s.handle));
  REQUIRE(cudaEventQuery(e.handle) == cudaErrorNotReady && cudaStreamQuery(s.handle) == cudaErrorNotReady);
  int polls = 0;
  while (cudaEventQuery(e.handle) == cudaErrorNotReady) REQUIRE(++polls < 10);
  ok(cudaStreamQuery(s.handle));
  ok(cudaGetLastError());
  REQUIRE(x.values()[0] == 2);
}

TEST("emulation: elapsed time needs two timing events that were reached") {
  const Machine machine;
  const Stream s;
  const Event start, end, untimed(cudaEventDisableTiming);
  float ms = -1;
  ok(cudaEventRecord(start.handle, s.handle));
  ok(cudaEventRecord(end.handle, s.handle));
  ok(cudaEventRecord(untimed.handle, s.handle));
  REQUIRE(cudaEventElapsedTime(&ms, start.handle, end.handle) == cudaErrorNotReady);
  ok(cudaStreamSynchronize(s.handle));
  ok(cudaEventElapsedTime(&ms, start.handle, end.handle));
  REQUIRE(ms >= 0);
  REQUIRE(cudaEventElapsedTime(&ms, start.handle, untimed.handle) == cudaErrorInvalidResourceHandle);
}

TEST("emulation: pageable memory is read before a copy returns, pinned memory later") {
  const Machine machine;
  const Stream s;
  const Device<float> x(4), y(4);
  std::vector<float> pageable{1, 2, 3, 4};
  const Pinned pinned(4);
  std::copy(pageable.begin(), pageable.end(), pinned.data);
  ok(cudaMemcpyAsync(x.data(), pageable.data(), 16, cudaMemcpyHostToDevice, s.handle));
  ok(cudaMemcpyAsync(y.data(), pinned.data, 16, cudaMemcpyHostToDevice, s.handle));
  pageable[0] = pinned.data[0] = 50;  // too early for the pinned buffer
  ok(cudaStreamSynchronize(s.handle));
  REQUIRE(x.values()[0] == 1 && y.values()[0] == 50);
}

TEST("emulation: the legacy stream waits for blocking streams and they for it, others stay apart") {
  const Machine machine;
  const Stream blocking(cudaStreamDefault), apart;
  const Device<float> x(32), y(32), z(32);
  ok(launch(set_to, 1, 32, 0, blocking.handle, x.data(), 3.0f));
  ok(launch(set_to, 1, 32, 0, apart.handle, z.data(), 3.0f));
  ok(launch(twice_plus, 1, 32, 0, nullptr, x.data(), y.data(), 0.0f));
  ok(launch(twice_plus, 1, 32, 0, blocking.handle, y.data(), x.data(), 1.0f));
  ok(cudaStreamSynchronize(blocking.handle));
  REQUIRE(emulation::launch_count() == 3 && x.values()[0] == 13);
  REQUIRE(std::isnan(z.values()[0]));
}

TEST("emulation: copies with a pitch, and device to device") {
  const Machine machine;
  const Device<float> x(3 * 8), y(3 * 8);
  std::vector<float> rows(3 * 5);
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<float>(i);
  ok(cudaMemcpy2D(x.data(), 32, rows.data(), 20, 20, 3, cudaMemcpyHostToDevice));
  ok(cudaMemcpy2DAsync(y.data() + 3, 32, x.data(), 32, 20, 3, cudaMemcpyDeviceToDevice));
  const std::vector<float> values = y.values();
  for (size_t r = 0; r < 3; ++r)
    for (size_t c = 0; c < 8; ++c)
      REQUIRE(c < 3 ? std::isnan(values[r * 8 + c]) : values[r * 8 + c] == rows[r * 5 + c - 3]);
}

TEST("emulation: copies and memsets beyond an allocation, or in the wrong direction, are refused") {
  const Machine machine;
  const Device<float> x(4);
  std::vector<float> host(8, 0.0f);
  REQUIRE(cudaMemcpy(x.data(), host.data(), 20, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
  REQUIRE(cudaMemcpy(x.data() + 2, host.data(), 12, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
  REQUIRE(cudaMemcpy(host.data(), x.data(), 16, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
  REQUIRE(cudaMemcpy(host.data(), x.data(), 20, cudaMemcpyDeviceToHost) == cudaErrorInvalidValue);
  REQUIRE(cudaMemsetAsync(x.data(), 0, 17) == cudaErrorInvalidValue);
  REQUIRE(cudaMemset(host.data(), 0, 4) == cudaErrorInvalidValue);
  REQUIRE(cudaMemcpy2D(x.data(), 4, host.data(), 8, 8, 2, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
  REQUIRE(cudaGetLastError() == cudaErrorInvalidValue && cudaGetLastError() == cudaSuccess);
  ok(cudaMemset(x.data(), 0, 16));
  ok(cudaMemcpy(host.data(), x.data(), 16, cudaMemcpyDefault));
}

TEST("emulation: memory freed before a copy runs is waited for, as cudaFree does") {
  const Machine machine;
  const Stream s;
  float* x = nullptr;
  ok(cudaMalloc(&x, 128));
  const Pinned host(32);
  ok(launch(set_to, 1, 32, 0, s.handle, x, 4.0f));
  ok(cudaMemcpyAsync(host.data, x, 128, cudaMemcpyDeviceToHost, s.handle));
  ok(cudaFree(x));
  REQUIRE(host.data[0] == 4);
}

TEST("emulation: host functions run in their stream's order") {
  const Machine machine;
  const Stream s;
  const Pinned host(1);
  const Device<float> x(1);
  float seen = 0;
  struct Data {
    const float* from;
    float* to;
  } data{host.data, &seen};
  ok(launch(set_to, 1, 1, 0, s.handle, x.data(), 6.0f));
  ok(cudaMemcpyAsync(host.data, x.data(), 4, cudaMemcpyDeviceToHost, s.handle));
  ok(cudaLaunchHostFunc(
      s.handle, [](void* p) { *static_cast<Data*>(p)->to = *static_cast<Data*>(p)->from; }, &data));
  REQUIRE(seen == 0);
  ok(cudaStreamSynchronize(s.handle));
  REQUIRE(seen == 6);
}

TEST("emulation: two threads of the host use it at once") {
  const Machine machine;
  const Device<float> x(32), y(32);
  const auto work = [](float* p, bool* right) {
    const Stream s;
    const Pinned host(32);
    *right = true;
    for (int i = 0; i < 200; ++i) {
      ok(launch(set_to, 1, 32, 0, s.handle, p, static_cast<float>(i)));
      ok(cudaMemcpyAsync(host.data, p, 128, cudaMemcpyDeviceToHost, s.handle));
      ok(cudaStreamSynchronize(s.handle));
      *right = *right && host.data[31] == static_cast<float>(i);
    }
  };
  bool right[2] = {false, false};
  std::thread other(work, x.data(), &right[0]);
  work(y.data(), &right[1]);
  other.join();
  REQUIRE(right[0] && right[1] && emulation::launch_count() == 400);
}
