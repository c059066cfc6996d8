#include "cuda/cuda_backend.h"
#include "cuda/kernel.h"
#include "ops/spectral_loss/spectral_loss.h"
#include "ops/spectral_loss/spectral_loss_pixel_cuda.h"

namespace bandlift::cuda {
namespace {

constexpr int kThreads = 256, kWarps = kThreads / kWarp;
// The partition of the pixels depends on their number alone, so that sums are the same on every GPU.
constexpr int64_t kPixelsPerBlock = 64, kMostBlocks = 2048;

// Written by the first kernel, read by the others.
struct Shares {
  double per_band, per_pair, per_pixel;  // 1 / (N B), 1 / (N P), 1 / N; 0 where there is none
  GradientWeights weights;
};

// ---- before: how many good bands and pairs there are, and what a pixel's sums are divided by ----

// A block for each band mask.
__global__ void __launch_bounds__(kThreads) shares_kernel(SpectralLossParams weights, const float* masks, int64_t pitch,
                                                          int64_t c, const double* valid, bool scaled, Shares* shares) {
  const float* good = masks == nullptr ? nullptr : masks + static_cast<int64_t>(blockIdx.x) * pitch;
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
  s.weights.l1 = static_cast<float>(scale * weights.l1 * s.per_band);
  s.weights.l2 = static_cast<float>(scale * weights.l2 * s.per_band);
  s.weights.sam = static_cast<float>(scale * weights.sam * s.per_pixel);
  s.weights.gradient = static_cast<float>(scale * weights.gradient * s.per_pair);
  shares[blockIdx.x] = s;
}

// ---- a warp for each pixel ----

// A band mask for each image; image_pixels 0: one for all.
struct Masks {
  int64_t pitch, image_pixels;
};

template <typename Spectra, typename T>
__global__ void __launch_bounds__(kThreads) loss_kernel(Images<T> images, View<float> pixel_mask, Masks masks,
                                                        const Shares* shares, Partial* partials, int64_t pixels) {
  __shared__ Partial of_warp[kWarps];
  const int warp = static_cast<int>(threadIdx.x) / kWarp, lane = static_cast<int>(threadIdx.x) % kWarp;
  Partial sum = {0, 0, 0, 0, kNone};
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kWarps + warp; i < pixels;
       i += static_cast<int64_t>(gridDim.x) * kWarps) {
    if (pixel_mask.data == nullptr || pixel_mask.get(i, 0) > 0) {
      if (masks.image_pixels == 0) {
        one_pixel<Spectra>(images, shares->weights, 1, 1, i, lane, sum);
      } else {
        const int64_t image = i / masks.image_pixels;
        const Shares& share = shares[image];
        Images<T> own = images;
        own.good = images.good + image * masks.pitch;
        one_pixel<Spectra>(own, share.weights, share.per_band, share.per_pair, i, lane, sum);
      }
    } else if (images.dpred.data != nullptr) {
      for (int64_t k = lane; k < images.dpred.pitch; k += kWarp) images.dpred.put(i, k, 0);
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

__global__ void __launch_bounds__(kThreads)
    terms_kernel(SpectralLossParams weights, const Partial* partials, int64_t blocks, bool divided,
                 const Shares* shares, double* terms) {
  __shared__ double scratch[kWarps];
  __shared__ int64_t first[kThreads];
  Partial sum = {0, 0, 0, 0, kNone};
  for (int64_t b = threadIdx.x; b < blocks; b += kThreads) {
    const Partial& s = partials[b];
    sum.l1 += s.l1, sum.l2 += s.l2, sum.sam += s.sam, sum.gradient += s.gradient;
    if (s.first_bad < sum.first_bad) sum.first_bad = s.first_bad;
  }
  first[threadIdx.x] = sum.first_bad;
  const double per_band = divided ? 1 : shares->per_band, per_pair = divided ? 1 : shares->per_pair;
  const double l1 = block_sum(sum.l1, scratch) * per_band, l2 = block_sum(sum.l2, scratch) * per_band;
  const double sam = block_sum(sum.sam, scratch) * shares->per_pixel;
  const double gradient = block_sum(sum.gradient, scratch) * per_pair;
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
  return static_cast<size_t>(pred.n) * sizeof(Shares) + static_cast<size_t>(blocks_of(pred.pixels())) * sizeof(Partial);
}

void CudaBackend::spectral_loss(SpectralLossParams p, Tensor pred, Tensor target, Tensor pixel_mask, Tensor band_mask,
                                Tensor valid_pixels, Tensor terms, Tensor dpred, Tensor workspace) {
  const int64_t blocks = blocks_of(pred.pixels()), pitch = pred.pitch > dpred.pitch ? pred.pitch : dpred.pitch;
  auto* shares = static_cast<Shares*>(workspace.data);
  auto* partials = reinterpret_cast<Partial*>(shares + pred.n);
  const bool of_image = band_mask && band_mask.n > 1;
  const Masks masks = {band_mask.pitch, of_image ? pred.h * pred.w : 0};
  launch(context_, "spectral_loss, shares", shares_kernel, dim3(static_cast<unsigned>(of_image ? pred.n : 1)),
         dim3(kThreads), 0, p, band_mask.f32(), band_mask.pitch, pred.c, valid_pixels.f64(), valid_pixels.c > 1,
         shares);
  by_type(pred.dtype, "spectral_loss", [&](auto type) {
    using T = typename decltype(type)::type;
    const Images<T> images = {view<T>(pred),  view<float>(target),      band_mask.f32(),
                              view<T>(dpred), static_cast<int>(pred.c), static_cast<int>(pitch)};
    // in registers up to 64 or 384 bands (340 are predicted of AVIRIS-NG); for more, too few warps would fit beside
    const auto kernel = pitch <= 2 * kWarp    ? loss_kernel<Held<T, 2>, T>
                        : pitch <= 12 * kWarp ? loss_kernel<Held<T, 12>, T>
                                              : loss_kernel<Reread<T>, T>;
    launch(context_, "spectral_loss", kernel, dim3(static_cast<unsigned>(blocks)), dim3(kThreads), 0, images,
           view<float>(pixel_mask), masks, shares, partials, pred.pixels());
  });
  launch(context_, "spectral_loss, terms", terms_kernel, dim3(1), dim3(kThreads), 0, p, partials, blocks, of_image,
         shares, terms.f64());
}

}  // namespace bandlift::cuda
