// Abundances, mixed spectra and their gradients against plain double loops and central differences.
#include "backends.h"
#include "core/error.h"

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

// a_i (da_i - sum_j a_j da_j), da from differences of a loss that is linear in the abundances.
template <typename Loss>
double formula(const std::vector<double>& a, size_t i, const Loss& loss) {
  double mean = 0;
  for (size_t j = 0; j < a.size(); ++j) mean += a[j] * slope(a, j, loss, 1);
  return a[i] * (slope(a, i, loss, 1) - mean);
}

constexpr int64_t kEndmembers[] = {1, 4, 13, 37};

}  // namespace

TEST("softmax mixing: abundances are a softmax and spectra their mixture") {
  for (const StoredShape& each : stored(kShapes)) {
    const Shape& s = each.s;
    const DType type = each.type;
    for (int64_t k : kEndmembers) {
      const Shape a = {s.n, s.h, s.w, k, s.extra};
      const Image logits = Image::random(a, 21, -30, 30, type), endmembers = Image::random({1, 1, 1, k * s.c}, 22);
      everywhere(
          "mixing of " + std::to_string(k) + " into " + text(s, type),
          [&](Backend& backend) {
            std::vector<Image> r{Image(a, type), Image(s, type)};
            backend.softmax_mixing_forward(logits.t, endmembers.t, r[0].t, r[1].t);
            return r;
          },
          [&](const std::vector<Image>& r) {
            for (int64_t p = 0; p < s.n * s.h * s.w; ++p) {
              const std::vector<double> abundances = softmax(pixel(logits, p));
              const std::vector<double> y = mixed(abundances, endmembers.values(), static_cast<size_t>(s.c));
              // a logit difference of 60 is rounded by 60 * 6e-8 before exp
              for (int64_t i = 0; i < k; ++i)
                r[0].close(p * k + i, abundances[static_cast<size_t>(i)], 1e-6, 1e-5, "abundance");
              for (int64_t b = 0; b < s.c; ++b) r[1].close(p * s.c + b, y[static_cast<size_t>(b)], 3e-6, 0, "y");
            }
          });
    }
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
  for (const StoredShape& each : stored(kShapes)) {
    const Shape& s = each.s;
    const DType type = each.type;
    for (int64_t k : kEndmembers) {
      const Shape a = {s.n, s.h, s.w, k, s.extra};
      const auto c = static_cast<size_t>(s.c);
      const Image logits = Image::random(a, 23, -2, 2), endmembers = Image::random({1, 1, 1, k * s.c}, 24),
                  dy = Image::random(s, 25, -1, 1, type), before = Image::random({1, 1, 1, k * s.c}, 26);
      Image abundances = Image::input(a, type);
      for (int64_t p = 0; p < a.n * a.h * a.w; ++p) {
        const std::vector<double> v = softmax(pixel(logits, p));
        for (int64_t i = 0; i < k; ++i) abundances.set(p * k + i, v[static_cast<size_t>(i)]);
      }
      const auto loss = [&](int64_t p, const std::vector<double>& weights, const std::vector<double>& e) {
        const std::vector<double> y = mixed(weights, e, c);
        double sum = 0;
        for (size_t b = 0; b < c; ++b) sum += y[b] * dy[p * s.c + static_cast<int64_t>(b)];
        return sum;
      };
      everywhere(
          "gradients of " + std::to_string(k) + " into " + text(s, type),
          [&](Backend& backend) {
            std::vector<Image> r{Image(a, type), before};
            Workspace space(backend.softmax_mixing_backward_workspace(dy.t, abundances.t));
            backend.softmax_mixing_backward(dy.t, abundances.t, endmembers.t, r[0].t, r[1].t, space.t);
            return r;
          },
          [&](const std::vector<Image>& r) {
            const std::vector<double> e = endmembers.values();
            for (size_t i : spread(static_cast<size_t>(a.n * a.h * a.w * k), 60)) {
              const auto p = static_cast<int64_t>(i) / k;
              const size_t of = i % static_cast<size_t>(k);
              // 16-bit abundances do not sum to one: not a softmax of any logits, so by the formula
              const double expected =
                  type == DType::f32
                      ? slope(pixel(logits, p), of, [&](const auto& l) { return loss(p, softmax(l), e); })
                      : formula(pixel(abundances, p), of, [&](const auto& a) { return loss(p, a, e); });
              // float32 sums of c products below 1, differences with step 1e-6 of a loss below c
              r[0].close(static_cast<int64_t>(i), expected, 2e-6 + 1e-8 * static_cast<double>(c), 1e-5, "dlogits");
            }
            for (size_t i : spread(e.size(), 12)) {
              double expected = before[static_cast<int64_t>(i)];  // linear in the endmembers: any step will do
              for (int64_t p = 0; p < a.n * a.h * a.w; ++p)
                expected += slope(
                    e, i, [&](const auto& v) { return loss(p, pixel(abundances, p), v); }, 1);
              r[1].close(static_cast<int64_t>(i), expected, 3e-5, 1e-5, "dendmembers");
            }
          });
    }
  }
}

#ifdef BANDLIFT_EMULATED
TEST("softmax mixing: more endmembers than shared memory holds are refused") {
  const int64_t k = 769;  // 16 abundances of 4 bytes for each of 768 fill 48 KiB
  each_backend([&](const std::string&, Backend& backend) {
    Image abundances({1, 1, 1, k}), y({1, 1, 1, 2});
    try {
      backend.softmax_mixing_forward(Image::random({1, 1, 1, k}, 27).t, Image::random({1, 1, 1, k * 2}, 28).t,
                                     abundances.t, y.t);
    } catch (const bandlift::Error& e) {
      REQUIRE(e.code == bandlift::ErrorCode::shape);
      REQUIRE(std::string(e.what()) == "softmax_mixing_forward: found 769 endmembers, expected at most 768");
      return;
    }
    check::fail("769 endmembers were taken");
  });
}
#endif
