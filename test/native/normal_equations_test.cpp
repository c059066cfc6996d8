// Normal equations against a plain double loop; they accumulate over calls and leave masked pixels out.
#include "backends.h"

using namespace backends;

namespace {

void check_equations(const Shape& s, int64_t f, bool masked, double tolerance) {
  const Image a = Image::random({s.n, s.h, s.w, f, s.extra + 1}, 41), y = Image::random(s, 42);
  const Image mask = Image::mask({s.n, s.h, s.w, 1, s.extra}, 43, 0.6);
  const int64_t size = f + 1;
  std::vector<double> gram(static_cast<size_t>(size * size), 0.5), cross(static_cast<size_t>(size * s.c), -0.25);
  const Image gram_before = Image::vector(gram, DType::f64), cross_before = Image::vector(cross, DType::f64);
  for (int64_t p = 0; p < s.n * s.h * s.w; ++p) {
    if (masked && mask[p] == 0) continue;
    const auto feature = [&](int64_t i) { return i < f ? a[p * f + i] : 1.0; };
    for (int64_t i = 0; i < size; ++i) {
      for (int64_t j = 0; j < size; ++j) gram[static_cast<size_t>(i * size + j)] += feature(i) * feature(j);
      for (int64_t k = 0; k < s.c; ++k) cross[static_cast<size_t>(i * s.c + k)] += feature(i) * y[p * s.c + k];
    }
  }
  everywhere(
      "normal equations of " + std::to_string(f) + " features, " + text(s) + (masked ? ", masked" : ""),
      [&](Backend& backend) {
        std::vector<Image> r{gram_before, cross_before};
        Workspace space(backend.normal_equations_workspace(a.t, y.t));
        backend.normal_equations(a.t, y.t, masked ? mask.t : Tensor{}, r[0].t, r[1].t, space.t);
        return r;
      },
      [&](const std::vector<Image>& r) {
        close_all(r[0], gram, tolerance, tolerance, "gram");
        close_all(r[1], cross, tolerance, tolerance, "cross");
      });
}

}  // namespace

TEST("normal equations: gram and cross of [features 1], accumulated, with and without a mask") {
  for (const Shape& s : kShapes)
    for (int64_t f : {1, 7, 35})
      for (bool masked : {false, true})
        // double sums of 2000 terms in another order: 2000 * 1e-16, relative to sums of absolute terms
        check_equations(s, f, masked, 1e-12);
}

TEST("normal equations: pixels for every part that a device sums by itself") {
  for (const Shape& s : {Shape{1, 3, 1700, 2, 1}, Shape{1, 200, 201, 1}})
    check_equations(s, 3, true, 2e-11);  // 40,200 terms, see above
}
