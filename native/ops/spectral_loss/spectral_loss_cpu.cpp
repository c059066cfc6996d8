#include <cmath>

#include "cpu/cpu_backend.h"
#include "cpu/dot.h"
#include "cpu/pixels.h"
#include "ops/spectral_loss/spectral_loss.h"

namespace bandlift::BANDLIFT_ISA {

static constexpr double kEpsilon = 1e-8, kPi = 3.14159265358979323846;
// A spectrum whose |p|^2 is below this has no direction: 1 / |p|^2 would pass the range of float32.
static constexpr float kNoLength = 1e-36f;
// What float32 leaves of v - cos u for parallel spectra, a few roundings of 6e-8: smaller sines are noise.
static constexpr double kSineNoise = 1e-6;

static vfloat absolute(vfloat x) {
  return x < 0 ? -x : x;
}
static vfloat sign(vfloat x) {
  return x > 0 ? splat(1) : x < 0 ? splat(-1) : vfloat{};
}

namespace {

// What one pixel adds to the sums, and what its gradient needs.
struct PixelSums {
  float l1, l2, gradient, pp, tt, pt;
};

struct Angle {
  double value;
  float per_d, per_p;  // d angle / dp[k] = per_d * d[k] + per_p * p[k]
};

// A task's sums, kept in the workspace until they are added in task order.
struct Partial {
  double l1, l2, sam, gradient;
  int64_t first_bad;
};

struct Weights {
  float l1, l2, sam, gradient;  // weight / denominator
};

// Of the pixels that share a band mask: what their sums are divided by.
struct Share {
  double per_band, per_pair;
  Weights weights;
};

}  // namespace

// ---- the spectral angle (SAM) of one pixel ----

static Angle spectral_angle(const float* p, const float* t, const float* good, int64_t c, const PixelSums& s) {
  if (!(s.pp > kNoLength) || !(s.tt > kNoLength)) return {kPi / 2, 0, 0};
  const double norm_p = sqrt(static_cast<double>(s.pp)), norm_t = sqrt(static_cast<double>(s.tt)), n = norm_p * norm_t;
  const float inverse_p = static_cast<float>(1 / norm_p), inverse_t = static_cast<float>(1 / norm_t);
  const bool obtuse = s.pt < 0;
  vfloat sum = {};
  for (int64_t k = 0; k < c; k += kLanes) {
    vfloat u = load_up_to(p + k, c - k) * inverse_p, v = load_up_to(t + k, c - k) * inverse_t;
    vfloat difference = obtuse ? u + v : u - v;
    if (good) difference = load_up_to(good + k, c - k) > 0 ? difference : vfloat{};
    sum += difference * difference;
  }
  const double half = 0.5 * sum_lanes(sum);            // 1 - |cos|
  const double cosine = obtuse ? half - 1 : 1 - half;  // of the true angle
  const double ratio = kEpsilon / (n + kEpsilon);
  const double rest = half * (1 - ratio) + ratio;  // 1 - |cos'|
  const double acute = 2 * asin(sqrt(rest > 2 ? 1.0 : rest / 2));
  const double sine = sin(acute);
  const double slope = -norm_t / (n + kEpsilon) / sqrt(sine * sine + kSineNoise * kSineNoise);
  // v - cos u = -d / |t| + p (1 / |t| - cos / |p|): exactly zero at equality, no cancellation near it
  return {obtuse ? kPi - acute : acute, static_cast<float>(-slope / norm_t),
          static_cast<float>(slope * (1 / norm_t - cosine / norm_p))};
}

// ---- one pixel ----

// Writes d = p - t (0 in bad bands) and steps[k] = sign(d[k+1] - d[k]) (0 where a band of the pair is bad or missing).
// Both rows have room up to the next whole vector; steps[-1] exists.
static PixelSums first_pass(const float* p, const float* t, const float* good, int64_t c, float* d, float* steps) {
  vfloat l1 = {}, l2 = {}, pp = {}, tt = {}, pt = {};
  for (int64_t k = 0; k < c; k += kLanes) {
    vfloat pv = load_up_to(p + k, c - k), tv = load_up_to(t + k, c - k);
    if (good) {
      const auto keep = load_up_to(good + k, c - k) > 0;
      pv = keep ? pv : vfloat{};
      tv = keep ? tv : vfloat{};
    }
    const vfloat difference = pv - tv;
    store(d + k, difference);
    l1 += absolute(difference);
    l2 += difference * difference;
    pp += pv * pv;
    tt += tv * tv;
    pt += pv * tv;
  }
  vfloat gradient = {};
  steps[-1] = 0;
  for (int64_t k = 0; k < c; k += kLanes) {
    const int64_t rest = c - 1 - k;
    vfloat step = load_up_to(d + k + 1, rest) - load_up_to(d + k, rest);
    if (good) step *= load_up_to(good + k, rest) * load_up_to(good + k + 1, rest);
    store(steps + k, sign(step));
    gradient += absolute(step);
  }
  return {sum_lanes(l1), sum_lanes(l2), sum_lanes(gradient), sum_lanes(pp), sum_lanes(tt), sum_lanes(pt)};
}

// out = d total / d pred of this pixel; out may be p. d |d[k+1] - d[k]| is +sign at k + 1 and -sign at k.
static void second_pass(const float* p, const float* good, int64_t c, const float* d, const float* steps,
                        const Angle& angle, const Weights& w, float* out) {
  const float per_d = w.sam * angle.per_d + 2 * w.l2, per_p = w.sam * angle.per_p;
  for (int64_t k = 0; k < c; k += kLanes) {
    const int64_t rest = c - k;
    const vfloat difference = load(d + k);
    vfloat g = sign(difference) * w.l1 + difference * per_d + load_up_to(p + k, rest) * per_p;
    g += (load(steps + k - 1) - load(steps + k)) * w.gradient;
    if (good) g = load_up_to(good + k, rest) > 0 ? g : vfloat{};
    store_up_to(out + k, g, rest);
  }
}

static int64_t first_not_finite(const float* p, int64_t c) {
  for (int64_t k = 0; k < c; ++k)
    if (!std::isfinite(p[k])) return k;
  return -1;
}

// ---- the whole image ----

// Scratch of one thread: d, then steps with one vector in front.
static int64_t row_floats(int64_t c) {
  return 2 * round_up(c, kLanes) + kLanes;
}
static int64_t partial_floats(Tensor pred) {
  return task_count(pred.pixels(), pixels_per_task(pred.c)) * static_cast<int64_t>(sizeof(Partial) / sizeof(float));
}

static int64_t share_floats(Tensor pred) {
  return pred.n * static_cast<int64_t>(sizeof(Share) / sizeof(float));
}

size_t CpuBackend::spectral_loss_workspace(Tensor pred) const {
  return static_cast<size_t>(partial_floats(pred) + share_floats(pred) + pool_.threads() * row_floats(pred.c)) *
         sizeof(float);
}

static Share share_of(const SpectralLossParams& p, const float* good, int64_t c, double n, double scale) {
  int64_t bands = 0, pairs = 0;
  for (int64_t k = 0; k < c; ++k) {
    bands += !good || good[k] > 0;
    pairs += k + 1 < c && (!good || (good[k] > 0 && good[k + 1] > 0));
  }
  const auto share = [n](int64_t count) { return n > 0 && count > 0 ? 1 / (n * static_cast<double>(count)) : 0.0; };
  const double per_band = share(bands), per_pair = share(pairs);
  return {per_band,
          per_pair,
          {static_cast<float>(scale * p.l1 * per_band), static_cast<float>(scale * p.l2 * per_band),
           static_cast<float>(scale * p.sam * share(1)), static_cast<float>(scale * p.gradient * per_pair)}};
}

void CpuBackend::spectral_loss(SpectralLossParams p, Tensor pred, Tensor target, Tensor pixel_mask, Tensor band_mask,
                               Tensor valid_pixels, Tensor terms, Tensor dpred, Tensor workspace) {
  const int64_t c = pred.c, tasks = task_count(pred.pixels(), pixels_per_task(c));
  const double n = valid_pixels.f64()[0], per_pixel = n > 0 ? 1 / n : 0.0;
  const double scale = valid_pixels.c > 1 ? valid_pixels.f64()[1] : 1;  // of dpred
  const bool of_image = band_mask && band_mask.n > 1;
  const auto mask_of = [&](int64_t image) {
    return band_mask ? band_mask.f32() + (of_image ? image * band_mask.pitch : 0) : nullptr;
  };

  auto* partials = static_cast<Partial*>(workspace.data);
  auto* shares = reinterpret_cast<Share*>(workspace.f32() + partial_floats(pred));
  for (int64_t image = 0; image < (of_image ? pred.n : 1); ++image)
    shares[image] = share_of(p, mask_of(image), c, n, scale);
  float* rows = workspace.f32() + partial_floats(pred) + share_floats(pred);
  const int64_t per_task = pixels_per_task(c);
  pool_.parallel_for(tasks, [&](int64_t task, int thread) {
    float* d = rows + thread * row_floats(c);
    float* steps = d + round_up(c, kLanes) + kLanes;
    Partial sum = {0, 0, 0, 0, -1};
    const int64_t image_pixels = pred.h * pred.w;
    for (int64_t i = task * per_task; i < least(pred.pixels(), (task + 1) * per_task); ++i) {
      const float* pv = pred.f32() + i * pred.pitch;
      const float* tv = target.f32() + i * target.pitch;
      float* out = dpred ? dpred.f32() + i * dpred.pitch : nullptr;
      if (pixel_mask && !(pixel_mask.f32()[i * pixel_mask.pitch] > 0)) {
        if (out)
          for (int64_t k = 0; k < c; ++k) out[k] = 0;
        continue;
      }
      const int64_t image = of_image ? i / image_pixels : 0;
      const float* good = mask_of(image);
      const PixelSums s = first_pass(pv, tv, good, c, d, steps);
      const Angle angle = spectral_angle(pv, tv, good, c, s);
      // one share for all pixels is multiplied by once, at the end
      const double per_band = of_image ? shares[image].per_band : 1, per_pair = of_image ? shares[image].per_pair : 1;
      sum.l1 += s.l1 * per_band;
      sum.l2 += s.l2 * per_band;
      sum.sam += angle.value;
      sum.gradient += s.gradient * per_pair;
      if (sum.first_bad < 0 && !std::isfinite(s.l1)) {
        const int64_t k = first_not_finite(pv, c);
        if (k >= 0) sum.first_bad = i * c + k;
      }
      if (out) second_pass(pv, good, c, d, steps, angle, shares[image].weights, out);
    }
    partials[task] = sum;
  });

  Partial sum = {0, 0, 0, 0, -1};
  for (int64_t task = 0; task < tasks; ++task) {
    sum.l1 += partials[task].l1;
    sum.l2 += partials[task].l2;
    sum.sam += partials[task].sam;
    sum.gradient += partials[task].gradient;
    if (sum.first_bad < 0) sum.first_bad = partials[task].first_bad;
  }
  const double per_band = of_image ? 1 : shares[0].per_band, per_pair = of_image ? 1 : shares[0].per_pair;
  double* out = terms.f64();
  out[kLossL1] = sum.l1 * per_band;
  out[kLossL2] = sum.l2 * per_band;
  out[kLossSam] = sum.sam * per_pixel;
  out[kLossGradient] = sum.gradient * per_pair;
  out[kLossTotal] = p.l1 * out[kLossL1] + p.l2 * out[kLossL2] + p.sam * out[kLossSam] + p.gradient * out[kLossGradient];
  out[kLossFirstBad] = static_cast<double>(sum.first_bad);
}

}  // namespace bandlift::BANDLIFT_ISA
