// conv2d against the obvious loop in double precision: on the CPU for every instruction set and bit-identical for 1, 2
// and 3 threads; on the emulated GPU in every storage type, with the same bits in every order of its threads.
#include <cmath>
#include <cstdint>
#include <limits>

#include "backends.h"
#include "check.h"

using namespace bandlift;
using backends::Image;
using backends::Workspace;

namespace {

struct Case {
  int64_t n, h, w, ci, co;
  int kh, kw;
  Activation activation;
  bool bias, residual, mask;
  int64_t extra_pitch;  // pixels are c + extra_pitch apart
  int64_t shuffle = 1;  // co is counted before the shuffle
  DType type = DType::f32;
};

#ifdef BANDLIFT_EMULATED
// A block computes 128 pixels x 64 channels (f32) or 32, 64, 128 (tensor cores), 16 or 32 terms of the sum at a time;
// gradients of weights 64 x 64 or 32, 64, 128 x 128. Pixels that end off 16 bytes are computed number by number.
constexpr Activation kNone = Activation::none, kRelu = Activation::relu;
const Case kCases[] = {
    // vectors, which are f32 with any address, and images of one pixel
    {1, 1, 1, 1, 1, 1, 1, kNone, false, false, false, 0},
    {1, 1, 1, 1, 1, 3, 3, kNone, true, true, true, 0},
    {3, 1, 1, 340, 85, 1, 1, kRelu, true, true, true, 0},
    {3, 1, 1, 85, 340, 1, 1, Activation::sigmoid, true, false, false, 0},
    {2, 1, 1, 9, 7, 3, 5, Activation::softplus, true, true, true, 3},
    // no pixel ends on 16 bytes
    {2, 11, 13, 7, 41, 3, 3, kRelu, true, false, false, 0},
    {1, 2, 2, 5, 9, 5, 5, kRelu, false, true, true, 0},
    {1, 7, 23, 1, 19, 1, 7, kRelu, true, false, true, 0},
    {1, 9, 6, 3, 2, 3, 1, kNone, true, false, false, 2},
    {1, 5, 29, 17, 1, 1, 3, Activation::sigmoid, true, true, true, 0},
    {2, 3, 5, 20, 65, 3, 3, Activation::softplus, true, true, false, 0},
    // padded to 16 bytes as on a GPU
    {1, 5, 7, 7, 20, 3, 3, kRelu, true, true, true, 12},  // 19 and 32: no multiple, then one
    {1, 1, 1, 4, 4, 3, 3, kNone, true, true, true, 4},
    {2, 9, 7, 4, 4, 5, 5, kRelu, true, true, true, 4},  // 126 pixels
    {1, 127, 1, 16, 64, 3, 3, kNone, true, false, true, 0},
    {1, 8, 16, 16, 24, 1, 1, kRelu, true, true, true, 0},
    {1, 1, 129, 64, 72, 1, 3, kRelu, true, true, true, 0},
    {3, 1, 43, 32, 128, 1, 3, kNone, true, true, false, 0},
    {1, 3, 43, 8, 136, 1, 7, Activation::sigmoid, true, true, true, 0},
    {1, 5, 26, 40, 32, 3, 5, kNone, false, false, false, 0},
    {1, 2, 11, 336, 336, 1, 3, kRelu, true, true, true, 8},
    {1, 3, 6, 340, 20, 3, 3, kNone, true, true, true, 4},
    {2, 17, 16, 20, 12, 3, 3, kRelu, true, false, true, 4},  // more than one slice of pixels
    // pixel shuffle
    {1, 1, 1, 1, 4, 1, 1, kNone, false, false, false, 0, 2},
    {2, 5, 7, 3, 4, 3, 3, kRelu, true, false, true, 3, 2},
    {2, 3, 5, 6, 9, 1, 1, Activation::sigmoid, true, true, true, 0, 3},
    {1, 6, 5, 8, 32, 3, 3, kRelu, true, true, false, 0, 2},
    {1, 4, 9, 16, 72, 3, 3, kNone, true, true, true, 0, 3},
    {2, 3, 5, 8, 80, 1, 3, Activation::softplus, true, false, true, 4, 2},
};
#else
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
#endif

std::string name_of(const Case& c) {
  return std::to_string(c.n) + "x" + std::to_string(c.h) + "x" + std::to_string(c.w) + " " + std::to_string(c.ci) +
         "->" + std::to_string(c.co) + " " + std::to_string(c.kh) + "x" + std::to_string(c.kw) + " pitch +" +
         std::to_string(c.extra_pitch) + " shuffle " + std::to_string(c.shuffle) + " " + storage::name(c.type);
}

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

backends::Shape input_shape(const Case& c) {
  return {c.n, c.h, c.w, c.ci, c.extra_pitch};
}
backends::Shape output_shape(const Case& c) {
  return {c.n, c.h * c.shuffle, c.w * c.shuffle, c.co / (c.shuffle * c.shuffle), c.extra_pitch};
}
backends::Shape vector_shape(int64_t numbers) {
  return {1, 1, 1, numbers};
}

struct Problem {
  explicit Problem(const Case& c)
      : c(c),
        x(Image::random(input_shape(c), 1, -1, 1, c.type)),
        dy(Image::random(output_shape(c), 2, -1, 1, c.type)),
        residual(Image::random(output_shape(c), 3, -1, 1, c.type)),
        add(Image::random(input_shape(c), 4, -1, 1, c.type)),
        mask(Image::random(input_shape(c), 5, -1, 1, c.type)),
        w(Image::random(vector_shape(c.co * c.ci * c.kh * c.kw), 6)),
        b(Image::random(vector_shape(c.co), 7)),
        dw0(Image::random(vector_shape(c.co * c.ci * c.kh * c.kw), 8)),
        db0(Image::random(vector_shape(c.co), 9)),
        xs(x.values()),
        dys(dy.values()),
        ws(w.values()) {
    if (c.type != DType::f32)  // as the products see them
      for (double& v : ws) v = storage::rounded(c.type, v);
  }

