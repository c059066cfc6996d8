// Times conv2d's three passes on the shapes of the real networks. Every shape is checked first against a few sums in
// double precision; a wrong kernel is not timed but ends the program with 1.
//   conv2d_bench [--quick] [--json] [--threads N] [--isa NAME] [--only TEXT]
// GFLOP/s are those of the direct algorithm (2 n h w ci co kh kw), so Winograd can exceed the processor's peak, which
// is measured here with independent multiply-adds. GB/s counts every tensor once.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "cpu/cpu_device.h"
#include "cpu/thread_pool.h"
#include "memory.h"
#include "peak.h"

using namespace bandlift;

namespace {

struct Shape {
  const char* name;
  int64_t n, h, w, ci, co;
  int kh, kw;
  int64_t shuffle = 1;  // co is counted before the shuffle
};

const Shape kShapes[] = {
    {"spectral_sr raster 1x3 340->340", 1, 1, 65536, 340, 340, 1, 3},
    {"spectral_sr 3x3 340->340", 1, 256, 256, 340, 340, 3, 3},
    {"spectral_sr 3x3 128->340", 1, 256, 256, 128, 340, 3, 3},
    {"spectral_sr 3x3 7->128", 1, 256, 256, 7, 128, 3, 3},
    {"spectral_sr gate 340->85", 4, 1, 1, 340, 85, 1, 1},
    {"spatial_sr body 3x3 64->64", 4, 34, 34, 64, 64, 3, 3},
    {"spatial_sr upsample 3x3 64->256", 1, 34, 34, 64, 256, 3, 3, 2},
    {"spatial_sr upsample 3x3 64->256", 1, 68, 68, 64, 256, 3, 3, 2},
    {"spatial_sr upsample 3x3 64->256", 1, 136, 136, 64, 256, 3, 3, 2},
    {"unshuffled 3x3 64->256", 1, 136, 136, 64, 256, 3, 3},
    {"spatial_sr reconstruct 3x3 64->340", 1, 272, 272, 64, 340, 3, 3},
    {"lightweight body 3x3 16->16", 4, 34, 34, 16, 16, 3, 3},
    {"lightweight upsample 3x3 16->64", 1, 136, 136, 16, 64, 3, 3, 2},
    {"unshuffled 3x3 16->64", 1, 136, 136, 16, 64, 3, 3},
    {"lightweight reconstruct 3x3 16->340", 1, 272, 272, 16, 340, 3, 3},
    {"unmixing 3x3 32->16", 1, 256, 256, 32, 16, 3, 3},
    {"spectral axis 1x7 1->32", 1, 4096, 340, 1, 32, 1, 7},
    {"spectral axis 1x3 32->32", 1, 4096, 340, 32, 32, 1, 3},
    {"spectral axis 1x7 32->1", 1, 4096, 340, 32, 1, 1, 7},
    {"dense 1x1 340->340", 1, 128, 128, 340, 340, 1, 1},
    {"wide kernel 5x5 64->64", 1, 128, 128, 64, 64, 5, 5},
};
const Shape kQuickShapes[] = {
    {"raster 1x3 340->340", 1, 1, 2048, 340, 340, 1, 3},
    {"3x3 64->64", 1, 34, 34, 64, 64, 3, 3},
    {"3x3 7->128", 1, 64, 64, 7, 128, 3, 3},
};

using bench::Buffer;

struct Numbers : Buffer {
  Numbers(int64_t count, unsigned seed) : Buffer(static_cast<size_t>(count) * sizeof(float)) {
    std::mt19937 random(seed);
    for (int64_t i = 0; i < count; ++i) data[i] = static_cast<float>(random() % 2001) / 1000.0f - 1.0f;
  }
};

Tensor image(const Shape& s, int64_t c, const Buffer& b) {
  return {b.data, DType::f32, s.n, s.h, s.w, c, c};
}
// Like y: shuffled.
Tensor output(const Shape& s, const Buffer& b) {
  const int64_t r = s.shuffle, c = s.co / (r * r);
  return {b.data, DType::f32, s.n, s.h * r, s.w * r, c, c};
}
Tensor vector_of(int64_t c, const Buffer& b) {
  return {b.data, DType::f32, 1, 1, 1, c, c};
}

struct Bench {
  Bench(const Shape& s, Backend& backend)
      : s(s),
        backend(backend),
        pixels(s.n * s.h * s.w),
        weights(s.co * s.ci * s.kh * s.kw),
        x_(pixels * s.ci, 1),
        dy_(pixels * s.co, 2),
        w_(weights, 3),
        b_(s.co, 4),
        y_(pixels * s.co, 5),
        dx_(pixels * s.ci, 6),
        dw_(weights, 7),
        db_(s.co, 8),
        x(image(s, s.ci, x_)),
        dy(output(s, dy_)),
        w(vector_of(weights, w_)),
        b(vector_of(s.co, b_)),
        y(output(s, y_)),
        dx(image(s, s.ci, dx_)),
        dw(vector_of(weights, dw_)),
        db(vector_of(s.co, db_)),
        relu{s.kh, s.kw, Activation::relu, static_cast<int>(s.shuffle)},
        plain{s.kh, s.kw, Activation::none, static_cast<int>(s.shuffle)},
        workspace_bytes(std::max({backend.conv2d_forward_workspace(relu, x, y),
                                  backend.conv2d_backward_data_workspace(plain, dy, dx),
                                  backend.conv2d_backward_weights_workspace(plain, x, dy)})),
        space_(workspace_bytes),
        space(vector_of(static_cast<int64_t>(workspace_bytes / sizeof(float)), space_)) {}

