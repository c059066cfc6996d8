// One pixel of the spectral loss, computed by one warp: its sums and, at once, its gradient. Chunk j is bands 32 j ..
// 32 j + 31, one of them for each lane. Included by spectral_loss_cuda.cu only.
#pragma once
#include "cuda/kernel.h"

namespace bandlift::cuda {

constexpr unsigned kAll = 0xffffffffu;  // every lane of the warp
constexpr double kEpsilon = 1e-8, kPi = 3.14159265358979323846;
constexpr double kNoLength = 1e-36;  // |p|^2 below: no direction (see the CPU twin)
constexpr double kSineNoise = 1e-6;  // what float32 leaves of the sine between parallel spectra

// What the gradient's terms are multiplied by: weight * share of one band, pair or pixel * scale of the loss.
struct GradientWeights {
  float l1, l2, sam, gradient;
};

struct Partial {
  double l1, l2, sam, gradient;
  int64_t first_bad;  // kNone: none
};
constexpr int64_t kNone = INT64_MAX;

struct Angle {
  double value;
  double per_d, per_p;  // d angle / dp[k] = per_d * d[k] + per_p * p[k], two large numbers of opposite sign
};

template <typename T>
struct Images {
  View<T> pred;
  View<float> target;
  const float* good;  // band mask; null: all bands are good
  View<T> dpred;      // null: no gradient; may be pred
  int c, pitch;       // pitch: the larger one of pred and dpred
  __device__ __forceinline__ bool counts(int k) const { return k < c && (good == nullptr || good[k] > 0); }
};

// ---- the two spectra: where they are kept; bands that do not count read as 0 ----

// Up to 32 N bands: read once, kept in registers; what is yes or no of a band is a bit for each chunk.
template <typename T, int N>
class Held {
 public:
  static constexpr bool kKeepsSigns = true;
  __device__ __forceinline__ Held(const Images<T>& images, int64_t i, int lane) {
    const T* pred = images.pred.data + i * images.pred.pitch + lane;
    const float* target = images.target.data + i * images.target.pitch + lane;
#pragma unroll
    for (int j = 0; j < N; ++j) {
      const bool counts = images.counts(lane + j * kWarp);
      p_[j] = counts ? to_float(pred[j * kWarp]) : 0;
      t_[j] = counts ? target[j * kWarp] : 0;
      counts_ |= static_cast<uint32_t>(counts) << j;
    }
    const uint32_t right = __shfl_down_sync(kAll, counts_, 1), first = __shfl_sync(kAll, counts_, 0);
    pairs_ = counts_ & (lane + 1 < kWarp ? right : first >> 1);
  }
  __device__ __forceinline__ int chunks() const {
    return N;
  }
  __device__ __forceinline__ float p(int j) const {
    return p_[j];
  }
  __device__ __forceinline__ float t(int j) const {
    return t_[j];
  }
  __device__ __forceinline__ float d(int j) const {
    return j < N ? p_[j % N] - t_[j % N] : 0.0f;
  }
  __device__ __forceinline__ float if_counts(int j, float v) const {
    return if_bit(counts_, j, v);
  }
  __device__ __forceinline__ float if_pair(int j, float v) const {
    return if_bit(pairs_, j, v);
  }
  __device__ __forceinline__ void keep_sign(int j, float rise) {
    up_ |= static_cast<uint32_t>(rise > 0) << j;
    down_ |= static_cast<uint32_t>(rise < 0) << j;
  }
  __device__ __forceinline__ float kept_sign(int j) const {
    return static_cast<float>(static_cast<int>(up_ >> j & 1) - static_cast<int>(down_ >> j & 1));
  }

 private:
  static_assert(N <= 32, "a bit for each chunk");
  // v or 0, without a condition: of each bit the compiler would make a predicate, and there are seven (for sm_90 the
  // assembler of CUDA 12.4 then gives up).
  static __device__ __forceinline__ float if_bit(uint32_t bits, int j, float v) {
    return __int_as_float(__float_as_int(v) & static_cast<int>(bits << (31 - j)) >> 31);
  }
  float p_[N], t_[N];
  uint32_t counts_ = 0, pairs_ = 0, up_ = 0, down_ = 0;
};

// Any number of bands: read again where they are needed, then from the caches.
template <typename T>
class Reread {
 public:
  static constexpr bool kKeepsSigns = false;
  __device__ __forceinline__ Reread(const Images<T>& images, int64_t i, int lane)
      : images_(images), i_(i), lane_(lane) {}
  __device__ __forceinline__ int chunks() const { return (images_.pitch + kWarp - 1) / kWarp; }
  __device__ __forceinline__ float p(int j) const { return counts(j) ? images_.pred.get(i_, band(j)) : 0; }
  __device__ __forceinline__ float t(int j) const { return counts(j) ? images_.target.get(i_, band(j)) : 0; }
  __device__ __forceinline__ float d(int j) const { return p(j) - t(j); }
  __device__ __forceinline__ float if_counts(int j, float v) const { return counts(j) ? v : 0; }
  __device__ __forceinline__ float if_pair(int j, float v) const {
    return counts(j) && images_.counts(band(j) + 1) ? v : 0;
  }