  bool has_residual() const { return c.residual && c.shuffle == 1; }
  int64_t weight_index(int64_t o, int64_t i, int64_t ky, int64_t kx) const {
    return ((o * c.ci + i) * c.kh + ky) * c.kw + kx;
  }
  double weight(int64_t o, int64_t i, int64_t ky, int64_t kx) const {
    return ws[static_cast<size_t>(weight_index(o, i, ky, kx))];
  }
  double x_at(int64_t pixel, int64_t i) const { return xs[static_cast<size_t>(pixel * c.ci + i)]; }
  double dy_at(int64_t pixel, int64_t o) const { return dys[static_cast<size_t>(out(pixel, o))]; }
  // Where channel o of a pixel of the plain convolution is in an image like y: torch.nn.PixelShuffle's definition.
  int64_t out(int64_t pixel, int64_t o) const {
    const int64_t r = c.shuffle, down = o / r % r, right = o % r;
    return ((pixel / c.w * r + down) * c.w * r + pixel % c.w * r + right) * (c.co / (r * r)) + o / (r * r);
  }
  // Index of the pixel `dy` rows and `dx` columns away, or -1.
  int64_t neighbour(int64_t pixel, int64_t down, int64_t right) const {
    const int64_t px = pixel % c.w + right, py = pixel / c.w % c.h + down;
    return px < 0 || px >= c.w || py < 0 || py >= c.h ? -1 : pixel + down * c.w + right;
  }
  int64_t pixels() const { return c.n * c.h * c.w; }

