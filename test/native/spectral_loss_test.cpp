// The loss against its formula in double, acos and all; its gradient against central differences and in the corners
// where the plain formula breaks: equal, scaled, opposite and zero spectra.
#include "backends.h"

using namespace backends;
using namespace bandlift;

namespace {

constexpr double kHalfPi = 1.57079632679489661923;

struct Problem {
  SpectralLossParams weights;
  Image pred, target;
  std::vector<double> pixels, bands;  // masks; empty: absent; bands: one mask, or one for each image
  double valid;                       // pixels that count, of the whole batch
  double scale = 0;                   // of dpred; 0: not given
};

Problem problem(const Shape& s, bool pixel_mask, bool band_mask, const SpectralLossParams& weights,
                DType type = DType::f32) {
  Problem p = {weights, Image::random(s, 71, 0, 1, type), Image::random(s, 72, 0, 1), {}, {}, 0};
  const int64_t pixels = s.n * s.h * s.w;
  if (pixel_mask) p.pixels = Image::mask({1, 1, 1, pixels}, 73, 0.7).values();
  if (band_mask) p.bands = Image::mask({1, 1, 1, s.c}, 74, 0.8).values();
  for (int64_t i = 0; i < pixels; ++i) p.valid += p.pixels.empty() ? 1 : p.pixels[static_cast<size_t>(i)];
  return p;
}

bool good(const std::vector<double>& mask, size_t i) {
  return mask.empty() || mask[i] > 0;
}

// Of pixel i.
std::vector<double> bands_of(const Problem& p, int64_t i) {
  const auto c = static_cast<size_t>(p.pred.t.c);
  if (p.bands.size() <= c) return p.bands;
  const auto start = p.bands.begin() + i / (p.pred.t.h * p.pred.t.w) * static_cast<int64_t>(c);
  return {start, start + static_cast<int64_t>(c)};
}

// Sums over the bands of one pixel: l1, l2, angle, gradient, each divided by what a mean over bands wants.
struct Terms {
  double l1 = 0, l2 = 0, sam = 0, gradient = 0;
};

Terms pixel_terms(const std::vector<double>& p, const std::vector<double>& t, const std::vector<double>& bands) {
  Terms r;
  double pp = 0, tt = 0, pt = 0, count = 0, pairs = 0;
  for (size_t k = 0; k < p.size(); ++k) {
    if (!good(bands, k)) continue;
    count += 1;
    r.l1 += std::abs(p[k] - t[k]);
    r.l2 += (p[k] - t[k]) * (p[k] - t[k]);
    pp += p[k] * p[k], tt += t[k] * t[k], pt += p[k] * t[k];
    if (k + 1 == p.size() || !good(bands, k + 1)) continue;
    pairs += 1;
    r.gradient += std::abs((p[k + 1] - p[k]) - (t[k + 1] - t[k]));
  }
  if (count > 0) r.l1 /= count, r.l2 /= count;
  if (pairs > 0) r.gradient /= pairs;
  const double cosine = pt / (std::sqrt(pp) * std::sqrt(tt) + 1e-8);
  r.sam = std::acos(std::min(1.0, std::max(-1.0, cosine)));
  return r;
}

std::vector<double> pixel(const Image& image, int64_t p) {
  std::vector<double> v;
  for (int64_t k = 0; k < image.t.c; ++k) v.push_back(image[p * image.t.c + k]);
  return v;
}

double total(const Terms& r, const SpectralLossParams& w) {
  return w.l1 * r.l1 + w.l2 * r.l2 + w.sam * r.sam + w.gradient * r.gradient;
}

// terms, dpred, dpred in place of pred, terms without gradient.
std::vector<Image> compute(const Problem& p, Backend& backend) {
  const Shape s = {p.pred.t.n, p.pred.t.h, p.pred.t.w, p.pred.t.c, p.pred.t.pitch - p.pred.t.c};
  const Image n =
      Image::vector(p.scale == 0 ? std::vector<double>{p.valid} : std::vector<double>{p.valid, p.scale}, DType::f64);
  Image pixels({s.n, s.h, s.w, 1}),
      bands({std::max<int64_t>(1, static_cast<int64_t>(p.bands.size()) / s.c), 1, 1, s.c});
  if (!p.pixels.empty()) pixels.assign(p.pixels);
  if (!p.bands.empty()) bands.assign(p.bands);
  const Tensor pixel_mask = p.pixels.empty() ? Tensor{} : pixels.t, band_mask = p.bands.empty() ? Tensor{} : bands.t;
  const Shape terms = {1, 1, 1, kLossTermCount};
  std::vector<Image> r{Image(terms, DType::f64), Image(s, p.pred.t.dtype), p.pred, Image(terms, DType::f64)};
  Workspace space(backend.spectral_loss_workspace(p.pred.t));
  const auto run = [&](Tensor pred, Tensor to, Tensor dpred) {
    backend.spectral_loss(p.weights, pred, p.target.t, pixel_mask, band_mask, n.t, to, dpred, space.t);
  };
  run(p.pred.t, r[0].t, r[1].t);
  run(r[2].t, r[3].t, r[2].t);
  run(p.pred.t, r[3].t, Tensor{});
  return r;
}

void check_values(const Problem& p, const std::vector<Image>& r) {
  Terms sum;
  for (int64_t i = 0; i < p.pred.t.pixels(); ++i) {
    if (!good(p.pixels, static_cast<size_t>(i))) continue;
    const Terms one = pixel_terms(pixel(p.pred, i), pixel(p.target, i), bands_of(p, i));
    sum.l1 += one.l1, sum.l2 += one.l2, sum.sam += one.sam, sum.gradient += one.gradient;
  }
  // float32 sums over the bands: the tolerance of a loss term in the project's specification
  const double n = p.valid > 0 ? p.valid : 1;
  const double expected[] = {total(sum, p.weights) / n, sum.l1 / n, sum.l2 / n, sum.sam / n, sum.gradient / n};
  for (int64_t k = kLossTotal; k <= kLossGradient; ++k)
    check::close(r[0][k], expected[k], 1e-5, 1e-4, "term " + std::to_string(k));
  REQUIRE(r[0][kLossFirstBad] == -1);
  REQUIRE(r[0].same_bits(r[3]));
  REQUIRE(r[1].same_bits(r[2]));
}

void check_gradient(const Problem& p, const std::vector<Image>& r) {
  const int64_t c = p.pred.t.c;
  for (size_t i : spread(static_cast<size_t>(p.pred.t.elements()), 400)) {
    const auto at = static_cast<int64_t>(i);
    const size_t k = i % static_cast<size_t>(c);
    const std::vector<double> bands = bands_of(p, at / c);
    if (!good(p.pixels, i / static_cast<size_t>(c)) || !good(bands, k)) {
      REQUIRE(r[1][at] == 0);
      continue;
    }
    const std::vector<double> t = pixel(p.target, at / c);
    const double expected =
        slope(pixel(p.pred, at / c), k, [&](const auto& v) { return total(pixel_terms(v, t, bands), p.weights); }) /
        p.valid;
    const double scale = p.scale == 0 ? 1 : p.scale;
    r[1].close(at, expected * scale, 1e-6 * scale / p.valid, 1e-4, "dpred[" + std::to_string(i) + "]");
  }
}

// One pixel, only the angle.
Problem angle_of(const std::vector<double>& pred, const std::vector<double>& target) {
  return {{0, 0, 1, 0}, Image::vector(pred), Image::vector(target), {}, {}, 1};
}

std::vector<double> spectrum(int64_t bands, unsigned seed, double scale = 1) {
  std::vector<double> v = Image::random({1, 1, 1, bands}, seed, 0.05, 0.9).values();
  for (double& x : v) x *= scale;
  return v;
}

}  // namespace

