// What this machine can do at most: multiply-adds per second with all cores, and memory copied per second.
// Benchmarks quote their share of these. Prints one JSON object.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include "cpu/cpu_device.h"

namespace {

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

typedef float Lanes4 __attribute__((vector_size(16)));
typedef float Lanes8 __attribute__((vector_size(32)));
typedef float Lanes16 __attribute__((vector_size(64)));

// 12 independent chains hide the latency of a multiply-add; returns floating-point operations per second of one core.
template <typename V>
__attribute__((always_inline)) inline double chains() {
  V sum[12] = {};
  volatile float factor = 0.999f, term = 0.001f;
  const V a = V{} + factor, b = V{} + term;
  double best = 1e9;
  for (int run = 0; run < 20; ++run) {
    const double start = seconds();
    for (int i = 0; i < 200000; ++i)
#pragma GCC unroll 12
      for (int c = 0; c < 12; ++c) sum[c] = sum[c] * a + b;
    best = std::min(best, seconds() - start);
  }
  volatile float sink = 0;
  for (const V& s : sum) sink = sink + s[0];
  return 200000.0 * 12 * 2 * (sizeof(V) / sizeof(float)) / best;
}

#if defined(__x86_64__)
__attribute__((target("avx512f,prefer-vector-width=512"))) double flops_avx512() {
  return chains<Lanes16>();
}
__attribute__((target("avx2,fma"))) double flops_avx2() {
  return chains<Lanes8>();
}
#endif

double flops_of(bandlift::Isa isa) {
#if defined(__x86_64__)
  if (isa == bandlift::Isa::avx512) return flops_avx512();
  if (isa == bandlift::Isa::avx2) return flops_avx2();
#endif
  (void)isa;
  return chains<Lanes4>();
}

// Sum over threads of what each reaches while all run.
template <typename F>
double together(int threads, F measure) {
  std::vector<double> result(threads);
  std::vector<std::thread> workers;
  for (int i = 0; i < threads; ++i) workers.emplace_back([&, i] { result[i] = measure(); });
  for (auto& worker : workers) worker.join();
  double sum = 0;
  for (double r : result) sum += r;
  return sum;
}

// Bytes read and written per second by memcpy of a block far larger than the caches.
double copy_bytes() {
  const size_t size = size_t{128} << 20;
  char* from = static_cast<char*>(std::malloc(size));
  char* to = static_cast<char*>(std::malloc(size));
  if (!from || !to) return 0;
  std::memset(from, 1, size);
  std::memset(to, 2, size);
  double best = 1e9;
  for (int run = 0; run < 5; ++run) {
    const double start = seconds();
    std::memcpy(to, from, size);
    best = std::min(best, seconds() - start);
  }
  volatile char sink = to[size / 2];
  (void)sink;
  std::free(from);
  std::free(to);
  return 2.0 * static_cast<double>(size) / best;
}

}  // namespace

int main() {
  const int threads = bandlift::physical_cores();
  const auto isa = bandlift::available_isas().front();
  const double flops = together(threads, [isa] { return flops_of(isa); });
  const double copy = together(threads, copy_bytes);
  std::printf("{\"cpu\": \"%s\", \"isa\": \"%s\", \"threads\": %d, \"gflops\": %.1f, \"copy_gb_per_s\": %.1f}\n",
              bandlift::cpu_name().c_str(), bandlift::isa_name(isa).c_str(), threads, flops / 1e9, copy / 1e9);
}
