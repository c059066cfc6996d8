// The sums of an evaluation against plain loops in double.
#include "backends.h"

using namespace backends;

namespace {

struct Problem {
  Shape s;
  Image pred, target, mask, scale, offset;
  bool masked;
};

Problem problem(const Shape& s, bool masked, DType type) {
  Problem p = {s,
               Image::random(s, 91, -1, 1, type),
               Image::random({s.n, s.h, s.w, s.c, s.extra + 2}, 92, -0.2, 1),
               Image::mask({s.n, s.h, s.w, 1}, 93, 0.7),
               Image::random({1, 1, 1, s.c}, 94, 0.5, 2),
               Image::random({1, 1, 1, s.c}, 95),
               masked};
  const int64_t pixels = s.n * s.h * s.w;
  if (pixels > 2)
    for (int64_t k = 0; k < s.c; ++k) {
      p.target.set((pixels - 1) * s.c + k, 0);  // no length
      p.pred.set((pixels - 2) * s.c + k, (0.5 - p.offset[k]) / p.scale[k]);
      p.target.set((pixels - 2) * s.c + k, 0.25);  // parallel: the cosine may pass 1
    }
  return p;
}

std::vector<double> expected_sums(const Problem& p) {
  const int64_t c = p.s.c;
  const auto bands = static_cast<size_t>(c);
  std::vector<double> sums(6 + 5 * bands, 0);
  for (size_t k = 0; k < bands; ++k) sums[6 + 4 * bands + k] = -std::numeric_limits<double>::infinity();
  for (int64_t i = 0; i < p.pred.t.pixels(); ++i) {
    if (p.masked && p.mask[i] == 0) continue;
    double pp = 0, tt = 0, pt = 0;
    for (size_t k = 0; k < bands; ++k) {
      const auto band = static_cast<int64_t>(k);
      const double x = p.pred[i * c + band] * p.scale[band] + p.offset[band], t = p.target[i * c + band];
      pp += x * x, tt += t * t, pt += x * t;
      sums[6 + k] += (x - t) * (x - t);
      sums[6 + bands + k] += std::abs(x - t);
      sums[6 + 2 * bands + k] += t;
      sums[6 + 3 * bands + k] += t * t;
      sums[6 + 4 * bands + k] = std::max(sums[6 + 4 * bands + k], t);
    }
    sums[3] += 1;
    if (pp > 0 && tt > 0) {
      sums[0] += std::acos(std::min(1.0, std::max(-1.0, pt / std::sqrt(pp) / std::sqrt(tt))));
      sums[1] += 1;
    } else {
      sums[2] += 1;
    }
  }
  return sums;
}

}  // namespace

TEST("spectral metrics: sums in physical units, with and without a mask") {
  for (const StoredShape& each : stored(kShapes)) {
    const Shape& s = each.s;
    const DType type = each.type;
    for (bool masked : {false, true}) {
      const Problem p = problem(s, masked, type);
      const std::vector<double> expected = expected_sums(p);
      everywhere(
          "metrics of " + text(s, type) + (masked ? ", masked" : ""),
          [&](Backend& backend) {
            std::vector<Image> r{Image({1, 1, 1, 6 + 5 * s.c}, DType::f64)};
            Workspace space(backend.spectral_metrics_workspace(p.pred.t));
            backend.spectral_metrics(p.pred.t, p.target.t, masked ? p.mask.t : Tensor{}, p.scale.t, p.offset.t, r[0].t,
                                     space.t);
            return r;
          },
          [&](const std::vector<Image>& r) {
            for (size_t i = 0; i < expected.size(); ++i) {
              const double actual = r[0][static_cast<int64_t>(i)];
              if (std::isinf(expected[i]))
                REQUIRE(actual == expected[i]);  // no pixel: no largest value
              else  // acos of a cosine rounded next to 1: sqrt(2 * 1e-16) = 2e-8; the rest is double sums
                check::close(actual, expected[i], i == 0 ? 1e-6 : 1e-12, 1e-12, "sums[" + std::to_string(i) + "]");
            }
          });
    }
  }
}

TEST("spectral metrics: numbers by hand") {
  // two bands, pixel 1: (3, 4) against (3, 4); pixel 2: (2, 0) against (0, 1); pixel 3: target (0, 0)
  Image pred = Image::input({1, 1, 3, 2}), target = Image::input({1, 1, 3, 2});
  pred.assign({1, 2, 0.5, -2, 1, 1});
  target.assign({3, 4, 0, 1, 0, 0});
  const Image scale = Image::vector({2, 1}), offset = Image::vector({1, 2});  // pixel 2: (2, 0), pixel 3: (3, 3)
  everywhere(
      "by hand",
      [&](Backend& backend) {
        std::vector<Image> r{Image({1, 1, 1, 16}, DType::f64)};
        Workspace space(backend.spectral_metrics_workspace(pred.t));
        backend.spectral_metrics(pred.t, target.t, Tensor{}, scale.t, offset.t, r[0].t, space.t);
        return r;
      },
      [](const std::vector<Image>& r) {
        close_all(r[0], {1.5707963267948966, 2, 1, 3, 0, 0, 13, 10, 5, 4, 3, 5, 9, 17, 3, 4}, 1e-12, 0, "sums");
      });
}
