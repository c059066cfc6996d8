// Times resample on the grids of stage 2: up-sampling to the fine grid, the sensor's degradation, and their gradients.
// Every case is checked first against a few sums in double precision; a wrong kernel is not timed but ends with 1.
//   resample_bench [--quick] [--json] [--threads N] [--isa NAME] [--only TEXT]
// GB/s counts every image once; compare with the copy bandwidth that machine_bench measures.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "cpu/cpu_device.h"
#include "cpu/thread_pool.h"
#include "memory.h"
#include "peak.h"

using namespace bandlift;

namespace {

struct Case {
  const char* name;
  int64_t in, out, taps, c;
  bool residual;
};

const Case kCases[] = {
    {"bicubic 34->255 + residual", 34, 255, 4, 340, true},    {"bicubic 34->255", 34, 255, 4, 340, false},
    {"gradient of bicubic 34->255", 255, 34, 30, 340, false}, {"bicubic 272->255", 272, 255, 4, 340, false},
    {"bicubic 272->255 + residual", 272, 255, 4, 340, true},  {"gradient of 272->255", 255, 272, 5, 340, false},
    {"degradation 255->34", 255, 34, 30, 340, false},         {"gradient of degradation", 34, 255, 5, 340, true},
};

// Windows spread evenly over the inputs; the cost does not depend on the weights.
std::vector<float> table(int64_t in, int64_t out, int64_t taps) {
  std::vector<float> numbers;
  std::mt19937 random(1);
  for (int64_t k = 0; k < out; ++k) {
    numbers.push_back(static_cast<float>(k * (in - taps) / (out - 1)));
    for (int64_t i = 0; i < taps; ++i) numbers.push_back(static_cast<float>(random() % 1000 + 1) / 1000.0f);
  }
  return numbers;
}

void fill(const bench::Buffer& b, int64_t count, unsigned seed) {
  std::mt19937 random(seed);
  for (int64_t i = 0; i < count; ++i) b.data[i] = static_cast<float>(random() % 2001) / 1000.0f - 1.0f;
}

double run_case(const Case& k, Backend& backend, double budget) {
  const int64_t ins = k.in * k.in * k.c, outs = k.out * k.out * k.c;
  std::vector<float> numbers = table(k.in, k.out, k.taps);
  const bench::Buffer x(static_cast<size_t>(ins) * 4), base(static_cast<size_t>(outs) * 4),
      y(static_cast<size_t>(outs) * 4);
  fill(x, ins, 1), fill(base, outs, 2), fill(y, outs, 3);
  const Tensor tx{x.data, DType::f32, 1, k.in, k.in, k.c, k.c}, ty{y.data, DType::f32, 1, k.out, k.out, k.c, k.c},
      taps{numbers.data(), DType::f32, 1, 1, k.out, k.taps + 1, k.taps + 1};
  Tensor residual;
  if (k.residual) residual = ty, residual.data = base.data;
  const size_t bytes = backend.resample_workspace(tx, taps, ty);
  const bench::Buffer space(bytes);
  Tensor work{space.data, DType::f32, 1, 1, 1, static_cast<int64_t>(bytes / 4), static_cast<int64_t>(bytes / 4)};
  const auto once = [&] { backend.resample(tx, taps, taps, residual, ty, work); };

  once();
  for (int64_t s = 0; s < 50; ++s) {
    const int64_t at = s * (outs - 1) / 49, c = at % k.c, column = at / k.c % k.out, row = at / k.c / k.out;
    const float *down = &numbers[static_cast<size_t>(row * (k.taps + 1))],
                *right = &numbers[static_cast<size_t>(column * (k.taps + 1))];
    double sum = k.residual ? base.data[at] : 0;
    for (int64_t i = 0; i < k.taps; ++i)
      for (int64_t j = 0; j < k.taps; ++j)
        sum += static_cast<double>(down[1 + i]) * right[1 + j] *
               x.data[((static_cast<int64_t>(down[0]) + i) * k.in + static_cast<int64_t>(right[0]) + j) * k.c + c];
    // 2 taps + 1 roundings of sums of taps^2 terms below 1
    if (!(std::abs(y.data[at] - sum) <= 1.2e-7 * static_cast<double>((k.taps + 1) * k.taps * k.taps))) return -1;
  }

  double best = 1e9;
  const double start = bench::seconds();
  for (int i = 0; i < 5 || (bench::seconds() - start < budget && i < 1000); ++i) {
    const double before = bench::seconds();
    once();
    best = std::min(best, bench::seconds() - before);
  }
  return best;
}

}  // namespace

int main(int argc, char** argv) {
  bool quick = false, json = false;
  int threads = physical_cores();
  Isa isa = available_isas().front();
  std::string only;
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    if (option == "--quick") {
      quick = true;
    } else if (option == "--json") {
      json = true;
    } else if (option == "--threads" && i + 1 < argc) {
      threads = std::atoi(argv[++i]);
    } else if (option == "--only" && i + 1 < argc) {
      only = argv[++i];
    } else if (option == "--isa" && i + 1 < argc) {
      const std::string wanted = argv[++i];
      for (Isa a : available_isas())
        if (isa_name(a) == wanted) isa = a;
    } else {
      std::fprintf(stderr,
                   "resample_bench [--quick] [--json] [--threads N] [--isa avx512|avx2|baseline] [--only TEXT]\n");
      return 2;
    }
  }
  ThreadPool pool(threads);
  const std::unique_ptr<Backend> backend = make_cpu_backend(isa, pool);
  if (json)
    std::printf("{\"cpu\":\"%s\",\"isa\":\"%s\",\"threads\":%d,\"results\":[", cpu_name().c_str(),
                isa_name(isa).c_str(), threads);
  else
    std::printf("%s, %s, %d threads\n%-30s %9s %8s %9s\n", cpu_name().c_str(), isa_name(isa).c_str(), threads, "case",
                "ms", "GB/s", "GFLOP/s");
  const char* separator = "";
  for (Case k : kCases) {
    if (std::string(k.name).find(only) == std::string::npos) continue;
    if (quick) k.c = 20;
    const double t = run_case(k, *backend, quick ? 0.05 : 1);
    if (t < 0) {
      std::fprintf(stderr, "%s is wrong\n", k.name);
      return 1;
    }
    const double in = static_cast<double>(k.in * k.in * k.c), out = static_cast<double>(k.out * k.out * k.c);
    const double bytes = 4 * (in + out * (k.residual ? 2 : 1));
    const double flops = 2.0 * static_cast<double>((k.in + k.out) * k.out * k.taps * k.c);
    if (json)
      std::printf("%s\n{\"case\":\"%s\",\"channels\":%ld,\"ms\":%.4f,\"gbytes\":%.2f}", separator, k.name,
                  static_cast<long>(k.c), t * 1e3, bytes / t / 1e9);
    else
      std::printf("%-30s %9.3f %8.1f %9.1f\n", k.name, t * 1e3, bytes / t / 1e9, flops / t / 1e9);
    separator = ",";
    std::fflush(stdout);
  }
  if (json) std::printf("]}\n");
  return 0;
}
