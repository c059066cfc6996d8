// conv2d on the CPU against the obvious loop in double precision, for every instruction set, and bit-identical for 1, 2
// and 3 threads. Buffers have exactly the size of their tensors, so that AddressSanitizer sees any over-read.
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>

#include "check.h"
#include "cpu/cpu_device.h"
#include "cpu/thread_pool.h"

using namespace bandlift;

namespace {

struct Case {
  int64_t n, h, w, ci, co;
  int kh, kw;
  Activation activation;
  bool bias, residual, mask;
  int64_t extra_pitch;  // pixels are c + extra_pitch apart
  int64_t shuffle = 1;  // co is counted before the shuffle
};

const Case kCases[] = {
    // one pixel, one band, vectors: direct
    {1, 1, 1, 1, 1, 1, 1, Activation::none, false, false, false, 0},
    {1, 1, 1, 1, 1, 3, 3, Activation::none, true, true, true, 0},
    {3, 1, 1, 340, 85, 1, 1, Activation::relu, true, false, true, 0},
    {3, 1, 1, 85, 340, 1, 1, Activation::sigmoid, true, false, false, 0},
    {1, 1, 1, 64, 4, 1, 1, Activation::softplus, true, false, true, 0},
    {2, 3, 5, 4, 64, 1, 1, Activation::none, true, true, false, 3},
    // few channels, every odd kernel, borders wider than the image
    {2, 11, 13, 7, 41, 3, 3, Activation::relu, true, false, false, 0},
    {3, 5, 7, 7, 13, 5, 5, Activation::none, true, true, true, 1},
    {1, 2, 2, 5, 9, 5, 5, Activation::relu, false, true, true, 0},
    {1, 7, 23, 1, 19, 1, 7, Activation::relu, true, false, true, 0},
    {2, 4, 341, 1, 6, 1, 3, Activation::none, true, false, false, 0},
    {2, 4, 341, 6, 1, 1, 3, Activation::sigmoid, true, true, true, 0},
    {1, 9, 6, 3, 2, 3, 1, Activation::none, true, false, false, 2},
    {1, 5, 37, 17, 3, 1, 7, Activation::softplus, true, false, false, 0},
    {1, 3, 211, 31, 97, 5, 5, Activation::relu, true, true, true, 0},
    {1, 2, 19, 130, 67, 3, 5, Activation::none, false, false, false, 0},
    {2, 2, 9, 40, 48, 3, 3, Activation::relu, true, true, true, 0},  // too narrow for Winograd
    // Winograd along x
    {1, 1, 12, 32, 32, 1, 3, Activation::none, false, false, false, 0},
    {1, 1, 263, 37, 53, 1, 3, Activation::relu, true, true, true, 0},
    {3, 2, 29, 64, 101, 1, 3, Activation::sigmoid, true, false, true, 5},
    {1, 1, 1031, 33, 35, 1, 3, Activation::none, true, true, false, 0},
    // Winograd in both directions
    {1, 3, 12, 32, 32, 3, 3, Activation::none, false, false, false, 0},
    {1, 9, 12, 16, 19, 3, 3, Activation::relu, true, false, true, 0},
    {1, 7, 13, 270, 290, 3, 3, Activation::none, true, true, true, 0},  // many weights: blocks shared by the threads
    {2, 7, 13, 43, 37, 3, 3, Activation::relu, true, true, true, 0},
    {3, 4, 17, 32, 71, 3, 3, Activation::softplus, true, false, true, 7},
    {1, 34, 34, 64, 64, 3, 3, Activation::relu, true, true, true, 0},
    {1, 5, 16, 340, 47, 3, 3, Activation::none, true, false, false, 0},
    // pixel shuffle, direct: 1, 3, 8, 20 channels a pixel, thin outputs, padded pixels, pixels in a row
    {1, 1, 1, 1, 4, 1, 1, Activation::none, false, false, false, 0, 2},
    {2, 5, 7, 3, 4, 3, 3, Activation::relu, true, false, true, 3, 2},
    {2, 3, 5, 6, 9, 1, 1, Activation::sigmoid, true, true, true, 0, 3},
    {1, 4, 9, 5, 27, 3, 3, Activation::none, true, true, true, 2, 3},
    {3, 2, 37, 17, 12, 1, 3, Activation::relu, true, false, false, 0, 2},
    {1, 6, 5, 8, 32, 3, 3, Activation::none, true, true, false, 0, 2},
    {2, 5, 11, 20, 80, 3, 3, Activation::relu, true, false, true, 1, 2},
    {1, 3, 7, 9, 180, 5, 5, Activation::none, false, false, true, 0, 3},
    {1, 2, 6, 64, 256, 1, 1, Activation::relu, true, true, true, 0, 2},
    // pixel shuffle, Winograd along x and in both directions
    {2, 2, 17, 33, 36, 1, 3, Activation::relu, true, false, true, 1, 3},
    {1, 3, 29, 32, 256, 1, 3, Activation::none, true, true, false, 0, 2},
    {1, 9, 12, 16, 20, 3, 3, Activation::relu, true, false, true, 0, 2},
    {1, 5, 14, 19, 27, 3, 3, Activation::none, true, true, true, 4, 3},
    {2, 6, 13, 16, 32, 3, 3, Activation::softplus, true, false, true, 0, 2},
    {2, 7, 15, 24, 80, 3, 3, Activation::none, true, true, true, 3, 2},
    {1, 4, 12, 17, 180, 3, 3, Activation::none, false, false, false, 0, 3},
    {2, 10, 18, 64, 256, 3, 3, Activation::none, true, true, true, 0, 2},
    {1, 5, 13, 20, 576, 3, 3, Activation::none, true, false, true, 0, 3},
    {1, 4, 13, 31, 260, 3, 3, Activation::relu, true, true, true, 1, 2},
    {1, 5, 12, 18, 585, 3, 3, Activation::none, true, false, true, 0, 3},
    {1, 5, 13, 340, 260, 3, 3, Activation::none, true, true, true, 0, 2},  // many weights
};

std::string name_of(const Case& c) {
  return std::to_string(c.n) + "x" + std::to_string(c.h) + "x" + std::to_string(c.w) + " " + std::to_string(c.ci) +
         "->" + std::to_string(c.co) + " " + std::to_string(c.kh) + "x" + std::to_string(c.kw) + " pitch +" +
         std::to_string(c.extra_pitch) + " shuffle " + std::to_string(c.shuffle);
}

constexpr float kPadding = 12345.0f;  // what stands between the pixels; must survive

// Owns exactly the floats a tensor spans: the last pixel has no padding behind it.
struct Image {
  Image(int64_t n, int64_t h, int64_t w, int64_t c, int64_t extra) : t{nullptr, DType::f32, n, h, w, c, c + extra} {
    floats.assign(static_cast<size_t>((t.pixels() - 1) * t.pitch + c), kPadding);
    t.data = floats.data();
  }
  Image(const Image& other) : floats(other.floats), t(other.t) { t.data = floats.data(); }
  Image& operator=(const Image&) = delete;

