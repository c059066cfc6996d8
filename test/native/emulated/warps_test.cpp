// Warp operations of the emulated GPU against what CUDA's guide says of them, lane by lane.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "kernels.h"

using namespace kernels;

namespace {

__global__ void shuffles(int* y, int width) {
  const int v = static_cast<int>(threadIdx.x) * 10;
  int* mine = y + threadIdx.x * 4;
  mine[0] = __shfl_sync(0xffffffffu, v, 3, width);
  mine[1] = __shfl_up_sync(0xffffffffu, v, 5u, width);
  mine[2] = __shfl_down_sync(0xffffffffu, v, 5u, width);
  mine[3] = __shfl_xor_sync(0xffffffffu, v, 9, width);
}

template <typename T>
__global__ void warp_sums(const T* x, T* y) {
  T v = x[threadIdx.x];
  for (int step = 16; step > 0; step /= 2) v += __shfl_xor_sync(0xffffffffu, v, step);
  y[threadIdx.x] = v;
}

__global__ void votes(unsigned* y) {
  const unsigned lane = threadIdx.x % 32;
  unsigned* mine = y + threadIdx.x * 4;
  mine[0] = __ballot_sync(0xffffffffu, lane % 5 == 0);
  // the halves of a warp meet apart from each other
  const unsigned mask = lane < 16 ? 0x0000ffffu : 0xffff0000u;
  mine[1] = __ballot_sync(mask, lane % 3 == 0);
  mine[2] = static_cast<unsigned>(__any_sync(mask, lane == 20) * 10 + __all_sync(mask, lane < 16));
  mine[3] = __activemask() >> lane & 1;
}

// 20 lanes of the last warp do not exist, and lane 3 returns at once.
__global__ void some_lanes(unsigned* ballots, float* read) {
  if (threadIdx.x % 32 == 3) return;
  ballots[threadIdx.x] = __ballot_sync(0xffffffffu, 1);
  read[threadIdx.x] = __shfl_sync(0xffffffffu, 1.0f, 3);
}

// Warp 0's lanes hand a value down a chain through shared memory.
template <bool with_barrier>
__global__ void chain(int* y) {
  __shared__ int cell[32];
  const int lane = static_cast<int>(threadIdx.x);
  for (int round = 0; round < 31; ++round) {
    if (lane == round) cell[lane + 1] = lane == 0 ? 100 : cell[lane] + 1;
    if constexpr (with_barrier) __syncwarp();
  }
  y[lane] = cell[lane];
}

__global__ void left_out() {
  __syncwarp(threadIdx.x == 4 ? 0x0000000fu : 0xffffffffu);
}
__global__ void different_operations() {
  if (threadIdx.x < 8)
    __syncwarp();
  else
    __ballot_sync(0xffffffffu, 1);
}
__global__ void one_lane_stays_away() {
  if (threadIdx.x != 9)
    __syncwarp();
  else
    __syncthreads();
}

__global__ void halves(__half* h, __nv_bfloat16* b) {
  h[threadIdx.x] = __shfl_down_sync(0xffffffffu, h[threadIdx.x], 1u);
  b[threadIdx.x] = __shfl_xor_sync(0xffffffffu, b[threadIdx.x], 31);
}

std::string fault_of_warp(void (*kernel)()) {
  const Machine machine;
  return fault_of(launch(kernel, 1, 32, 0, nullptr));
}

}  // namespace

TEST("emulation: shuffles read the lane they name, within their width") {
  for (const auto& [order, seed] : kOrders)
    for (int width : {32, 16, 8}) {
      const Machine machine;
      emulation::set_order(order, seed);
      const Device<int> y(64 * 4);
      ok(launch(shuffles, 1, 64, 0, nullptr, y.data(), width));
      const std::vector<int> values = y.values();
      for (int t = 0; t < 64; ++t) {
        const int lane = t % 32, warp = t - lane, part = lane / width * width, in_part = lane % width;
        const int* got = values.data() + t * 4;
        REQUIRE(got[0] == (warp + part + 3) * 10);
        REQUIRE(got[1] == (in_part >= 5 ? t - 5 : t) * 10);
        REQUIRE(got[2] == (in_part + 5 < width ? t + 5 : t) * 10);
        const int other = lane ^ 9;  // a later part keeps its own value
        REQUIRE(got[3] == (other / width <= lane / width ? warp + other : t) * 10);
      }
    }
}

