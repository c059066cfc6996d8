// The norm of a gradient, clipping, and Adam's steps against the formulas of adam.h in double.
#include "backends.h"
#include "ops/optimizer/optimizer.h"

using namespace backends;
using namespace bandlift;

namespace {

constexpr int64_t kCounts[] = {1, 7, 16384, 50021};  // within one task, exactly one, several

Image scalars(double rate, int step, double decay, double max_norm, double scale = 1) {
  return Image::vector({rate, 1 - std::pow(0.9, step), 1 - std::pow(0.999, step), decay, max_norm, scale, 0, 0});
}

double norm_of(const Image& g) {
  double sum = 0;
  for (double v : g.values()) sum += v * v;
  return std::sqrt(sum);
}

// Norm and the scalars after grad_norm.
void check_norm(const Image& g, double max_norm, double expected_norm, double expected_scale) {
  everywhere(
      "norm of " + std::to_string(g.t.c),
      [&](Backend& backend) {
        std::vector<Image> r{Image({1, 1, 1, 1}, DType::f64), scalars(1e-3, 1, 0, max_norm, -7)};
        Workspace space(backend.grad_norm_workspace(g.t));
        backend.grad_norm(g.t, Tensor{}, r[0].t, r[1].t, space.t);
        return r;
      },
      [&](const std::vector<Image>& r) {
        if (std::isfinite(expected_norm))
          check::close(r[0][0], expected_norm, 0, 1e-12, "norm");  // double sums in another order
        else
          REQUIRE(!std::isfinite(r[0][0]));
        check::close(r[1][kGradScale], expected_scale, 0, 1e-7, "scale");
        REQUIRE(r[1][kMaxNorm] == static_cast<float>(max_norm));
      });
}

}  // namespace

TEST("adam: norm of the gradient and its clip coefficient") {
  for (int64_t count : kCounts) {
    const Image g = Image::random({1, 1, 1, count}, 51, -3, 3);
    const double norm = norm_of(g);
    check_norm(g, 0, norm, 1);
    check_norm(g, norm * 2, norm, 1);
    // the limit itself is a float32
    const double limit = static_cast<float>(norm / 5);
    check_norm(g, limit, norm, limit / (norm + 1e-6));
  }
  check_norm(Image::vector({3, 4}), 1, 5, 1 / (5 + 1e-6));
  check_norm(Image::vector({0, 0, 0}), 1, 0, 1);
}

TEST("adam: a gradient that is not finite makes the scale 0") {
  for (double bad : {std::nan(""), static_cast<double>(std::numeric_limits<float>::infinity())}) {
    Image g = Image::random({1, 1, 1, 50021}, 52);
    g.set(40000, bad);
    check_norm(g, 1, bad, 0);
    check_norm(g, 0, bad, 0);
  }
}

// g holds the gradient times the loss scale: the norm is that of the gradient itself, and adam divides the scale out.
TEST("adam: the loss scale is divided out of the norm and of what adam multiplies by") {
  const Image g = Image::random({1, 1, 1, 50021}, 54, -300, 300);
  const double norm = norm_of(g) / 1024, limit = static_cast<float>(norm / 5);
  for (double max_norm : {0.0, norm * 2, limit})
    everywhere(
        "scaled norm",
        [&](Backend& backend) {
          std::vector<Image> r{Image({1, 1, 1, 1}, DType::f64), scalars(1e-3, 1, 0, max_norm, -7)};
          r[1].set(kLossScale, 1024);
          Workspace space(backend.grad_norm_workspace(g.t));
          backend.grad_norm(g.t, Tensor{}, r[0].t, r[1].t, space.t);
          return r;
        },
        [&](const std::vector<Image>& r) {
          check::close(r[0][0], norm, 0, 1e-12, "norm");
          const double clip = max_norm == limit ? limit / (norm + 1e-6) : 1;
          check::close(r[1][kGradScale], clip / 1024, 0, 1e-7, "scale");
        });
}

TEST("adam: a loss that is not finite makes the scale 0, whatever the gradient is") {
  const Image g = Image::vector({3, 4});
  for (double total : {0.25, std::nan(""), std::numeric_limits<double>::infinity()}) {
    // only the total counts: a term of weight 0 may be anything
    const Image terms = Image::vector({total, std::nan(""), 0, 0, 0, -1}, DType::f64);
    everywhere(
        "loss terms",
        [&](Backend& backend) {
          std::vector<Image> r{Image({1, 1, 1, 1}, DType::f64), scalars(1e-3, 1, 0, 0, -7)};
          Workspace space(backend.grad_norm_workspace(g.t));
          backend.grad_norm(g.t, terms.t, r[0].t, r[1].t, space.t);
          return r;
        },
        [&](const std::vector<Image>& r) {
          check::close(r[0][0], 5, 0, 1e-12, "norm");
          REQUIRE(r[1][kGradScale] == (std::isfinite(total) ? 1 : 0));
        });
  }
}