 private:
  __device__ __forceinline__ bool counts(int j) const { return images_.counts(band(j)); }
  __device__ __forceinline__ int band(int j) const { return lane_ + j * kWarp; }
  const Images<T>& images_;
  int64_t i_;
  int lane_;
};

// d[k + 1] - d[k] of this lane's band of chunk j; 0 where one of the two does not count. The next band is that of the
// next lane, for the last lane the first one of the next chunk.
template <typename Spectra>
__device__ __forceinline__ float rise(const Spectra& x, int j, int lane) {
  const float here = x.d(j), right = __shfl_down_sync(kAll, here, 1), first = __shfl_sync(kAll, x.d(j + 1), 0);
  return x.if_pair(j, (lane + 1 < kWarp ? right : first) - here);
}

__device__ __forceinline__ float sign(float x) {
  return x > 0 ? 1.0f : x < 0 ? -1.0f : 0.0f;
}

// ---- the spectral angle (SAM): formulas and corner cases in spectral_loss.h ----

template <typename Spectra>
__device__ __forceinline__ Angle spectral_angle(const Spectra& x, double pp, double tt, double pt) {
  if (!(pp > kNoLength) || !(tt > kNoLength)) return {kPi / 2, 0, 0};
  const double norm_p = sqrt(pp), norm_t = sqrt(tt), n = norm_p * norm_t;
  const float inverse_p = static_cast<float>(1 / norm_p), inverse_t = static_cast<float>(1 / norm_t);
  const bool obtuse = pt < 0;
  float sum = 0;
#pragma unroll
  for (int j = 0; j < x.chunks(); ++j) {
    const float u = x.p(j) * inverse_p, v = x.t(j) * inverse_t, difference = obtuse ? u + v : u - v;
    sum += difference * difference;
  }
  const double half = 0.5 * warp_sum(sum);             // 1 - |cos|
  const double cosine = obtuse ? half - 1 : 1 - half;  // of the true angle
  const double ratio = kEpsilon / (n + kEpsilon);
  const double rest = half * (1 - ratio) + ratio;       // 1 - |cos'|
  const double root = sqrt(rest > 2 ? 1.0 : rest / 2);  // sine of half the angle
  const double acute = 2 * asin(root), sine = 2 * root * sqrt(1 - root * root);
  const double slope = -norm_t / (n + kEpsilon) / sqrt(sine * sine + kSineNoise * kSineNoise);
  return {obtuse ? kPi - acute : acute, -slope / norm_t, slope * (1 / norm_t - cosine / norm_p)};
}

// ---- sums and gradient ----

// Flat index of the pixel's first prediction that is not finite, in every lane; kNone where all are.
template <typename T>
__device__ int64_t first_not_finite(View<T> pred, int64_t i, int c, int lane) {
  int64_t first = kNone;
  for (int k = lane; k < c && first == kNone; k += kWarp)
    if (!isfinite(pred.get(i, k))) first = i * c + k;
  for (int step = kWarp / 2; step > 0; step /= 2) {
    const int64_t other = __shfl_xor_sync(kAll, first, step);
    if (other < first) first = other;
  }
  return first;
}

// Sums of pixel i, times per_band and per_pair, into `sum` and, where dpred is wanted, its gradient. All lanes of the warp come here. A lane writes
// only what it alone reads from then on, so dpred may be pred.
template <typename Spectra, typename T>
__device__ __forceinline__ void one_pixel(const Images<T>& images, const GradientWeights& w, double per_band,
                                          double per_pair, int64_t i, int lane, Partial& sum) {
  Spectra x(images, i, lane);
  float l1 = 0, l2 = 0, gradient = 0;
  double pp = 0, tt = 0, pt = 0;  // small angles live on the difference of the norms
#pragma unroll
  for (int j = 0; j < x.chunks(); ++j) {
    const float p = x.p(j), t = x.t(j), d = p - t;
    l1 += fabsf(d);
    l2 += d * d;
    pp += static_cast<double>(p) * p;
    tt += static_cast<double>(t) * t;
    pt += static_cast<double>(p) * t;
  }
#pragma unroll
  for (int j = 0; j < x.chunks(); ++j) {
    const float step = rise(x, j, lane);
    gradient += fabsf(step);
    if constexpr (Spectra::kKeepsSigns) x.keep_sign(j, step);
  }
  l1 = warp_sum(l1), l2 = warp_sum(l2), gradient = warp_sum(gradient);
  pp = warp_sum(pp), tt = warp_sum(tt), pt = warp_sum(pt);
  const Angle angle = spectral_angle(x, pp, tt, pt);
  sum.l1 += l1 * per_band, sum.l2 += l2 * per_band, sum.gradient += gradient * per_pair, sum.sam += angle.value;
  if (sum.first_bad == kNone && !isfinite(l1))  // the same in every lane; a warp's pixels ascend
    sum.first_bad = first_not_finite(images.pred, i, images.c, lane);
  if (images.dpred.data == nullptr) return;

  // d |d[k+1] - d[k]| is + sign at k + 1 and - sign at k
  const double per_d = w.sam * angle.per_d + 2.0 * w.l2, per_p = w.sam * angle.per_p;
  T* out = images.dpred.data + i * images.dpred.pitch + lane;
  float chunk_before = 0;  // sign of the rise to this chunk's first band
#pragma unroll
  for (int j = 0; j < x.chunks(); ++j) {
    float step;
    if constexpr (Spectra::kKeepsSigns)
      step = x.kept_sign(j);
    else
      step = sign(rise(x, j, lane));
    const float inside = __shfl_up_sync(kAll, step, 1), before = lane > 0 ? inside : chunk_before;
    chunk_before = __shfl_sync(kAll, step, kWarp - 1);
    const float p = x.p(j), t = x.t(j);
    const float angular = static_cast<float>(per_d * (static_cast<double>(p) - t) + per_p * p);
    const float g = sign(p - t) * w.l1 + angular + (before - step) * w.gradient;
    if (lane + j * kWarp < images.dpred.pitch) out[j * kWarp] = from_float<T>(x.if_counts(j, g));
  }
}

}  // namespace bandlift::cuda