  void forward() { backend.conv2d_forward(relu, x, w, b, {}, y, space); }
  void backward_data() { backend.conv2d_backward_data(plain, dy, w, {}, x, dx, space); }
  void backward_weights() { backend.conv2d_backward_weights(plain, x, dy, dw, db, space); }

  // Channel o of a pixel of the plain convolution, in an image like y.
  float out(const Numbers& from, int64_t pixel, int64_t o) const {
    const int64_t r = s.shuffle, row = pixel / s.w * r + o / r % r, column = pixel % s.w * r + o % r;
    return from.data[(row * s.w * r + column) * (s.co / (r * r)) + o / (r * r)];
  }
  double sum_at(const Numbers& from, int64_t channels, int64_t pixel, int64_t channel, bool transposed) const {
    double sum = 0;
    for (int ky = 0; ky < s.kh; ++ky)
      for (int kx = 0; kx < s.kw; ++kx) {
        const int64_t down = ky - s.kh / 2, right = kx - s.kw / 2;
        const int64_t py = pixel / s.w % s.h + (transposed ? -down : down),
                      px = pixel % s.w + (transposed ? -right : right);
        if (py < 0 || py >= s.h || px < 0 || px >= s.w) continue;
        const int64_t at = pixel / (s.w * s.h) * s.w * s.h + py * s.w + px;
        for (int64_t k = 0; k < channels; ++k) {
          const int64_t o = transposed ? k : channel, i = transposed ? channel : k;
          const double number = transposed ? out(from, at, k) : from.data[at * channels + k];
          sum += number * w_.data[((o * s.ci + i) * s.kh + ky) * s.kw + kx];
        }
      }
    return sum;
  }

  // Empty when right. The limit, 1e-5 of the size of a sum of random signs, leaves out only rounding.
  std::string validate() {
    forward();
    backward_data();
    std::fill(dw_.data, dw_.data + weights, 0.0f);
    std::fill(db_.data, db_.data + s.co, 0.0f);
    backward_weights();
    const auto wrong = [](double got, double expected, double terms) {
      return !(std::abs(got - expected) <= 1e-5 * (1 + std::sqrt(terms)));
    };
    for (int64_t k = 0; k < 50; ++k) {
      const int64_t pixel = k * (pixels - 1) / 49, o = k * (s.co - 1) / 49, i = k * (s.ci - 1) / 49;
      const double value = sum_at(x_, s.ci, pixel, o, false) + b_.data[o];
      const double taps = s.kh * s.kw;
      if (wrong(out(y_, pixel, o), std::max(value, 0.0), taps * static_cast<double>(s.ci))) return "forward";
      const double gradient = x_.data[pixel * s.ci + i] > 0 ? sum_at(dy_, s.co, pixel, i, true) : 0;
      if (wrong(dx_.data[pixel * s.ci + i], gradient, taps * static_cast<double>(s.co))) return "backward_data";
    }
    for (int64_t k = 0; k < 5; ++k) {
      const int64_t o = k * (s.co - 1) / 4, i = k * (s.ci - 1) / 4;
      double middle = 0, bias = 0;  // of the kernel's centre, where no pixel is outside
      for (int64_t p = 0; p < pixels; ++p) {
        middle += static_cast<double>(x_.data[p * s.ci + i]) * out(dy_, p, o);
        bias += out(dy_, p, o);
      }
      const int64_t centre = (s.kh / 2) * s.kw + s.kw / 2;
      if (wrong(dw_.data[(o * s.ci + i) * s.kh * s.kw + centre], middle, static_cast<double>(pixels)))
        return "backward_weights";
      if (wrong(db_.data[o], bias, static_cast<double>(pixels))) return "backward_weights (bias)";
    }
    return "";
  }

