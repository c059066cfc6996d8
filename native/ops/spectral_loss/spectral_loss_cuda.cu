#include "cuda/cuda_backend.h"
#include "cuda/kernel.h"
#include "ops/spectral_loss/spectral_loss.h"

namespace bandlift::cuda {
namespace {

constexpr int kThreads = 256, kWarps = kThreads / kWarp;
// The partition of the pixels depends on their number alone, so that sums are the same on every GPU.
constexpr int64_t kPixelsPerBlock = 64, kMostBlocks = 2048;
constexpr double kEpsilon = 1e-8, kPi = 3.14159265358979323846;
constexpr double kNoLength = 1e-36;  // |p|^2 below: no direction (see the CPU twin)
constexpr double kSineNoise = 1e-6;  // what float32 leaves of the sine between parallel spectra

// Written by the first kernel, read by the others.
struct Shares {
  double per_band, per_pair, per_pixel;  // 1 / (N B), 1 / (N P), 1 / N; 0 where there is none
  float l1, l2, sam, gradient;           // weights of the gradient: weight * share * scale
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

// ---- before: how many good bands and pairs there are, and what a pixel's sums are divided by ----

__global__ void __launch_bounds__(kThreads) shares_kernel(SpectralLossParams weights, const float* good, int64_t c,
                                                          const double* valid, bool scaled, Shares* shares) {
  __shared__ int scratch[kWarps];
  int bands = 0, pairs = 0;
  for (int64_t k = threadIdx.x; k < c; k += kThreads) {
    const bool here = good == nullptr || good[k] > 0, next = k + 1 < c && (good == nullptr || good[k + 1] > 0);
    bands += here;
    pairs += here && next;
  }
  bands = block_sum(bands, scratch);
  pairs = block_sum(pairs, scratch);
  if (threadIdx.x != 0) return;
  const double n = valid[0], scale = scaled ? valid[1] : 1;
  Shares s;
  s.per_band = n > 0 && bands > 0 ? 1 / (n * bands) : 0;
  s.per_pair = n > 0 && pairs > 0 ? 1 / (n * pairs) : 0;
  s.per_pixel = n > 0 ? 1 / n : 0;
  s.l1 = static_cast<float>(scale * weights.l1 * s.per_band);
  s.l2 = static_cast<float>(scale * weights.l2 * s.per_band);
  s.sam = static_cast<float>(scale * weights.sam * s.per_pixel);
  s.gradient = static_cast<float>(scale * weights.gradient * s.per_pair);
  *shares = s;
}

// ---- one pixel, one warp: lane l holds bands l, l + 32, l + 64, ... in registers; bad bands hold 0 ----

template <int N>
struct Pixel {
  float p[N], t[N];
  __device__ __forceinline__ float d(int j) const { return p[j] - t[j]; }
  // d of the next band: of the next lane, for the last lane of the next register's first.
  __device__ __forceinline__ float next_d(int j, int lane) const {
    const float inside = __shfl_down_sync(0xffffffffu, d(j), 1);
    const float beyond = __shfl_sync(0xffffffffu, j + 1 < N ? d(j + 1 < N ? j + 1 : j) : 0.0f, 0);
    return lane + 1 < kWarp ? inside : beyond;
  }
};

__device__ __forceinline__ float sign(float x) {
  return x > 0 ? 1.0f : x < 0 ? -1.0f : 0.0f;
}

// Angle between two spectra of given sums, and its derivative: formulas and corner cases in spectral_loss.h.
template <int N>
__device__ Angle spectral_angle(const Pixel<N>& x, double pp, double tt, double pt) {
  if (!(pp > kNoLength) || !(tt > kNoLength)) return {kPi / 2, 0, 0};
  const double norm_p = sqrt(pp), norm_t = sqrt(tt), n = norm_p * norm_t;
  const double inverse_p = 1 / norm_p, inverse_t = 1 / norm_t;
  const bool obtuse = pt < 0;
  double sum = 0;
#pragma unroll
  for (int j = 0; j < N; ++j) {
    const double u = x.p[j] * inverse_p, v = x.t[j] * inverse_t, difference = obtuse ? u + v : u - v;
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

// Sums of this pixel into `sum` and, where dpred is wanted, its gradient. All lanes of the warp come here.
template <typename T, int N>
__device__ void one_pixel(View<T> pred, View<float> target, const float* good, View<T> dpred, const Shares& w,
                          int64_t i, int64_t c, Partial& sum) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  Pixel<N> x;
  float l1 = 0, l2 = 0, rise = 0;
  double pp = 0, tt = 0, pt = 0;  // small angles live on the difference of the norms
#pragma unroll
  for (int j = 0; j < N; ++j) {
    const int64_t k = lane + j * kWarp;
    const bool counts = k < c && (good == nullptr || good[k] > 0);
    x.p[j] = counts ? pred.get(i, k) : 0;
    x.t[j] = counts ? target.get(i, k) : 0;
    l1 += fabsf(x.d(j));
    l2 += x.d(j) * x.d(j);
    pp += static_cast<double>(x.p[j]) * x.p[j];
    tt += static_cast<double>(x.t[j]) * x.t[j];
    pt += static_cast<double>(x.p[j]) * x.t[j];
  }
  // rises of the difference between neighbouring good bands, two bits of each: up, down
  uint64_t up = 0, down = 0;
#pragma unroll
  for (int j = 0; j < N; ++j) {
    const int64_t k = lane + j * kWarp;
    const float next = x.next_d(j, lane);
    const bool pair = k + 1 < c && (good == nullptr || (good[k] > 0 && good[k + 1] > 0));
    const float step = pair ? next - x.d(j) : 0;
    rise += fabsf(step);
    up |= static_cast<uint64_t>(step > 0) << j;
    down |= static_cast<uint64_t>(step < 0) << j;
  }
  l1 = warp_sum(l1), l2 = warp_sum(l2), rise = warp_sum(rise);
  pp = warp_sum(pp), tt = warp_sum(tt), pt = warp_sum(pt);
  const Angle angle = spectral_angle(x, pp, tt, pt);
  sum.l1 += l1, sum.l2 += l2, sum.gradient += rise, sum.sam += angle.value;
  if (!isfinite(l1)) {  // the same in every lane
    int64_t first = kNone;
#pragma unroll
    for (int j = N - 1; j >= 0; --j)
      if (!isfinite(x.p[j])) first = i * c + lane + j * kWarp;
    for (int step = kWarp / 2; step > 0; step /= 2) {
      const int64_t other = __shfl_xor_sync(0xffffffffu, first, step);
      if (other < first) first = other;
    }
    if (first < sum.first_bad) sum.first_bad = first;
  }
  if (dpred.data == nullptr) return;

  // d |d[k+1] - d[k]| is + sign at k + 1 and - sign at k
  const double per_d = w.sam * angle.per_d + 2.0 * w.l2, per_p = w.sam * angle.per_p;
  float before_chunk = 0;  // sign of the rise from the band before this register's first lane
#pragma unroll
  for (int j = 0; j < N; ++j) {
    const int64_t k = lane + j * kWarp;
    const float step = static_cast<float>(static_cast<int>(up >> j & 1) - static_cast<int>(down >> j & 1));
    const float inside = __shfl_up_sync(0xffffffffu, step, 1);
    const float before = lane > 0 ? inside : before_chunk;
    before_chunk = __shfl_sync(0xffffffffu, step, kWarp - 1);
    const bool counts = k < c && (good == nullptr || good[k] > 0);
    const double both = per_d * (static_cast<double>(x.p[j]) - x.t[j]) + per_p * x.p[j];
    const float g = sign(x.d(j)) * w.l1 + static_cast<float>(both) + (before - step) * w.gradient;
    if (k < dpred.pitch) dpred.put(i, k, counts ? g : 0);
  }
}

template <typename T, int N>
__global__ void __launch_bounds__(kThreads)
    loss_kernel(View<T> pred, View<float> target, View<float> pixel_mask, const float* good, View<T> dpred,
                const Shares* shares, Partial* partials, int64_t pixels, int64_t c) {
  __shared__ Partial of_warp[kWarps];
  const int warp = static_cast<int>(threadIdx.x) / kWarp, lane = static_cast<int>(threadIdx.x) % kWarp;
  const Shares w = *shares;
  Partial sum = {0, 0, 0, 0, kNone};
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kWarps + warp; i < pixels;
       i += static_cast<int64_t>(gridDim.x) * kWarps) {
    if (pixel_mask.data == nullptr || pixel_mask.get(i, 0) > 0) {
      one_pixel<T, N>(pred, target, good, dpred, w, i, c, sum);
    } else if (dpred.data != nullptr) {
      for (int64_t k = lane; k < dpred.pitch; k += kWarp) dpred.put(i, k, 0);
    }
  }
  if (lane == 0) of_warp[warp] = sum;
  __syncthreads();
  if (threadIdx.x != 0) return;
  for (int other = 1; other < kWarps; ++other) {
    const Partial& s = of_warp[other];
    sum.l1 += s.l1, sum.l2 += s.l2, sum.sam += s.sam, sum.gradient += s.gradient;
    if (s.first_bad < sum.first_bad) sum.first_bad = s.first_bad;
  }
  partials[blockIdx.x] = sum;
}

// ---- after: the blocks' sums in order ----

__global__ void __launch_bounds__(kThreads) terms_kernel(SpectralLossParams weights, const Partial* partials,
                                                         int64_t blocks, const Shares* shares, double* terms) {
  __shared__ double scratch[kWarps];
  __shared__ int64_t first[kThreads];
  Partial sum = {0, 0, 0, 0, kNone};
  for (int64_t b = threadIdx.x; b < blocks; b += kThreads) {
    const Partial& s = partials[b];
    sum.l1 += s.l1, sum.l2 += s.l2, sum.sam += s.sam, sum.gradient += s.gradient;
    if (s.first_bad < sum.first_bad) sum.first_bad = s.first_bad;
  }
  first[threadIdx.x] = sum.first_bad;
  const double l1 = block_sum(sum.l1, scratch) * shares->per_band, l2 = block_sum(sum.l2, scratch) * shares->per_band;
  const double sam = block_sum(sum.sam, scratch) * shares->per_pixel;
  const double gradient = block_sum(sum.gradient, scratch) * shares->per_pair;
  if (threadIdx.x != 0) return;
  int64_t bad = kNone;
  for (int i = 0; i < kThreads; ++i) bad = first[i] < bad ? first[i] : bad;
  terms[kLossL1] = l1;
  terms[kLossL2] = l2;
  terms[kLossSam] = sam;
  terms[kLossGradient] = gradient;
  terms[kLossTotal] = weights.l1 * l1 + weights.l2 * l2 + weights.sam * sam + weights.gradient * gradient;
  terms[kLossFirstBad] = bad == kNone ? -1.0 : static_cast<double>(bad);
}

int64_t blocks_of(int64_t pixels) {
  const int64_t blocks = divide_up(pixels, kPixelsPerBlock);
  return blocks < kMostBlocks ? blocks : kMostBlocks;
}

}  // namespace

size_t CudaBackend::spectral_loss_workspace(Tensor pred) const {
  return sizeof(Shares) + static_cast<size_t>(blocks_of(pred.pixels())) * sizeof(Partial);
}

void CudaBackend::spectral_loss(SpectralLossParams p, Tensor pred, Tensor target, Tensor pixel_mask, Tensor band_mask,
                                Tensor valid_pixels, Tensor terms, Tensor dpred, Tensor workspace) {
  constexpr int64_t kMostBands = 32 * kWarp;
  BANDLIFT_CHECK(pred.pitch <= kMostBands, shape,
                 "spectral_loss: " + std::to_string(pred.c) + " bands, on CUDA at most " + std::to_string(kMostBands));
  const int64_t blocks = blocks_of(pred.pixels());
  auto* shares = static_cast<Shares*>(workspace.data);
  auto* partials = reinterpret_cast<Partial*>(shares + 1);
  launch(context_, "spectral_loss, shares", shares_kernel, dim3(1), dim3(kThreads), 0, p, band_mask.f32(), pred.c,
         valid_pixels.f64(), valid_pixels.c > 1, shares);
  by_type(pred.dtype, "spectral_loss", [&](auto type) {
    using T = typename decltype(type)::type;
    // registers for 64, 384 (AVIRIS-NG's 340) or 1024 bands
    const auto kernel = pred.pitch <= 2 * kWarp    ? loss_kernel<T, 2>
                        : pred.pitch <= 12 * kWarp ? loss_kernel<T, 12>
                                                   : loss_kernel<T, 32>;
    launch(context_, "spectral_loss", kernel, dim3(static_cast<unsigned>(blocks)), dim3(kThreads), 0, view<T>(pred),
           view<float>(target), view<float>(pixel_mask), band_mask.f32(), view<T>(dpred), shares, partials,
           pred.pixels(), pred.c);
  });
  launch(context_, "spectral_loss, terms", terms_kernel, dim3(1), dim3(kThreads), 0, p, partials, blocks, shares,
         terms.f64());
}

}  // namespace bandlift::cuda