  Case c;
  Image x, dy, residual, add, mask, w, b, dw0, db0;
  std::vector<double> xs, dys, ws;  // the same numbers, quick to read
};

enum Result { kY, kYInPlace, kDx, kDxInPlace, kDw, kDb, kDwAlone };

// At least one number: the address of none is null.
size_t some(size_t bytes) {
  return bytes == 0 ? sizeof(float) : bytes;
}

std::vector<Image> compute(const Problem& p, Backend& backend) {
  const Case& c = p.c;
  const Conv2dParams params{c.kh, c.kw, c.activation, static_cast<int>(c.shuffle)};
  const Tensor none;
  const Tensor b = c.bias ? p.b.t : none, mask = c.mask ? p.mask.t : none;
  std::vector<Image> r{
      Image(output_shape(c), c.type), p.residual, Image(input_shape(c), c.type), p.add, p.dw0, p.db0, p.dw0};
  {
    const Workspace space(some(backend.conv2d_forward_workspace(params, p.x.t, r[kY].t)));
    backend.conv2d_forward(params, p.x.t, p.w.t, b, p.has_residual() ? p.residual.t : none, r[kY].t, space.t);
    if (p.has_residual()) backend.conv2d_forward(params, p.x.t, p.w.t, b, r[kYInPlace].t, r[kYInPlace].t, space.t);
  }
  {
    const Workspace space(some(backend.conv2d_backward_data_workspace(params, p.dy.t, r[kDx].t)));
    backend.conv2d_backward_data(params, p.dy.t, p.w.t, c.residual ? p.add.t : none, mask, r[kDx].t, space.t);
    if (c.residual)
      backend.conv2d_backward_data(params, p.dy.t, p.w.t, r[kDxInPlace].t, mask, r[kDxInPlace].t, space.t);
  }
  {
    const Workspace space(some(backend.conv2d_backward_weights_workspace(params, p.x.t, p.dy.t)));
    backend.conv2d_backward_weights(params, p.x.t, p.dy.t, r[kDw].t, r[kDb].t, space.t);
    backend.conv2d_backward_weights(params, p.x.t, p.dy.t, r[kDwAlone].t, none, space.t);
  }
  return r;
}

// Rounding: 2^-24 for each of the few operations an operand goes through, times the sum of absolute terms. Winograd
// adds a factor below 10 (its transforms cancel); random signs make the typical error far smaller. Activations have
// slope <= 1.
constexpr double kRounding = 2e-6;

// A 16-bit sum is stored, and so rounded, once before sigmoid and softplus.
double stored_before(const Case& c, double sum) {
  const bool apart = c.activation == Activation::sigmoid || c.activation == Activation::softplus;
  return apart ? std::abs(sum) * storage::relative_rounding(c.type) : 0;
}

void check_forward(const Problem& p, const Image& y, const Image& y_in_place) {
  for (int64_t pixel = 0; pixel < p.pixels(); ++pixel) {
    for (int64_t o = 0; o < p.c.co; ++o) {
      const int64_t at = p.out(pixel, o);
      Sum s;
      for (int64_t ky = 0; ky < p.c.kh; ++ky)
        for (int64_t kx = 0; kx < p.c.kw; ++kx) {
          const int64_t from = p.neighbour(pixel, ky - p.c.kh / 2, kx - p.c.kw / 2);
          for (int64_t i = 0; from >= 0 && i < p.c.ci; ++i) s.add(p.x_at(from, i) * p.weight(o, i, ky, kx));
        }
      const double before = stored_before(p.c, s.value);
      if (p.c.bias) s.add(p.b[o]);
      if (p.has_residual()) s.add(p.residual[at]);
      y.close(at, activated(p.c.activation, s.value), kRounding * (s.magnitude + 1) + before, 0, "y");
      if (p.has_residual()) REQUIRE(y_in_place[at] == y[at]);
    }
  }
}

void check_backward_data(const Problem& p, const Image& dx, const Image& dx_in_place) {
  for (int64_t pixel = 0; pixel < p.pixels(); ++pixel) {
    for (int64_t i = 0; i < p.c.ci; ++i) {
      const int64_t at = pixel * p.c.ci + i;
      Sum s;
      if (p.c.residual) s.add(p.add[at]);
      for (int64_t ky = 0; ky < p.c.kh; ++ky)
        for (int64_t kx = 0; kx < p.c.kw; ++kx) {
          const int64_t from = p.neighbour(pixel, p.c.kh / 2 - ky, p.c.kw / 2 - kx);
          for (int64_t o = 0; from >= 0 && o < p.c.co; ++o) s.add(p.dy_at(from, o) * p.weight(o, i, ky, kx));
        }
      const bool closed = p.c.mask && p.mask[at] <= 0;
      dx.close(at, closed ? 0 : s.value, kRounding * (s.magnitude + 1), 0, "dx");
      if (p.c.residual) REQUIRE(dx_in_place[at] == dx[at]);
    }
  }
}

void check_backward_weights(const Problem& p, const Image& dw, const Image& db, const Image& dw_alone) {
  for (int64_t o = 0; o < p.c.co; ++o) {
    Sum bias;
    bias.add(p.db0[o]);
    for (int64_t pixel = 0; pixel < p.pixels(); ++pixel) bias.add(p.dy_at(pixel, o));
    db.close(o, bias.value, kRounding * (bias.magnitude + 1), 0, "db");
    for (int64_t i = 0; i < p.c.ci; ++i)
      for (int64_t ky = 0; ky < p.c.kh; ++ky)
        for (int64_t kx = 0; kx < p.c.kw; ++kx) {
          const int64_t index = p.weight_index(o, i, ky, kx);
          Sum s;
          s.add(p.dw0[index]);
          for (int64_t pixel = 0; pixel < p.pixels(); ++pixel) {
            const int64_t from = p.neighbour(pixel, ky - p.c.kh / 2, kx - p.c.kw / 2);
            if (from >= 0) s.add(p.x_at(from, i) * p.dy_at(pixel, o));
          }
          dw.close(index, s.value, kRounding * (s.magnitude + 1), 0, "dw");
          REQUIRE(dw_alone[index] == dw[index]);
        }
  }
}

void check_case(const Case& c) {
  const Problem p(c);
  backends::everywhere(
      name_of(c), [&](Backend& backend) { return compute(p, backend); },
      [&](const std::vector<Image>& r) {
        check_forward(p, r[kY], r[kYInPlace]);
        check_backward_data(p, r[kDx], r[kDxInPlace]);
        check_backward_weights(p, r[kDw], r[kDb], r[kDwAlone]);
      });
}

#ifndef BANDLIFT_EMULATED
// Largest error of `pixels` outputs spread over an image, relative to the largest of them.
double relative_error(const Problem& p, const Image& y, int64_t pixels) {
  double error = 0, largest = 0;
  for (int64_t step = 0; step < pixels; ++step) {
    const int64_t pixel = step * (p.pixels() - 1) / (pixels - 1);
    for (int64_t o = 0; o < p.c.co; ++o) {
      double sum = 0;
      for (int64_t ky = 0; ky < p.c.kh; ++ky)
        for (int64_t kx = 0; kx < p.c.kw; ++kx) {
          const int64_t from = p.neighbour(pixel, ky - p.c.kh / 2, kx - p.c.kw / 2);
          for (int64_t i = 0; from >= 0 && i < p.c.ci; ++i) sum += p.x_at(from, i) * p.weight(o, i, ky, kx);
        }
      error = std::max(error, std::abs(y[p.out(pixel, o)] - sum));
      largest = std::max(largest, std::abs(sum));
    }
  }
  return error / largest;
}
#endif

}  // namespace

