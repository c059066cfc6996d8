#include "cuda/cuda_backend.h"
#include "cuda/pixels.h"
#include "ops/count_values/count_values.h"

namespace bandlift::cuda {
namespace {

// A thread owns a band and some pixels in a row; neighbouring threads read neighbouring bands. Counts are added by
// atomics in global memory: 2^16 of them are more than a block's shared memory holds, and those of a later pass are
// more by far. Neighbouring pixels often fall into the same bin (all of them in a dead band), and such a run becomes
// one atomic: threads that want the same bin wait for each other. Sums of whole numbers are exact, so the order of the
// atomics changes nothing.
struct Pass {
  const double* prefixes;  // [populations, slots]
  double* counts;          // [populations, slots, 2^bits]
  int64_t populations, slots;
  int settled, bits;
  int64_t pixels, pixels_of_thread, c;
};

// Where a value is counted, of a population with these prefixes and counts; null: nowhere.
__device__ __forceinline__ double* place_of(float value, const Pass& o, const double* prefixes, double* counts) {
  const uint32_t u = __float_as_uint(value);
  const uint32_t next = (u >> 31 ? ~u : u | 0x80000000u) >> (32 - o.settled - o.bits);
  const double prefix = next >> o.bits;
  int64_t s = 0;
  while (s < o.slots && prefixes[s] != prefix) ++s;
  return s < o.slots ? counts + (s << o.bits) + (next & ((1u << o.bits) - 1)) : nullptr;
}

__global__ void __launch_bounds__(256)
    count_kernel(View<float> values, View<float> pixel_mask, const float* band_mask, Pass o) {
  const int64_t from = first_pixel() * o.pixels_of_thread, end = from + o.pixels_of_thread;
  for (int64_t k = first_channel<1>(); k < o.c; k += channel_step<1>()) {
    const bool good = band_mask == nullptr || band_mask[k] > 0;
    const int64_t to = !good ? from : end < o.pixels ? end : o.pixels;
    const int64_t first = o.populations == 1 ? 0 : k * o.slots;
    double* place = nullptr;
    int64_t run = 0;                        // pixels in a row that are counted there
    for (int64_t p = from; p <= to; ++p) {  // behind the last pixel the last run is added
      double* next = nullptr;
      if (p < to && (pixel_mask.data == nullptr || pixel_mask.get(p, 0) > 0))
        next = place_of(values.get(p, k), o, o.prefixes + first, o.counts + (first << o.bits));
      if (next != place) {
        if (place != nullptr) atomicAdd(place, static_cast<double>(run));
        place = next;
        run = 0;
      }
      ++run;
    }
  }
}

}  // namespace

size_t CudaBackend::count_values_workspace(Tensor, Tensor) const {
  return 0;
}

void CudaBackend::count_values(CountParams p, Tensor values, Tensor pixel_mask, Tensor band_mask, Tensor prefixes,
                               Tensor counts, Tensor) {
  const int64_t pixels = values.pixels();
  const Tiles t = tiles(context_, values.c, 1, pixels);
  const int64_t pixels_of_thread = divide_up(pixels, static_cast<int64_t>(t.grid.x) * t.block.y);
  const Pass pass = {prefixes.f64(), counts.f64(), prefixes.w,       prefixes.c, p.settled,
                     p.bits,         pixels,       pixels_of_thread, values.c};
  launch(context_, "count_values", count_kernel, t.grid, t.block, 0, view<float>(values), view<float>(pixel_mask),
         band_mask.f32(), pass);
}

}  // namespace bandlift::cuda