TEST("spectral loss: every term equals its formula, and the gradient central differences") {
  const SpectralLossParams weights[] = {{1, 0, 0.1f, 0.1f}, {1, 0, 0, 0}, {0, 1, 0, 0},
                                        {0, 0, 1, 0},       {0, 0, 0, 1}, {0.3f, 0.7f, 2, 0.4f}};
  for (const Shape& s : kShapes)
    for (const SpectralLossParams& w : weights)
      for (int masks = 0; masks < 4; ++masks) {
        // a single band has angle 0 always, where differences see the kink: tested below
        if (s.c == 1 && w.sam > 0) continue;
        if (kOwnsPadding && (masks == 1 || masks == 2)) continue;  // emulated: slow, and the other test masks too
        const Problem p = problem(s, masks & 1, masks & 2, w);
        everywhere(
            "loss of " + text(s) + ", masks " + std::to_string(masks), [&](Backend& b) { return compute(p, b); },
            [&](const std::vector<Image>& r) {
              check_values(p, r);
              check_gradient(p, r);
            });
      }
}

TEST("spectral loss: images of every storage type, and a scale of the gradient alone") {
  const SpectralLossParams weights = {0.3f, 0.7f, 2, 0.4f};
  for (const StoredShape& each : stored(kShapes)) {
    const Shape& s = each.s;
    const DType type = each.type;
    if (s.c == 1) continue;
    Problem p = problem(s, true, true, weights, type);
    for (double scale : {0.0, 256.0}) {
      p.scale = scale;
      everywhere(
          "loss of " + text(s, type) + ", scale " + std::to_string(scale), [&](Backend& b) { return compute(p, b); },
          [&](const std::vector<Image>& r) {
            check_values(p, r);
            check_gradient(p, r);
          });
    }
  }
}

