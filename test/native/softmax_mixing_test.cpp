// Abundances, mixed spectra and their gradients against plain double loops and central differences.
#include "backends.h"

using namespace backends;

namespace {

std::vector<double> softmax(const std::vector<double>& x) {
  double largest = x[0], sum = 0;
  for (double v : x) largest = std::max(largest, v);
  std::vector<double> y;
  for (double v : x) y.push_back(std::exp(v - largest));
  for (double v : y) sum += v;
  for (double& v : y) v /= sum;
  return y;
}

// Spectrum of one pixel: abundances [k] times endmembers [k, c].
std::vector<double> mixed(const std::vector<double>& abundances, const std::vector<double>& endmembers, size_t c) {
  std::vector<double> y(c, 0);
  for (size_t i = 0; i < abundances.size(); ++i)
    for (size_t b = 0; b < c; ++b) y[b] += abundances[i] * endmembers[i * c + b];
  return y;
}

std::vector<double> pixel(const Image& image, int64_t p) {
  std::vector<double> v;
  for (int64_t k = 0; k < image.t.c; ++k) v.push_back(image[p * image.t.c + k]);
  return v;
}

constexpr int64_t kEndmembers[] = {1, 4, 13};

}  // namespace

TEST("softmax mixing: abundances are a softmax and spectra their mixture") {
  for (const Shape& s : kShapes)
    for (int64_t k : kEndmembers) {
      const Shape a = {s.n, s.h, s.w, k, s.extra};
      const Image logits = Image::random(a, 21, -30, 30), endmembers = Image::random({1, 1, 1, k * s.c}, 22);
      everywhere(
          "mixing of " + std::to_string(k) + " into " + text(s),
          [&](Backend& backend) {
            std::vector<Image> r{Image(a), Image(s)};
            backend.softmax_mixing_forward(logits.t, endmembers.t, r[0].t, r[1].t);
            return r;
          },
          [&](const std::vector<Image>& r) {
            for (int64_t p = 0; p < s.n * s.h * s.w; ++p) {
              const std::vector<double> abundances = softmax(pixel(logits, p));
              const std::vector<double> y = mixed(abundances, endmembers.values(), static_cast<size_t>(s.c));
              // a logit difference of 60 is rounded by 60 * 6e-8 before exp
              for (int64_t i = 0; i < k; ++i)
                check::close(r[0][p * k + i], abundances[static_cast<size_t>(i)], 1e-6, 1e-5, "abundance");
              for (int64_t b = 0; b < s.c; ++b)
                check::close(r[1][p * s.c + b], y[static_cast<size_t>(b)], 3e-6, 0, "y");
            }
          });
    }
}

TEST("softmax mixing: huge logits neither overflow nor lose their order") {
  const Image logits = Image::vector({3e38, 1000, -3e38}), endmembers = Image::vector({2, 5, 7});
  everywhere(
      "huge logits",
      [&](Backend& backend) {
        std::vector<Image> r{Image({1, 1, 1, 3}), Image({1, 1, 1, 1})};
        backend.softmax_mixing_forward(logits.t, endmembers.t, r[0].t, r[1].t);
        return r;
      },
      [&](const std::vector<Image>& r) {
        REQUIRE(r[0][0] == 1 && r[0][1] == 0 && r[0][2] == 0);
        REQUIRE(r[1][0] == 2);
      });
}

TEST("softmax mixing: gradients equal central differences; those of the endmembers accumulate") {
  for (const Shape& s : kShapes)
    for (int64_t k : kEndmembers) {
      const Shape a = {s.n, s.h, s.w, k, s.extra};
      const auto c = static_cast<size_t>(s.c);
      const Image logits = Image::random(a, 23, -2, 2), endmembers = Image::random({1, 1, 1, k * s.c}, 24),
                  dy = Image::random(s, 25), before = Image::random({1, 1, 1, k * s.c}, 26);
      Image abundances(a);
      for (int64_t p = 0; p < a.n * a.h * a.w; ++p) {
        const std::vector<double> v = softmax(pixel(logits, p));
        for (int64_t i = 0; i < k; ++i) abundances.set(p * k + i, v[static_cast<size_t>(i)]);
      }
      const auto pixel_loss = [&](int64_t p, const std::vector<double>& l, const std::vector<double>& e) {
        const std::vector<double> y = mixed(softmax(l), e, c);
        double sum = 0;
        for (size_t b = 0; b < c; ++b) sum += y[b] * dy[p * s.c + static_cast<int64_t>(b)];
        return sum;
      };
      everywhere(
          "gradients of " + std::to_string(k) + " into " + text(s),
          [&](Backend& backend) {
            std::vector<Image> r{Image(a), before};
            Workspace space(backend.softmax_mixing_backward_workspace(dy.t, abundances.t));
            backend.softmax_mixing_backward(dy.t, abundances.t, endmembers.t, r[0].t, r[1].t, space.t);
            return r;
          },
          [&](const std::vector<Image>& r) {
            const std::vector<double> e = endmembers.values();
            for (size_t i : spread(static_cast<size_t>(a.n * a.h * a.w * k), 60)) {
              const auto p = static_cast<int64_t>(i) / k;
              const double expected = slope(pixel(logits, p), i % static_cast<size_t>(k),
                                            [&](const auto& l) { return pixel_loss(p, l, e); });
              // float32 sums of c products below 1, differences with step 1e-6 of a loss below c
              check::close(r[0][static_cast<int64_t>(i)], expected, 2e-6 + 1e-8 * static_cast<double>(c), 1e-5,
                           "dlogits");
            }
            for (size_t i : spread(e.size(), 12)) {
              double expected = before[static_cast<int64_t>(i)];  // linear in the endmembers: any step will do
              for (int64_t p = 0; p < a.n * a.h * a.w; ++p)
                expected += slope(
                    e, i, [&](const auto& v) { return pixel_loss(p, pixel(logits, p), v); }, 1);
              check::close(r[1][static_cast<int64_t>(i)], expected, 3e-5, 1e-5, "dendmembers");
            }
          });
    }
}