  float& at(int64_t pixel, int64_t k) { return floats[static_cast<size_t>(pixel * t.pitch + k)]; }
  float at(int64_t pixel, int64_t k) const { return floats[static_cast<size_t>(pixel * t.pitch + k)]; }
  void fill(std::mt19937& random) {
    std::uniform_real_distribution<float> uniform(-1, 1);
    for (int64_t p = 0; p < t.pixels(); ++p)
      for (int64_t k = 0; k < t.c; ++k) at(p, k) = uniform(random);
  }
  void require_padding(const std::string& what) const {
    for (int64_t p = 0; p + 1 < t.pixels(); ++p)
      for (int64_t k = t.c; k < t.pitch; ++k)
        if (at(p, k) != kPadding) check::fail(what + ": wrote between the pixels");
  }

  std::vector<float> floats;
  Tensor t;
};

Image vector_of(int64_t floats) {
  return Image(1, 1, 1, floats, 0);
}

// Exactly the bytes asked for, 64-byte aligned as the engine gives them, full of NaN: nothing may be read before
// written.
struct Workspace {
  explicit Workspace(size_t bytes)
      : bytes_((bytes + 63) / 64 * 64), data_(bytes_ ? std::aligned_alloc(64, bytes_) : nullptr) {
    for (size_t i = 0; i < bytes_ / sizeof(float); ++i)
      static_cast<float*>(data_)[i] = std::numeric_limits<float>::quiet_NaN();
    t.data = data_;
    t.n = t.h = t.w = 1;
    t.c = t.pitch = static_cast<int64_t>(bytes_ / sizeof(float));
  }
  ~Workspace() { std::free(data_); }
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  Tensor t;

