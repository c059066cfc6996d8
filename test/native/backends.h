// What tests of operators share: every backend of this machine with 1, 2 and 3 threads, or with BANDLIFT_EMULATED the
// CUDA backend with threads and blocks in several orders; and derivatives by central differences in double.
#pragma once
#include <cstdint>
#include <limits>
#include <memory>

#include "cpu/cpu_device.h"
#include "cpu/thread_pool.h"
#include "image.h"
#ifdef BANDLIFT_EMULATED
#include "emulated/emulated_backend.h"
#endif

namespace backends {

using bandlift::Backend;

#ifdef BANDLIFT_EMULATED

// f(name, backend) for each backend, in one order of its threads.
template <typename F>
void each_backend(const F& f) {
  emulated::EmulatedBackend device;
  f(std::string("emulated cuda"), device.backend());
  device.finish();
}

// check(compute(backend)), then the same bits in every other order of threads and blocks: where they differ, threads
// race for memory. compute(Backend&) returns a std::vector<Image>.
template <typename Compute, typename Check>
void everywhere(const std::string& what, const Compute& compute, const Check& check_results) {
  const auto run = [&](const emulated::NamedOrder& order) {
    emulated::EmulatedBackend device(order);
    std::vector<Image> results = compute(device.backend());
    device.finish();
    return results;
  };
  try {
    const std::vector<Image> first = run(emulated::kOrders[0]);
    for (const Image& image : first)
      if (!image.gaps_intact()) check::fail("padding of a result is not zero");
    check_results(first);
    for (size_t o = 1; o < std::size(emulated::kOrders); ++o) {
      const std::vector<Image> again = run(emulated::kOrders[o]);
      for (size_t i = 0; i < first.size(); ++i)
        if (!again[i].same_bits(first[i]))
          check::fail("result " + std::to_string(i) + ": other bits with threads " + emulated::kOrders[o].name);
    }
  } catch (const std::exception& e) {
    check::fail(what + ", emulated cuda: " + emulated::explained(e));
  }
}

#else

// f(name, backend) for each instruction set, with two threads.
template <typename F>
void each_backend(const F& f) {
  for (bandlift::Isa isa : bandlift::available_isas()) {
    bandlift::ThreadPool pool(2);
    f(bandlift::isa_name(isa), *bandlift::make_cpu_backend(isa, pool));
  }
}

// For every instruction set: check(compute(backend)) with one thread, then the same bits with two and three.
// compute(Backend&) returns a std::vector<Image>.
template <typename Compute, typename Check>
void everywhere(const std::string& what, const Compute& compute, const Check& check_results) {
  for (bandlift::Isa isa : bandlift::available_isas()) {
    try {
      bandlift::ThreadPool one(1);
      const std::vector<Image> first = compute(*bandlift::make_cpu_backend(isa, one));
      for (const Image& image : first) REQUIRE(image.gaps_intact());
      check_results(first);
      for (int threads : {2, 3}) {
        bandlift::ThreadPool pool(threads);
        const std::vector<Image> again = compute(*bandlift::make_cpu_backend(isa, pool));
        for (size_t i = 0; i < first.size(); ++i)
          if (!again[i].same_bits(first[i])) check::fail("other bits with " + std::to_string(threads) + " threads");
      }
    } catch (const std::exception& e) {
      check::fail(what + ", " + bandlift::isa_name(isa) + ": " + e.what());
    }
  }
}

#endif

inline void close_all(const Image& actual, const std::vector<double>& expected, double atol, double rtol,
                      const std::string& what) {
  REQUIRE(actual.t.elements() == static_cast<int64_t>(expected.size()));
  for (size_t i = 0; i < expected.size(); ++i)
    actual.close(static_cast<int64_t>(i), expected[i], atol, rtol, what + "[" + std::to_string(i) + "]");
}

// d f / d x[i] by central differences of f(std::vector<double>) in double.
template <typename F>
double slope(std::vector<double> x, size_t i, const F& f, double step = 1e-6) {
  const double middle = x[i];
  x[i] = middle + step;
  const double above = f(x);
  x[i] = middle - step;
  return (above - f(x)) / (2 * step);
}

// At most `count` indices spread over [0, total), for gradients too many to differentiate one by one.
inline std::vector<size_t> spread(size_t total, size_t count) {
  std::vector<size_t> indices;
  for (size_t k = 0; k < count && k < total; ++k) indices.push_back(total <= count ? k : k * (total - 1) / (count - 1));
  return indices;
}

}  // namespace backends