// Up to and beyond what a GPU keeps of a pixel in registers: 2 and 12 bands for each of 32 lanes.
TEST("spectral loss: any number of bands") {
  for (int64_t c : {64, 65, 384, 385, 425, 2500})
    for (const StoredShape& each : stored({{1, 1, 3, c}, {1, 2, 1, c, 8 - c % 8}})) {
      const Shape& s = each.s;
      const DType type = each.type;
      Problem p = problem(s, true, c % 2 == 0, {0.3f, 0.7f, 2, 0.4f}, type);
      std::fill(p.pixels.begin(), p.pixels.end(), 1);
      p.pixels.back() = 0;
      p.valid = static_cast<double>(p.pixels.size()) - 1;
      everywhere(
          "loss of " + text(s, type), [&](Backend& b) { return compute(p, b); },
          [&](const std::vector<Image>& r) {
            check_values(p, r);
            check_gradient(p, r);
          });
    }
}

TEST("spectral loss: all bands or all pixels masked, one band, one pixel") {
  const Shape s = {2, 1, 3, 5};
  for (int what = 0; what < 3; ++what) {
    Problem p = problem(what == 2 ? Shape{1, 1, 1, 1} : s, true, true, {1, 1, 1, 1});
    std::fill(p.pixels.begin(), p.pixels.end(), what == 0 ? 0 : 1);
    std::fill(p.bands.begin(), p.bands.end(), what == 1 ? 0 : 1);
    p.valid = what == 0 ? 0 : static_cast<double>(p.pixels.size());
    everywhere(
        "masked " + std::to_string(what), [&](Backend& b) { return compute(p, b); },
        [&](const std::vector<Image>& r) {
          for (double v : r[0].values()) REQUIRE(std::isfinite(v));
          if (what < 2)
            for (double v : r[1].values()) REQUIRE(v == 0);
          check_values(p, r);
        });
  }
}

TEST("spectral loss: a band mask for each image, the mean over pixels of the means over their bands") {
  const SpectralLossParams weights = {0.3f, 0.7f, 2, 0.4f};
  for (const StoredShape& each : stored({{3, 3, 5, 37}, {2, 1, 3, 70, 2}, {2, 2, 2, 390}})) {
    Problem p = problem(each.s, true, false, weights, each.type);
    p.bands = Image::mask({1, 1, 1, each.s.n * each.s.c}, 75, 0.6).values();
    everywhere(
        "band masks of " + text(each.s, each.type), [&](Backend& b) { return compute(p, b); },
        [&](const std::vector<Image>& r) {
          check_values(p, r);
          check_gradient(p, r);
        });
  }
}

TEST("spectral loss: masked pixels and bands may hold anything") {
  Problem p = problem({2, 3, 5, 37}, true, true, {1, 1, 1, 1});
  const auto clean = [&](Backend& b) { return compute(p, b); };
  Problem dirty = p;
  for (int64_t i = 0; i < p.pred.t.elements(); ++i)
    if (!good(p.pixels, static_cast<size_t>(i / 37)) || !good(p.bands, static_cast<size_t>(i % 37))) {
      dirty.pred.set(i, std::nan(""));
      dirty.target.set(i, std::numeric_limits<double>::infinity());
    }
  each_backend([&](const std::string&, Backend& backend) {
    const std::vector<Image> before = clean(backend), after = compute(dirty, backend);
    REQUIRE(after[0].same_bits(before[0]) && after[1].same_bits(before[1]));
  });
}