 private:
  size_t bytes_;
  void* data_;
};

double activated(Activation kind, double v) {
  switch (kind) {
    case Activation::relu:
      return v > 0 ? v : 0;
    case Activation::sigmoid:
      return 1 / (1 + std::exp(-v));
    case Activation::softplus:
      return std::log1p(std::exp(v));
    default:
      return v;
  }
}

struct Sum {
  double value = 0, magnitude = 0;  // magnitude: sum of absolute terms, what rounding errors are proportional to
  void add(double term) { value += term, magnitude += std::abs(term); }
};

struct Problem {
  explicit Problem(const Case& c)
      : c(c),
        x(c.n, c.h, c.w, c.ci, c.extra_pitch),
        dy(c.n, c.h * c.shuffle, c.w * c.shuffle, c.co / (c.shuffle * c.shuffle), c.extra_pitch),
        residual(dy),
        add(x),
        mask(x),
        w(vector_of(c.co * c.ci * c.kh * c.kw)),
        b(vector_of(c.co)),
        dw0(w),
        db0(b) {
    std::mt19937 random(7);
    for (Image* image : {&x, &dy, &residual, &add, &mask, &w, &b, &dw0, &db0}) image->fill(random);
  }

  bool has_residual() const { return c.residual && c.shuffle == 1; }
  double weight(int64_t o, int64_t i, int64_t ky, int64_t kx) const {
    return w.floats[static_cast<size_t>(((o * c.ci + i) * c.kh + ky) * c.kw + kx)];
  }
  // Channel o of a pixel of the plain convolution, in an image like y: torch.nn.PixelShuffle's definition.
  float out(const Image& image, int64_t pixel, int64_t o) const {
    const int64_t r = c.shuffle, down = o / r % r, right = o % r;
    return image.at((pixel / c.w * r + down) * c.w * r + pixel % c.w * r + right, o / (r * r));
  }
  // Index of the pixel `dy` rows and `dx` columns away, or -1.
  int64_t neighbour(int64_t pixel, int64_t down, int64_t right) const {
    const int64_t px = pixel % c.w + right, py = pixel / c.w % c.h + down;
    return px < 0 || px >= c.w || py < 0 || py >= c.h ? -1 : pixel + down * c.w + right;
  }

