// What this machine can do at most: multiply-adds per second with all cores, and memory copied per second.
// Benchmarks quote their share of these. Prints one JSON object.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include "cpu/cpu_device.h"
#include "peak.h"

namespace {

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
    const double start = bench::seconds();
    std::memcpy(to, from, size);
    best = std::min(best, bench::seconds() - start);
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
  const double flops = together(threads, [isa] { return bench::flops_of(isa); });
  const double copy = together(threads, copy_bytes);
  std::printf("{\"cpu\": \"%s\", \"isa\": \"%s\", \"threads\": %d, \"gflops\": %.1f, \"copy_gb_per_s\": %.1f}\n",
              bandlift::cpu_name().c_str(), bandlift::isa_name(isa).c_str(), threads, flops / 1e9, copy / 1e9);
}
