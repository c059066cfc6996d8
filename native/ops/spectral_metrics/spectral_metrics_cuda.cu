#include "cuda/cuda_backend.h"
#include "cuda/kernel.h"
#include "ops/spectral_metrics/spectral_metrics.h"

namespace bandlift::cuda {
namespace {

constexpr int kThreads = 256, kWarps = kThreads / kWarp;
// The partition depends on the number of pixels alone, so that sums are the same on every GPU.
constexpr int64_t kPixelsPerPart = 256, kMostParts = 512;
constexpr int64_t kPerPixel = 4, kPerBand = 5;

int64_t parts_of(int64_t pixels) {
  const int64_t parts = divide_up(pixels, kPixelsPerPart);
  return parts < kMostParts ? parts : kMostParts;
}

struct Operands {
  View<float> target, pixel_mask;
  const float *scale, *offset;
  int64_t pixels, c, parts;
  __device__ __forceinline__ bool counts(int64_t i) const {
    return pixel_mask.data == nullptr || pixel_mask.get(i, 0) > 0;
  }
  template <typename T>
  __device__ __forceinline__ double prediction(View<T> pred, int64_t i, int64_t k) const {
    return static_cast<double>(pred.get(i, k)) * scale[k] + offset[k];
  }
};

// ---- of each pixel, a warp for it: angle, pixels with one, pixels of zero norm, valid pixels ----

template <typename T>
__global__ void __launch_bounds__(kThreads) angles_kernel(View<T> pred, Operands o, double* partials) {
  __shared__ double of_warp[kWarps][kPerPixel];
  const int warp = static_cast<int>(threadIdx.x) / kWarp, lane = static_cast<int>(threadIdx.x) % kWarp;
  double sums[kPerPixel] = {};
  const int64_t last = o.pixels * (blockIdx.x + 1) / o.parts;
  for (int64_t i = o.pixels * blockIdx.x / o.parts + warp; i < last; i += kWarps) {
    if (!o.counts(i)) continue;  // the whole warp alike
    double pp = 0, tt = 0, pt = 0;
    for (int64_t k = lane; k < o.c; k += kWarp) {
      const double p = o.prediction(pred, i, k), t = o.target.get(i, k);
      pp += p * p;
      tt += t * t;
      pt += p * t;
    }
    pp = warp_sum(pp), tt = warp_sum(tt), pt = warp_sum(pt);
    sums[3] += 1;
    if (pp > 0 && tt > 0) {
      const double cosine = pt / sqrt(pp * tt);
      sums[0] += acos(cosine > 1 ? 1 : cosine < -1 ? -1 : cosine);
      sums[1] += 1;
    } else {
      sums[2] += 1;
    }
  }
  if (lane < kPerPixel) of_warp[warp][lane] = lane == 0 ? sums[0] : lane == 1 ? sums[1] : lane == 2 ? sums[2] : sums[3];
  __syncthreads();
  if (threadIdx.x >= kPerPixel) return;
  double total = 0;
  for (int w = 0; w < kWarps; ++w) total += of_warp[w][threadIdx.x];
  partials[blockIdx.x * (kPerPixel + kPerBand * o.c) + threadIdx.x] = total;
}

// ---- of each band, a thread for it: (p-t)^2, |p-t|, t, t^2, largest t ----

template <typename T>
__global__ void __launch_bounds__(kThreads) bands_kernel(View<T> pred, Operands o, double* partials) {
  const int64_t k = static_cast<int64_t>(blockIdx.y) * kThreads + threadIdx.x;
  if (k >= o.c) return;
  double squared = 0, absolute = 0, total = 0, squares = 0, largest = -INFINITY;
  const int64_t last = o.pixels * (blockIdx.x + 1) / o.parts;
  for (int64_t i = o.pixels * blockIdx.x / o.parts; i < last; ++i) {
    if (!o.counts(i)) continue;
    const double t = o.target.get(i, k), d = o.prediction(pred, i, k) - t;
    squared += d * d;
    absolute += d < 0 ? -d : d;
    total += t;
    squares += t * t;
    largest = t > largest ? t : largest;
  }
  double* part = partials + blockIdx.x * (kPerPixel + kPerBand * o.c) + kPerPixel;
  part[k] = squared;
  part[o.c + k] = absolute;
  part[2 * o.c + k] = total;
  part[3 * o.c + k] = squares;
  part[4 * o.c + k] = largest;
}

// ---- the parts in order; sums f64 [6 + 5 c] with two zeros before the bands ----

__global__ void __launch_bounds__(kThreads)
    add_parts_kernel(const double* partials, int64_t parts, int64_t c, double* sums) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x, stride = kPerPixel + kPerBand * c;
  if (i < 2) sums[kPerPixel + i] = 0;
  if (i >= stride) return;
  const bool is_largest = i >= kPerPixel + 4 * c;
  double total = is_largest ? -INFINITY : 0;
  for (int64_t part = 0; part < parts; ++part) {
    const double v = partials[part * stride + i];
    total = !is_largest ? total + v : v > total ? v : total;
  }
  sums[i < kPerPixel ? i : i + 2] = total;
}

}  // namespace

size_t CudaBackend::spectral_metrics_workspace(Tensor pred) const {
  return static_cast<size_t>(parts_of(pred.pixels()) * (kPerPixel + kPerBand * pred.c)) * sizeof(double);
}

void CudaBackend::spectral_metrics(Tensor pred, Tensor target, Tensor pixel_mask, Tensor scale, Tensor offset,
                                   Tensor sums, Tensor workspace) {
  const int64_t c = pred.c, parts = parts_of(pred.pixels());
  const Operands o = {view<float>(target), view<float>(pixel_mask), scale.f32(), offset.f32(), pred.pixels(), c, parts};
  auto* partials = static_cast<double*>(workspace.data);
  const auto u = [](int64_t v) { return static_cast<unsigned>(v); };
  by_type(pred.dtype, "spectral_metrics", [&](auto type) {
    using T = typename decltype(type)::type;
    launch(context_, "spectral_metrics, angles", angles_kernel<T>, dim3(u(parts)), dim3(kThreads), 0, view<T>(pred), o,
           partials);
    launch(context_, "spectral_metrics, bands", bands_kernel<T>, dim3(u(parts), u(divide_up(c, kThreads))),
           dim3(kThreads), 0, view<T>(pred), o, partials);
  });
  launch(context_, "spectral_metrics, sums", add_parts_kernel, dim3(u(divide_up(kPerPixel + kPerBand * c, kThreads))),
         dim3(kThreads), 0, partials, parts, c, sums.f64());
}

}  // namespace bandlift::cuda