TEST("conv2d: every case equals the loop in double precision, whatever the threads") {
  for (DType type : backends::kImageTypes)
    for (Case c : kCases) {
      c.type = type;
      check_case(c);
    }
}

#ifndef BANDLIFT_EMULATED
// The golden outputs of whole networks allow 1e-5 + 1e-4 |y|; one layer of the real width has to stay well below.
TEST("conv2d: Winograd on 340 channels keeps 5e-6 of the largest output") {
  for (const int kh : {1, 3}) {
    const Problem p({1, 40, 64, 340, 340, kh, 3, Activation::none, false, false, false, 0});
    backends::each_backend([&](const std::string& name, Backend& backend) {
      const double error = relative_error(p, compute(p, backend)[kY], 40);
      if (error > 5e-6)
        check::fail(name + " " + std::to_string(kh) + "x3: error " + std::to_string(error * 1e6) + "e-6");
    });
  }
}
#endif

TEST("conv2d: not-a-number reaches the output through ReLU and only the pixels that see it") {
  for (DType type : backends::kImageTypes)
    for (const int64_t channels : {5, 40}) {  // CPU: direct and Winograd; GPU: number by number and by whole packs
      Problem p({1, 1, 40, channels, channels, 1, 3, Activation::relu, false, false, false, 0, 1, type});
      p.x.set(20 * channels + 3, std::numeric_limits<double>::quiet_NaN());
      backends::each_backend([&](const std::string&, Backend& backend) {
        const std::vector<Image> r = compute(p, backend);
        for (int64_t pixel = 19; pixel <= 21; ++pixel) REQUIRE(std::isnan(r[kY][pixel * channels]));
        for (int64_t pixel : {0, 1, 2, 10, 30, 39})  // a tile of 4 may share it
          REQUIRE(!std::isnan(r[kY][pixel * channels]));
      });
    }
}

#ifdef BANDLIFT_EMULATED
TEST("conv2d: residual, add and mask may have a smaller pitch than the result, up to the last pixel") {
  const Image x = Image::random({1, 3, 5, 4}, 1);
  const Image identity = Image::vector({1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1});
  const Image more = Image::random({1, 3, 5, 4}, 2), open = Image::random({1, 3, 5, 4}, 3);
  backends::each_backend([&](const std::string&, Backend& backend) {
    const Conv2dParams params{1, 1, Activation::none, 1, true};
    Image y({1, 3, 5, 4, 4}), dx({1, 3, 5, 4, 4});  // 8 apart, the operands 4
    const Workspace forward(backend.conv2d_forward_workspace(params, x.t, y.t));
    backend.conv2d_forward(params, x.t, identity.t, {}, more.t, y.t, forward.t);
    const Workspace data(backend.conv2d_backward_data_workspace(params, x.t, dx.t));
    backend.conv2d_backward_data(params, x.t, identity.t, more.t, open.t, dx.t, data.t);
    REQUIRE(cudaDeviceSynchronize() == cudaSuccess);
    for (int64_t i = 0; i < x.t.elements(); ++i) {
      const double sum = static_cast<float>(x[i]) + static_cast<float>(more[i]);
      REQUIRE(y[i] == static_cast<float>(sum));
      REQUIRE(dx[i] == (open[i] > 0 ? static_cast<float>(sum) : 0));
    }
    REQUIRE(y.gaps_intact() && dx.gaps_intact());
  });
}
#endif
