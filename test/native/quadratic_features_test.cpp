// Features of a quadratic regression and their gradient.
#include "backends.h"

using namespace backends;

namespace {

std::vector<double> features(const std::vector<double>& x) {
  std::vector<double> y = x;
  for (size_t i = 0; i < x.size(); ++i)
    for (size_t j = i; j < x.size(); ++j) y.push_back(x[i] * x[j]);
  return y;
}

// The operator is for a few bands: Landsat's 7, not 340.
const std::vector<Shape> kInputs = {{1, 1, 1, 1},    {3, 1, 1, 7},      {1, 1, 13, 2},
                                    {2, 5, 7, 3, 2}, {3, 37, 41, 7, 1}, {1, 2, 3, 31}};

Shape output_shape(const Shape& s) {
  return {s.n, s.h, s.w, s.c + s.c * (s.c + 1) / 2, s.extra + 1};  // a padding of its own
}

}  // namespace

TEST("quadratic features: x, then x_i x_j for i <= j, row by row") {
  for (const StoredShape& each : stored(kInputs)) {
    const Shape& s = each.s;
    const DType type = each.type;
    const Image x = Image::random(s, 31, -1, 1, type);
    everywhere(
        "features of " + text(s, type),
        [&](Backend& backend) {
          std::vector<Image> r{Image(output_shape(s), type)};
          backend.quadratic_features_forward(x.t, r[0].t);
          return r;
        },
        [&](const std::vector<Image>& r) {
          for (int64_t p = 0; p < s.n * s.h * s.w; ++p) {
            std::vector<double> in;
            for (int64_t k = 0; k < s.c; ++k) in.push_back(x[p * s.c + k]);
            const std::vector<double> y = features(in);
            for (size_t k = 0; k < y.size(); ++k)  // one rounding to float32
              r[0].close(p * r[0].t.c + static_cast<int64_t>(k), y[k], 1e-12, 6e-8, "y");
          }
        });
  }
}

TEST("quadratic features: gradient equals central differences") {
  for (const StoredShape& each : stored(kInputs)) {
    const Shape& s = each.s;
    const DType type = each.type;
    const Image x = Image::random(s, 32, -1, 1, type), dy = Image::random(output_shape(s), 33, -1, 1, type);
    everywhere(
        "gradient of features of " + text(s, type),
        [&](Backend& backend) {
          std::vector<Image> r{Image(s, type)};
          backend.quadratic_features_backward(dy.t, x.t, r[0].t);
          return r;
        },
        [&](const std::vector<Image>& r) {
          for (int64_t p = 0; p < s.n * s.h * s.w; ++p) {
            std::vector<double> in;
            for (int64_t k = 0; k < s.c; ++k) in.push_back(x[p * s.c + k]);
            const auto loss = [&](const std::vector<double>& v) {
              const std::vector<double> y = features(v);
              double sum = 0;
              for (size_t k = 0; k < y.size(); ++k) sum += y[k] * dy[p * dy.t.c + static_cast<int64_t>(k)];
              return sum;
            };
            // quadratic: central differences are exact for any step; c + 2 float32 additions of numbers below 1
            for (size_t i = 0; i < in.size(); ++i)
              r[0].close(p * s.c + static_cast<int64_t>(i), slope(in, i, loss, 1), 5e-6, 0, "dx");
          }
        });
  }
}