TEST("spectral loss: micro-batches add up to the batch") {
  const Shape s = {4, 3, 5, 31};
  const Problem whole = problem(s, true, true, {1, 0.5f, 0.1f, 0.1f});
  everywhere(
      "micro-batches",
      [&](Backend& backend) {
        std::vector<Image> r{Image({1, 1, 1, 5}, DType::f64)};
        const Image all = compute(whole, backend)[0];
        for (int64_t k = 0; k < 5; ++k) r[0].set(k, -all[k]);
        for (int64_t first : {0, 3}) {  // 3 samples, then 1
          const int64_t n = first == 0 ? 3 : 1, pixels = s.h * s.w;
          Problem part = {whole.weights, Image({n, s.h, s.w, s.c}), Image({n, s.h, s.w, s.c}), {}, whole.bands,
                          whole.valid};
          for (int64_t i = 0; i < part.pred.t.elements(); ++i) {
            part.pred.set(i, whole.pred[first * pixels * s.c + i]);
            part.target.set(i, whole.target[first * pixels * s.c + i]);
          }
          part.pixels.assign(whole.pixels.begin() + first * pixels, whole.pixels.begin() + (first + n) * pixels);
          const Image terms = compute(part, backend)[0];
          for (int64_t k = 0; k < 5; ++k) r[0].set(k, r[0][k] + terms[k]);
        }
        return r;
      },
      [](const std::vector<Image>& r) {
        for (double rest : r[0].values()) check::close(rest, 0, 1e-14, 0, "sum of parts minus the whole");
      });
}

// Values are those of acos(<p,t> / (|p||t| + 1e-8)); the plain formula's gradient would be infinite or NaN here.
TEST("spectral loss: equal spectra have a zero gradient") {
  for (int64_t c : {1, 2, 7, 31, 340})
    for (double scale : {1e-6, 1.0, 1e4}) {
      const std::vector<double> v = spectrum(c, 80, scale);
      Problem p = angle_of(v, v);
      p.weights = {1, 1, 1, 1};
      everywhere(
          "equal " + std::to_string(c), [&](Backend& b) { return compute(p, b); },
          [&](const std::vector<Image>& r) {
            check_values(p, r);
            for (double g : r[1].values()) REQUIRE(g == 0);
          });
    }
}

TEST(
    "spectral loss: scaled, nearly equal, orthogonal and opposite spectra have the right angle and a bounded "
    "gradient") {
  for (int64_t c : {1, 2, 7, 31, 340})
    for (double scale : {1e-6, 1e-3, 1.0, 1e4}) {
      const std::vector<double> v = spectrum(c, 81, scale);
      std::vector<double> tripled = v, opposite = v, near_equal = v, orthogonal = v, nearly_opposite = v;
      double norm = 0;
      for (size_t k = 0; k < v.size(); ++k) {
        norm += v[k] * v[k];
        tripled[k] *= 3, opposite[k] *= -2;
        near_equal[k] *= 1 + 1e-5 * static_cast<double>(k % 3);
        nearly_opposite[k] *= -1 - 1e-3 * static_cast<double>(k % 3);
        orthogonal[k] = k + 1 == v.size() && k % 2 == 0 ? 0 : (k % 2 ? -v[k - 1] : v[k + 1]);
      }
      norm = std::sqrt(norm);
      for (const auto& other : {tripled, opposite, near_equal, orthogonal, nearly_opposite})
        for (bool swapped : {false, true}) {
          const Problem p = swapped ? angle_of(other, v) : angle_of(v, other);
          double length = 0;
          for (double x : p.pred.values()) length += x * x;
          if (length == 0) continue;  // one band has no orthogonal: zero spectra are tested below
          everywhere(
              "corner " + std::to_string(c) + " x " + std::to_string(scale), [&](Backend& b) { return compute(p, b); },
              [&](const std::vector<Image>& r) {
                check_values(p, r);
                double squares = 0;
                for (double g : r[1].values()) squares += g * g;
                // turning a spectrum by dp changes the angle by at most |dp| / |p|
                if (!(std::sqrt(squares * length) <= 1 + 1e-3))
                  check::fail("gradient " + std::to_string(std::sqrt(squares * length)));
              });
        }
    }
}