  Shape s;
  Backend& backend;
  int64_t pixels, weights;
  Numbers x_, dy_, w_, b_, y_, dx_, dw_, db_;
  Tensor x, dy, w, b, y, dx, dw, db;
  Conv2dParams relu, plain;
  size_t workspace_bytes;
  Buffer space_;
  Tensor space;
};

// Best of several runs: at least 3, until about `budget` seconds are spent.
template <typename F>
double best_time(double budget, const F& run) {
  double best = 1e9;
  const double start = bench::seconds();
  for (int i = 0; i < 3 || (bench::seconds() - start < budget && i < 1000); ++i) {
    const double before = bench::seconds();
    run();
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
                   "conv2d_bench [--quick] [--json] [--threads N] [--isa avx512|avx2|baseline] [--only TEXT]\n");
      return 2;
    }
  }
  ThreadPool pool(threads);
  const std::unique_ptr<Backend> backend = make_cpu_backend(isa, pool);
  const double peak = bench::flops_of(isa) * threads;
  std::vector<Shape> shapes(std::begin(kShapes), std::end(kShapes));
  if (quick) shapes.assign(std::begin(kQuickShapes), std::end(kQuickShapes));
  if (json)
    std::printf("{\"cpu\":\"%s\",\"isa\":\"%s\",\"threads\":%d,\"peak_gflops\":%.1f,\"results\":[", cpu_name().c_str(),
                isa_name(isa).c_str(), threads, peak / 1e9);
  else
    std::printf("%s, %s, %d threads, peak %.0f GFLOP/s\n%-36s %-8s %9s %9s %7s %7s %8s\n", cpu_name().c_str(),
                isa_name(isa).c_str(), threads, peak / 1e9, "shape", "pass", "ms", "GFLOP/s", "of peak", "GB/s",
                "work MB");
  const char* separator = "";
  for (const Shape& s : shapes) {
    if (std::string(s.name).find(only) == std::string::npos) continue;
    Bench bench(s, *backend);
    const std::string wrong = bench.validate();
    if (!wrong.empty()) {
      std::fprintf(stderr, "%s: %s is wrong\n", s.name, wrong.c_str());
      return 1;
    }
    const double flops = 2.0 * static_cast<double>(bench.pixels) * static_cast<double>(bench.weights);
    const double bytes = 4.0 * static_cast<double>(bench.pixels * (s.ci + s.co) + bench.weights);
    const double budget = quick ? 0.1 : 1.0;
    const double times[] = {best_time(budget, [&] { bench.forward(); }),
                            best_time(budget, [&] { bench.backward_data(); }),
                            best_time(budget, [&] { bench.backward_weights(); })};
    const char* names[] = {"forward", "data", "weights"};
    for (int pass = 0; pass < 3; ++pass) {
      const double t = times[pass];
      if (json)
        std::printf(
            "%s\n{\"shape\":\"%s\",\"pass\":\"%s\",\"ms\":%.4f,\"gflops\":%.2f,\"gbytes\":%.2f,\"workspace_bytes\":%"
            "zu}",
            separator, s.name, names[pass], t * 1e3, flops / t / 1e9, bytes / t / 1e9, bench.workspace_bytes);
      else
        std::printf("%-36s %-8s %9.3f %9.1f %6.0f%% %7.1f %8.1f\n", s.name, names[pass], t * 1e3, flops / t / 1e9,
                    100 * flops / t / peak, bytes / t / 1e9, static_cast<double>(bench.workspace_bytes) / 1e6);
      separator = ",";
    }
    std::fflush(stdout);
  }
  if (json) std::printf("]}\n");
  return 0;
}