TEST("adam: five steps equal the double recursion, with clip coefficient and moving average") {
  const AdamParams params;
  for (int64_t count : kCounts)
    for (bool averaged : {false, true}) {
      const Shape s = {1, 1, 1, count};
      const Image start = Image::random(s, 53),
                  zero = Image::vector(std::vector<double>(static_cast<size_t>(count), 0));
      std::vector<Image> gradients;
      for (unsigned step = 1; step <= 5; ++step) gradients.push_back(Image::random(s, 60 + step));
      const double scale = 0.7, rate = 1e-2, decay = 0.9;
      everywhere(
          "adam of " + std::to_string(count),
          [&](Backend& backend) {
            std::vector<Image> r{start, zero, zero, start};
            for (int step = 1; step <= 5; ++step)
              backend.adam(params, gradients[static_cast<size_t>(step - 1)].t, scalars(rate, step, decay, 0, scale).t,
                           r[0].t, r[1].t, r[2].t, averaged ? r[3].t : Tensor{});
            return r;
          },
          [&](const std::vector<Image>& r) {
            for (int64_t i = 0; i < count; ++i) {
              double p = start[i], m = 0, v = 0, ema = start[i];
              for (int step = 1; step <= 5; ++step) {
                const double g = gradients[static_cast<size_t>(step - 1)][i] * scale;
                m = 0.9 * m + 0.1 * g;
                v = 0.999 * v + 0.001 * g * g;
                p -= rate / (1 - std::pow(0.9, step)) * m / (std::sqrt(v / (1 - std::pow(0.999, step))) + 1e-8);
                ema = decay * ema + (1 - decay) * p;
              }
              // float32 state: some roundings a step; 1 - beta^t arrives as float32
              check::close(r[0][i], p, 1e-6, 0, "p");
              check::close(r[1][i], m, 3e-7, 1e-6, "m");
              check::close(r[2][i], v, 1e-10, 2e-6, "v");
              check::close(r[3][i], averaged ? ema : start[i], averaged ? 1e-6 : 0, 0, "ema");
            }
          });
    }
}

// A GPU moves four numbers by one instruction where all vectors start on 16 bytes.
TEST("adam: vectors of any length and address") {
  for (int64_t count : {1, 3, 4, 6, 1027})
    for (int unaligned = -1; unaligned < 5; ++unaligned) {  // which vector starts 4 bytes later
      const auto length = [&](int vector) { return Shape{1, 1, 1, count + (vector == unaligned)}; };
      const Image g = Image::random(length(0), 65);
      const std::vector<Image> before{Image::random(length(1), 66), Image::random(length(2), 67),
                                      Image::random(length(3), 68, 0, 1), Image::random(length(4), 69)};
      const auto view = [&](const Image& image, int vector) {
        Tensor t = image.t;
        t.data = t.f32() + (vector == unaligned);
        t.c = t.pitch = count;
        return t;
      };
      everywhere(
          "adam of " + std::to_string(count) + ", vector " + std::to_string(unaligned),
          [&](Backend& backend) {
            std::vector<Image> r = before;
            backend.adam({}, view(g, 0), scalars(1e-2, 2, 0.5, 0, 0.25).t, view(r[0], 1), view(r[1], 2), view(r[2], 3),
                         view(r[3], 4));
            return r;
          },
          [&](const std::vector<Image>& r) {
            const auto at = [&](const Image& image, int vector, int64_t i) { return image[i + (vector == unaligned)]; };
            for (int64_t i = 0; i < count; ++i) {
              const double d = 0.25 * at(g, 0, i), m = 0.9 * at(before[1], 2, i) + 0.1 * d,
                           v = 0.999 * at(before[2], 3, i) + 0.001 * d * d,
                           p = at(before[0], 1, i) -
                               1e-2 / (1 - 0.9 * 0.9) * m / (std::sqrt(v / (1 - 0.999 * 0.999)) + 1e-8);
              // some roundings of float32; 1 - beta^t arrives as one
              check::close(at(r[0], 1, i), p, 2e-7, 0, "p");
              check::close(at(r[1], 2, i), m, 2e-7, 0, "m");
              check::close(at(r[2], 3, i), v, 2e-7, 0, "v");
              check::close(at(r[3], 4, i), 0.5 * at(before[3], 4, i) + 0.5 * p, 2e-7, 0, "ema");
            }
            if (unaligned > 0)  // what lies before is not touched
              REQUIRE(r[static_cast<size_t>(unaligned - 1)][0] == before[static_cast<size_t>(unaligned - 1)][0]);
          });
    }
}

TEST("adam: the first step moves every parameter by the learning rate against its gradient's sign") {
  const Image g = Image::vector({2, -0.5, 1e-3}), zero = Image::vector({0, 0, 0});
  everywhere(
      "first step",
      [&](Backend& backend) {
        std::vector<Image> r{zero, zero, zero};
        backend.adam({}, g.t, scalars(0.125, 1, 0, 0).t, r[0].t, r[1].t, r[2].t, Tensor{});
        return r;
      },
      [&](const std::vector<Image>& r) {
        // m / sqrt(v) = sign(g) up to epsilon / |g| = 1e-5 and the rounding of 1 - beta^t
        close_all(r[0], {-0.125, 0.125, -0.125}, 2e-6, 1e-4, "p");
      });
}

TEST("adam: scale 0 touches nothing; decay 0 makes the average a copy") {
  const Shape s = {1, 1, 1, 20011};
  const Image p = Image::random(s, 54), m = Image::random(s, 55), v = Image::random(s, 56, 0, 1),
              e = Image::random(s, 57);
  Image g = Image::random(s, 58);
  everywhere(
      "decay 0",
      [&](Backend& backend) {
        std::vector<Image> r{p, m, v, e};
        backend.adam({}, g.t, scalars(1e-3, 3, 0, 0).t, r[0].t, r[1].t, r[2].t, r[3].t);
        return r;
      },
      [&](const std::vector<Image>& r) {
        REQUIRE(r[3].same_bits(r[0]));
        REQUIRE(!r[0].same_bits(p));
      });
  g.set(5, std::nan(""));
  everywhere(
      "scale 0",
      [&](Backend& backend) {
        std::vector<Image> r{p, m, v, e};
        backend.adam({}, g.t, scalars(1e-3, 3, 0.5, 0, 0).t, r[0].t, r[1].t, r[2].t, r[3].t);
        return r;
      },
      [&](const std::vector<Image>& r) {
        REQUIRE(r[0].same_bits(p) && r[1].same_bits(m) && r[2].same_bits(v) && r[3].same_bits(e));
      });
}
