// Threads, blocks, shared memory, barriers and atomics of the emulated GPU, and the mistakes it must show.
#include <algorithm>
#include <numeric>

#include "kernels.h"

using namespace kernels;

namespace {

using emulation::Order;

template <typename T>
T* shared() {
  return static_cast<T*>(bandlift_emulated_shared());
}

__global__ void write_indices(int* out) {
  const unsigned block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  const unsigned thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
  const unsigned threads = blockDim.x * blockDim.y * blockDim.z;
  atomicAdd(&out[block * threads + thread], static_cast<int>(1 + block * 1000 + thread));
}

// Reverses each block's part of x through shared memory.
template <bool with_barrier>
__global__ void reverse(const float* x, float* y) {
  float* part = shared<float>();
  const unsigned start = blockIdx.x * blockDim.x;
  part[threadIdx.x] = x[start + threadIdx.x];
  if constexpr (with_barrier) __syncthreads();
  y[start + threadIdx.x] = part[blockDim.x - 1 - threadIdx.x];
}

// Tree sum in shared memory, then one atomic per block.
__global__ void sum(const float* x, int n, float* total) {
  float* part = shared<float>();
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  part[threadIdx.x] = static_cast<int>(i) < n ? x[i] : 0.0f;
  for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) part[threadIdx.x] += part[threadIdx.x + half];
  }
  if (threadIdx.x == 0) atomicAdd(total, part[0]);
}

__global__ void after_the_block_before(float* y) {
  y[blockIdx.x + 1] = y[blockIdx.x] + 1;
}

__global__ void read_unwritten(float* y) {
  y[threadIdx.x] = shared<float>()[threadIdx.x];
  shared<float>()[threadIdx.x] = 1;
}

template <typename T>
__global__ void read_unwritten_static(T* y) {
  __shared__ T part[64];
  y[threadIdx.x] = part[threadIdx.x];
  part[threadIdx.x] = 1;
}

__global__ void barriers_at_two_places() {
  if (threadIdx.x < 16)
    __syncthreads();
  else
    __syncthreads();
}

__global__ void half_returns() {
  if (threadIdx.x >= 16) return;
  __syncthreads();
}

__global__ void votes(int* y) {
  y[threadIdx.x * 3] = __syncthreads_count(threadIdx.x % 3 == 0);
  y[threadIdx.x * 3 + 1] = __syncthreads_or(threadIdx.x == 40) * 10 + __syncthreads_or(0);
  y[threadIdx.x * 3 + 2] = __syncthreads_and(threadIdx.x < 100) * 10 + __syncthreads_and(threadIdx.x != 7);
}

__global__ void atomics(int* i, unsigned* u, unsigned long long* l, double* d) {
  const int t = static_cast<int>(threadIdx.x);
  atomicAdd(&i[0], t);
  atomicSub(&i[1], t);
  atomicMax(&i[2], (t * 37) % 101);
  atomicMin(&i[3], -((t * 37) % 101));
  atomicAdd(u, 3u);
  atomicAdd(l, 1ull << 33);
  atomicAdd(d, 0.5);
  // the largest by compare and swap
  unsigned seen = u[1];
  while (seen < threadIdx.x) {
    const unsigned old = atomicCAS(&u[1], seen, threadIdx.x);
    if (old == seen) break;
    seen = old;
  }
}

__global__ void trap_in_thread_5() {
  if (threadIdx.x == 5 && blockIdx.x == 2) __trap();
}

std::vector<float> count_up(int n) {
  std::vector<float> x(static_cast<size_t>(n));
  std::iota(x.begin(), x.end(), 0.0f);
  return x;
}

std::vector<float> reversed(void (*kernel)(const float*, float*), Order order, uint64_t seed) {
  const Machine machine;
  emulation::set_order(order, seed);
  const Device<float> x(count_up(96 * 5)), y(96 * 5);
  ok(launch(kernel, 5, 96, 96 * sizeof(float), nullptr, x.data(), y.data()));
  return y.values();
}

}  // namespace

TEST("emulation: every thread of every block runs once, with its own indices, in every order") {
  for (const auto& [order, seed] : kOrders) {
    const Machine machine;
    emulation::set_order(order, seed);
    const dim3 grid(3, 2, 2), block(5, 4, 3);
    const Device<int> out(std::vector<int>(12 * 60, 0));
    ok(launch(write_indices, grid, block, 0, nullptr, out.data()));
    const std::vector<int> values = out.values();
    for (int b = 0; b < 12; ++b)
      for (int t = 0; t < 60; ++t) REQUIRE(values[static_cast<size_t>(b * 60 + t)] == 1 + b * 1000 + t);
  }
}

TEST("emulation: a barrier makes the result independent of the order; without it, orders differ") {
  std::vector<float> expected = count_up(96 * 5);
  for (int b = 0; b < 5; ++b) std::reverse(expected.begin() + b * 96, expected.begin() + (b + 1) * 96);
  std::vector<std::vector<float>> raced;
  for (const auto& [order, seed] : kOrders) {
    REQUIRE(reversed(reverse<true>, order, seed) == expected);
    raced.push_back(reversed(reverse<false>, order, seed));
    REQUIRE(raced.back() != expected);
  }
  REQUIRE(raced[0] != raced[1] && raced[0] != raced[2] && raced[1] != raced[2] && raced[2] != raced[3]);
  // ascending: the upper half reads what the lower half wrote; the lower half reads NaN
  REQUIRE(std::isnan(raced[0][0]) && raced[0][95] == 0 && std::isnan(raced[1][95]) && raced[1][0] == 95);
}