TEST("spectral loss: spectra without length have angle pi/2 and no gradient from it") {
  const std::vector<double> v = spectrum(31, 82), zero(31, 0), tiny(31, 1e-30);
  for (const Problem& p :
       {angle_of(zero, v), angle_of(v, zero), angle_of(zero, zero), angle_of(tiny, v), angle_of(tiny, tiny)})
    everywhere(
        "zero", [&](Backend& b) { return compute(p, b); },
        [&](const std::vector<Image>& r) {
          check::close(r[0][kLossSam], kHalfPi, 1e-6, 0, "angle");
          check_values(p, r);
          for (double g : r[1].values()) REQUIRE(g == 0);
        });
}

TEST("spectral loss: everything is finite for every pair of extreme spectra") {
  std::vector<std::vector<double>> spectra;
  for (double scale : {0.0, 1e-38, 1e-20, 1e-10, 1e-4, 1.0, 1e4, 1e12}) spectra.push_back(spectrum(29, 83, scale));
  spectra.push_back(std::vector<double>(29, 1));
  spectra.push_back(std::vector<double>(29, 0));
  spectra.back()[28] = -1;
  for (const auto& a : spectra)
    for (const auto& b : spectra) {
      Problem p = angle_of(a, b);
      p.weights = {1, 1, 1, 1};
      everywhere(
          "extreme", [&](Backend& backend) { return compute(p, backend); },
          [&](const std::vector<Image>& r) {
            for (double x : r[0].values()) REQUIRE(std::isfinite(x));
            for (double g : r[1].values()) REQUIRE(std::isfinite(g));
          });
    }
}

TEST("spectral loss: the first prediction that is not finite is named") {
  const Shape s = {2, 19, 31, 29, 1};  // several tasks
  for (double bad : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    Problem p = problem(s, true, true, {1, 0, 0.1f, 0.1f});
    int64_t first = -1, second = -1;  // good elements in the second and in the last task
    for (int64_t i = 600 * 29; i < p.pred.t.elements(); ++i) {
      if (!good(p.pixels, static_cast<size_t>(i / 29)) || !good(p.bands, static_cast<size_t>(i % 29))) continue;
      (first < 0 ? first : second) = i;
    }
    int64_t hidden = 0;
    while (good(p.pixels, static_cast<size_t>(hidden / 29))) ++hidden;
    REQUIRE(first > 0 && second > first);
    for (int64_t i : {hidden, first, second}) p.pred.set(i, bad);
    everywhere(
        "bad", [&](Backend& b) { return compute(p, b); },
        [&](const std::vector<Image>& r) { REQUIRE(r[0][kLossFirstBad] == static_cast<double>(first)); });
  }
}

TEST("spectral loss: a pixel with a good band that is not finite is named by its first such band, good or not") {
  Problem p = problem({1, 1, 3, 500}, false, false, {1, 0, 0.1f, 0.1f});
  p.bands.assign(500, 1);
  p.bands[70] = 0;
  for (int64_t band : {70, 130}) p.pred.set(500 + band, std::nan(""));
  p.pred.set(70, std::nan(""));  // alone in its pixel, it does not matter
  everywhere(
      "bad band", [&](Backend& b) { return compute(p, b); },
      [&](const std::vector<Image>& r) { REQUIRE(r[0][kLossFirstBad] == 570); });
}

#ifdef BANDLIFT_EMULATED

// What grad_norm finds, so that the step is skipped and the scale lowered.
TEST("spectral loss: a scaled gradient beyond the range of f16 becomes infinite, nothing else does") {
  const Shape s = {1, 2, 3, 50, 6};
  Problem p = problem(s, true, true, {1, 0, 0, 0}, DType::f16);
  double bands = 0;
  for (double good_band : p.bands) bands += good_band;
  for (const double size : {60000.0, 70000.0}) {  // of each element: the largest number of f16 is 65504
    p.scale = size * p.valid * bands;
    everywhere(
        "overflow", [&](Backend& b) { return compute(p, b); },
        [&](const std::vector<Image>& r) {
          for (int64_t k = kLossTotal; k <= kLossGradient; ++k) REQUIRE(std::isfinite(r[0][k]));
          for (int64_t i = 0; i < p.pred.t.elements(); ++i) {
            const bool counts =
                good(p.pixels, static_cast<size_t>(i / s.c)) && good(p.bands, static_cast<size_t>(i % s.c));
            const double sign = p.pred[i] > p.target[i] ? 1 : -1;
            REQUIRE(r[1][i] == (counts ? storage::rounded(DType::f16, sign * size) : 0));
          }
        });
  }
}

#endif