  Case c;
  Image x, dy, residual, add, mask, w, b, dw0, db0;
};

struct Results {
  Image y, y_in_place, dx, dx_in_place, dw, db, dw_alone;
};

Results compute(const Problem& p, Backend& backend) {
  const Conv2dParams params{p.c.kh, p.c.kw, p.c.activation, static_cast<int>(p.c.shuffle)};
  const bool residual = p.has_residual();
  const Tensor none;
  const Tensor b = p.c.bias ? p.b.t : none, mask = p.c.mask ? p.mask.t : none;
  Image blank_y(p.dy.t.n, p.dy.t.h, p.dy.t.w, p.dy.t.c, p.c.extra_pitch),
      blank_x(p.c.n, p.c.h, p.c.w, p.c.ci, p.c.extra_pitch);
  Results r{blank_y, p.residual, blank_x, p.add, p.dw0, p.db0, p.dw0};
  {
    Workspace space(backend.conv2d_forward_workspace(params, p.x.t, r.y.t));
    backend.conv2d_forward(params, p.x.t, p.w.t, b, residual ? p.residual.t : none, r.y.t, space.t);
    if (residual) backend.conv2d_forward(params, p.x.t, p.w.t, b, r.y_in_place.t, r.y_in_place.t, space.t);
  }
  {
    Workspace space(backend.conv2d_backward_data_workspace(params, p.dy.t, r.dx.t));
    backend.conv2d_backward_data(params, p.dy.t, p.w.t, p.c.residual ? p.add.t : none, mask, r.dx.t, space.t);
    if (p.c.residual)
      backend.conv2d_backward_data(params, p.dy.t, p.w.t, r.dx_in_place.t, mask, r.dx_in_place.t, space.t);
  }
  {
    Workspace space(backend.conv2d_backward_weights_workspace(params, p.x.t, p.dy.t));
    backend.conv2d_backward_weights(params, p.x.t, p.dy.t, r.dw.t, r.db.t, space.t);
    backend.conv2d_backward_weights(params, p.x.t, p.dy.t, r.dw_alone.t, none, space.t);
  }
  return r;
}

// Rounding: 2^-24 for each of the few operations an operand goes through, times the sum of absolute terms. Winograd
// adds a factor below 10 (its transforms cancel); random signs make the typical error far smaller. Activations have
// slope <= 1.
constexpr double kRounding = 2e-6;

void check_forward(const Problem& p, const Results& r) {
  for (int64_t pixel = 0; pixel < p.x.t.pixels(); ++pixel) {
    for (int64_t o = 0; o < p.c.co; ++o) {
      Sum s;
      if (p.c.bias) s.add(p.b.at(0, o));
      if (p.has_residual()) s.add(p.residual.at(pixel, o));
      for (int64_t ky = 0; ky < p.c.kh; ++ky)
        for (int64_t kx = 0; kx < p.c.kw; ++kx) {
          const int64_t from = p.neighbour(pixel, ky - p.c.kh / 2, kx - p.c.kw / 2);
          for (int64_t i = 0; from >= 0 && i < p.c.ci; ++i) s.add(p.x.at(from, i) * p.weight(o, i, ky, kx));
        }
      const double tolerance = kRounding * (s.magnitude + 1);
      check::close(p.out(r.y, pixel, o), activated(p.c.activation, s.value), tolerance, 0, "y");
      if (p.has_residual()) REQUIRE(r.y_in_place.at(pixel, o) == r.y.at(pixel, o));
    }
  }
  r.y.require_padding("y");
}

void check_backward_data(const Problem& p, const Results& r) {
  for (int64_t pixel = 0; pixel < p.x.t.pixels(); ++pixel) {
    for (int64_t i = 0; i < p.c.ci; ++i) {
      Sum s;
      if (p.c.residual) s.add(p.add.at(pixel, i));
      for (int64_t ky = 0; ky < p.c.kh; ++ky)
        for (int64_t kx = 0; kx < p.c.kw; ++kx) {
          const int64_t from = p.neighbour(pixel, p.c.kh / 2 - ky, p.c.kw / 2 - kx);
          for (int64_t o = 0; from >= 0 && o < p.c.co; ++o) s.add(p.out(p.dy, from, o) * p.weight(o, i, ky, kx));
        }
      const bool closed = p.c.mask && p.mask.at(pixel, i) <= 0;
      check::close(r.dx.at(pixel, i), closed ? 0 : s.value, kRounding * (s.magnitude + 1), 0, "dx");
      if (p.c.residual) REQUIRE(r.dx_in_place.at(pixel, i) == r.dx.at(pixel, i));
    }
  }
  r.dx.require_padding("dx");
}

void check_backward_weights(const Problem& p, const Results& r) {
  for (int64_t o = 0; o < p.c.co; ++o) {
    Sum db;
    db.add(p.db0.at(0, o));
    for (int64_t pixel = 0; pixel < p.x.t.pixels(); ++pixel) db.add(p.out(p.dy, pixel, o));
    check::close(r.db.at(0, o), db.value, kRounding * (db.magnitude + 1), 0, "db");
    for (int64_t i = 0; i < p.c.ci; ++i)
      for (int64_t ky = 0; ky < p.c.kh; ++ky)
        for (int64_t kx = 0; kx < p.c.kw; ++kx) {
          const int64_t index = ((o * p.c.ci + i) * p.c.kh + ky) * p.c.kw + kx;
          Sum s;
          s.add(p.dw0.at(0, index));
          for (int64_t pixel = 0; pixel < p.x.t.pixels(); ++pixel) {
            const int64_t from = p.neighbour(pixel, ky - p.c.kh / 2, kx - p.c.kw / 2);
            if (from >= 0) s.add(p.x.at(from, i) * p.out(p.dy, pixel, o));
          }
          check::close(r.dw.at(0, index), s.value, kRounding * (s.magnitude + 1), 0, "dw");
          REQUIRE(r.dw_alone.at(0, index) == r.dw.at(0, index));
        }
  }
}

bool same_bits(const Image& a, const Image& b) {
  return std::memcmp(a.floats.data(), b.floats.data(), a.floats.size() * sizeof(float)) == 0;
}

void check_case(const Case& c) {
  const Problem p(c);
  for (Isa isa : available_isas()) {
    try {
      ThreadPool one(1);
      const Results first = compute(p, *make_cpu_backend(isa, one));
      check_forward(p, first);
      check_backward_data(p, first);
      check_backward_weights(p, first);
      for (int threads : {2, 3}) {
        ThreadPool pool(threads);
        const Results r = compute(p, *make_cpu_backend(isa, pool));
        REQUIRE(same_bits(r.y, first.y) && same_bits(r.dx, first.dx) && same_bits(r.dw, first.dw) &&
                same_bits(r.db, first.db));
      }
    } catch (const std::exception& e) {
      check::fail(name_of(c) + " " + isa_name(isa) + ": " + e.what());
    }
  }
}

// Largest error of `pixels` outputs spread over an image, relative to the largest of them.
double relative_error(const Problem& p, const Image& y, int64_t pixels) {
  double error = 0, largest = 0;
  for (int64_t step = 0; step < pixels; ++step) {
    const int64_t pixel = step * (p.x.t.pixels() - 1) / (pixels - 1);
    for (int64_t o = 0; o < p.c.co; ++o) {
      double sum = 0;
      for (int64_t ky = 0; ky < p.c.kh; ++ky)
        for (int64_t kx = 0; kx < p.c.kw; ++kx) {
          const int64_t from = p.neighbour(pixel, ky - p.c.kh / 2, kx - p.c.kw / 2);
          for (int64_t i = 0; from >= 0 && i < p.c.ci; ++i) sum += p.x.at(from, i) * p.weight(o, i, ky, kx);
        }
      error = std::max(error, std::abs(y.at(pixel, o) - sum));
      largest = std::max(largest, std::abs(sum));
    }
  }
  return error / largest;
}

}  // namespace