TEST("emulation: a block that reads what another block writes gives other results in other orders") {
  std::vector<std::vector<float>> results;
  for (const auto& [order, seed] : kOrders) {
    const Machine machine;
    emulation::set_order(order, seed);
    const Device<float> y(std::vector<float>(101, 0.0f));
    ok(launch(after_the_block_before, 100, 1, 0, nullptr, y.data()));
    results.push_back(y.values());
  }
  REQUIRE(results[0] == count_up(101));
  REQUIRE(results[1][100] == 1 && results[2] != results[0] && results[2] != results[3]);
}

TEST("emulation: a block's sum in shared memory and atomics agree with the plain sum in every order") {
  for (const auto& [order, seed] : kOrders) {
    const Machine machine;
    emulation::set_order(order, seed);
    const int n = 10007;
    const Device<float> x(count_up(n)), total(std::vector<float>{0.0f});
    ok(launch(sum, (n + 1023) / 1024, 1024, 1024 * sizeof(float), nullptr, x.data(), n, total.data()));
    // every block's sum is a whole number below 2^24, exact in float; the total is rounded at most 10 times
    check::close(total.values()[0], n * (n - 1) / 2.0, 0, 10 * 6e-8, "sum");
  }
}

TEST("emulation: shared memory is NaN at the start of every block") {
  const Machine machine;
  const Device<float> y(std::vector<float>(64, 0.0f));
  ok(launch(read_unwritten, 3, 64, 64 * sizeof(float), nullptr, y.data()));
  for (const float v : y.values()) REQUIRE(std::isnan(v));
}

TEST("emulation: static shared memory is NaN at the start of every block, of templates too") {
  const Machine machine;
  for (int launches = 0; launches < 2; ++launches) {
    const Device<float> y(std::vector<float>(64, 0.0f));
    const Device<double> z(std::vector<double>(64, 0.0));
    ok(launch(read_unwritten_static<float>, 2, 64, 0, nullptr, y.data()));
    ok(launch(read_unwritten_static<double>, 2, 64, 0, nullptr, z.data()));
    for (const float v : y.values()) REQUIRE(std::isnan(v));
    for (const double v : z.values()) REQUIRE(std::isnan(v));
  }
}

TEST("emulation: threads that wait at different places, or return while others wait, are a fault") {
  {
    const Machine machine;
    emulation::name_next_launch("two places");
    const std::string fault = fault_of(launch(barriers_at_two_places, 2, 32, 0, nullptr));
    contains(fault, "kernel 'two places', block (0,0,0)");
    contains(fault, "divergent __syncthreads: thread (0,0,0) waits for the block at ");
    contains(fault, "thread (16,0,0) waits for the block at ");
    contains(fault, "threads_test.cpp:");
  }
  for (const auto& [order, seed] : kOrders) {
    const Machine machine;
    emulation::set_order(order, seed);
    const std::string fault = fault_of(launch(half_returns, 1, 32, 0, nullptr));
    contains(fault, "threads wait for ever: thread (0,0,0) waits for the block at ");
    contains(fault, "thread (16,0,0) has returned");
  }
}

TEST("emulation: __syncthreads_count, _or and _and see every thread") {
  for (const auto& [order, seed] : kOrders) {
    const Machine machine;
    emulation::set_order(order, seed);
    const Device<int> y(100 * 3);
    ok(launch(votes, 1, 100, 0, nullptr, y.data()));
    const std::vector<int> values = y.values();
    for (size_t t = 0; t < 100; ++t) REQUIRE(values[t * 3] == 34 && values[t * 3 + 1] == 10 && values[t * 3 + 2] == 10);
  }
}

TEST("emulation: atomics") {
  for (const auto& [order, seed] : kOrders) {
    const Machine machine;
    emulation::set_order(order, seed);
    const Device<int> i(std::vector<int>{0, 0, -1, 1});
    const Device<unsigned> u(std::vector<unsigned>{0, 0});
    const Device<unsigned long long> l(std::vector<unsigned long long>{0});
    const Device<double> d(std::vector<double>{0});
    ok(launch(atomics, 1, 101, 0, nullptr, i.data(), u.data(), l.data(), d.data()));
    REQUIRE((i.values() == std::vector<int>{5050, -5050, 100, -100}));  // 37 is prime to 101: every rest comes once
    REQUIRE((u.values() == std::vector<unsigned>{303, 100}));
    REQUIRE(l.values()[0] == 101ull << 33 && d.values()[0] == 50.5);
  }
}

TEST("emulation: a trap names its block and thread, and the machine works again after a reset") {
  const Machine machine;
  contains(fault_of(launch(trap_in_thread_5, 4, 32, 0, nullptr)),
           "kernel 'trap_in_thread_5', block (2,0,0), thread (5,0,0): __trap()");
  emulation::reset();
  REQUIRE(emulation::last_fault().empty());
  REQUIRE(reversed(reverse<true>, Order::ascending, 0)[0] == 95);
}