TEST("emulation: warp sums by shuffles equal the plain sums") {
  for (const auto& [order, seed] : kOrders) {
    const Machine machine;
    emulation::set_order(order, seed);
    std::vector<double> x(96);
    std::vector<float> xf(96);
    for (size_t i = 0; i < 96; ++i) xf[i] = static_cast<float>(x[i] = static_cast<double>(i * i % 97));
    const Device<double> dx(x), dy(96);
    const Device<float> fx(xf), fy(96);
    ok(launch(warp_sums<double>, 1, 96, 0, nullptr, dx.data(), dy.data()));
    ok(launch(warp_sums<float>, 1, 96, 0, nullptr, fx.data(), fy.data()));
    const std::vector<double> sums = dy.values();
    const std::vector<float> float_sums = fy.values();
    for (size_t t = 0; t < 96; ++t) {
      double expected = 0;  // whole numbers: exact in both types
      for (size_t i = t / 32 * 32; i < t / 32 * 32 + 32; ++i) expected += x[i];
      REQUIRE(sums[t] == expected && float_sums[t] == expected);
    }
  }
}

TEST("emulation: votes of whole and half warps") {
  for (const auto& [order, seed] : kOrders) {
    const Machine machine;
    emulation::set_order(order, seed);
    const Device<unsigned> y(64 * 4);
    ok(launch(votes, 1, 64, 0, nullptr, y.data()));
    const std::vector<unsigned> values = y.values();
    for (unsigned t = 0; t < 64; ++t) {
      const bool low = t % 32 < 16;
      REQUIRE(values[t * 4] == 0x42108421u);                            // lanes 0, 5, 10, ... 30
      REQUIRE(values[t * 4 + 1] == (low ? 0x00009249u : 0x49240000u));  // 0, 3, ... 15 and 18, 21, ... 30
      REQUIRE(values[t * 4 + 2] == (low ? 1u : 10u));
      REQUIRE(values[t * 4 + 3] == 1);
    }
  }
}

TEST("emulation: lanes that have returned or do not exist are not waited for, and read as NaN") {
  for (const auto& [order, seed] : kOrders) {
    const Machine machine;
    emulation::set_order(order, seed);
    const Device<unsigned> ballots(std::vector<unsigned>(44, 0u));
    const Device<float> read(44);
    ok(launch(some_lanes, 1, 44, 0, nullptr, ballots.data(), read.data()));
    const std::vector<unsigned> seen = ballots.values();
    const std::vector<float> values = read.values();
    for (unsigned t = 0; t < 44; ++t) {
      if (t % 32 == 3) continue;
      REQUIRE(seen[t] == (t < 32 ? 0xfffffff7u : 0x00000ff7u));
      REQUIRE(std::isnan(values[t]));
    }
  }
}

TEST("emulation: __syncwarp orders the lanes' shared memory; without it, orders differ") {
  std::vector<std::vector<int>> racing;
  for (const auto& [order, seed] : kOrders) {
    const Machine machine;
    emulation::set_order(order, seed);
    const Device<int> y(32), z(32);
    ok(launch(chain<true>, 1, 32, 0, nullptr, y.data()));
    for (int lane = 1; lane < 32; ++lane) REQUIRE(y.values()[static_cast<size_t>(lane)] == 99 + lane);
    ok(launch(chain<false>, 1, 32, 0, nullptr, z.data()));
    racing.push_back(z.values());
  }
  REQUIRE(racing[0] != racing[1]);
}

TEST("emulation: warp operations that cannot meet are a fault that says who waits where") {
  contains(fault_of_warp(left_out), "a lane calls a warp operation whose mask leaves it out: thread (4,0,0)");
  contains(fault_of_warp(different_operations), "lanes of a warp meet in different operations: thread (0,0,0)");
  const std::string fault = fault_of_warp(one_lane_stays_away);
  contains(fault, "thread (0,0,0) waits for lanes 0xffffffff of its warp at ");
  contains(fault, "thread (9,0,0) waits for the block at ");
}

TEST("emulation: shuffles of half and bfloat16") {
  const Machine machine;
  std::vector<__half> h(32);
  std::vector<__nv_bfloat16> b(32);
  for (int i = 0; i < 32; ++i) {
    h[static_cast<size_t>(i)] = __float2half(static_cast<float>(i));
    b[static_cast<size_t>(i)] = __float2bfloat16(static_cast<float>(i));
  }
  const Device<__half> dh(h);
  const Device<__nv_bfloat16> db(b);
  ok(launch(halves, 1, 32, 0, nullptr, dh.data(), db.data()));
  for (size_t i = 0; i < 32; ++i) {
    REQUIRE(__half2float(dh.values()[i]) == static_cast<float>(i < 31 ? i + 1 : 31));
    REQUIRE(__bfloat162float(db.values()[i]) == static_cast<float>(31 - i));
  }
}