TEST("conv2d: every case equals the loop in double precision, for 1, 2 and 3 threads") {
  for (const Case& c : kCases) check_case(c);
}

// The golden outputs of whole networks allow 1e-5 + 1e-4 |y|; one layer of the real width has to stay well below.
TEST("conv2d: Winograd on 340 channels keeps 5e-6 of the largest output") {
  ThreadPool pool(2);
  for (const int kh : {1, 3}) {
    const Problem p({1, 40, 64, 340, 340, kh, 3, Activation::none, false, false, false, 0});
    for (Isa isa : available_isas()) {
      const double error = relative_error(p, compute(p, *make_cpu_backend(isa, pool)).y, 40);
      if (error > 5e-6)
        check::fail(isa_name(isa) + " " + std::to_string(kh) + "x3: error " + std::to_string(error * 1e6) + "e-6");
    }
  }
}

TEST("conv2d: not-a-number reaches the output through ReLU and only the pixels that see it") {
  ThreadPool pool(1);
  for (const int64_t channels : {5, 40}) {  // direct and Winograd
    Problem p({1, 1, 40, channels, channels, 1, 3, Activation::relu, false, false, false, 0});
    p.x.at(20, 3) = std::numeric_limits<float>::quiet_NaN();
    for (Isa isa : available_isas()) {
      const Results r = compute(p, *make_cpu_backend(isa, pool));
      for (int64_t pixel = 19; pixel <= 21; ++pixel) REQUIRE(std::isnan(r.y.at(pixel, 0)));
      for (int64_t pixel : {0, 1, 2, 10, 30, 39}) REQUIRE(!std::isnan(r.y.at(pixel, 0)));  // a tile of 4 may share it
    }
  }
}
