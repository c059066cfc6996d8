#include "cuda/cuda_backend.h"
#include "cuda/pixels.h"
#include "ops/gather_patches/gather_patches.h"

namespace bandlift::cuda {
namespace {

constexpr int kRun = 4;  // 16 bytes of f32; 340 bands are a multiple of 4

struct Places {
  const double* data;
  int64_t pitch, patches;
  int column;
};

// Where patch i of the batch lies; false where the place or the turn is none, which is reported. The table lies on the
// device, so no host could look before.
__device__ __forceinline__ bool find(const Places& places, int64_t i, bool square, const Faults& faults, int64_t* patch,
                                     int* turn) {
  const double* row = places.data + i * places.pitch;
  const double p = row[places.column], t = row[2];
  const bool inside = p >= 0 && p < static_cast<double>(places.patches) && p == floor(p);
  if (!inside || !(t >= 0 && t < 8 && t == floor(t)) || (!square && static_cast<int>(t) % 2 == 1)) {
    report(faults, kStatusPlaceOutside);
    return false;
  }
  *patch = static_cast<int64_t>(p);
  *turn = static_cast<int>(t);
  return true;
}

// A patch of the batch for each z of the grid. Pixels of one patch are counted in 32 bits: the only division left.
template <typename T, int V>
__global__ void gather_kernel(View<float> source, Places places, View<T> y, int64_t n, unsigned h, unsigned w,
                              int64_t c, Faults faults) {
  const unsigned pixels = h * w;
  for (int64_t i = blockIdx.z; i < n; i += gridDim.z) {
    int64_t patch;
    int turn;
    if (!find(places, i, h == w, faults, &patch, &turn)) continue;
    for (int64_t k = first_channel<V>(); k < y.pitch; k += channel_step<V>())
      for (int64_t p = first_pixel(); p < pixels; p += pixel_step()) {
        const unsigned row = static_cast<unsigned>(p) / w;
        const TurnedPixel from = turned_from(turn, row, static_cast<unsigned>(p) - row * w, h, w);
        Lanes<V> v = {};
        if (k < c) v = load<V>(source, patch * pixels + from.row * w + from.column, k);
        store(y, i * pixels + p, k, c, v);
      }
  }
}

}  // namespace

void CudaBackend::gather_patches(GatherPatchesParams params, Tensor source, Tensor places, Tensor y) {
  const Places table = {places.f64(), places.pitch, source.n, params.column};
  BANDLIFT_CHECK(y.h * y.w < int64_t{1} << 31, shape, "gather_patches: patches of 2^31 pixels and more");
  by_type(y.dtype, "gather_patches", [&](auto type) {
    using T = typename decltype(type)::type;
    const bool wide = movable<float>(source, kRun) && movable<T>(y, kRun) && y.c % kRun == 0;
    const Tiles t = tiles(context_, y.pitch, wide ? kRun : 1, y.h * y.w, y.n);
    launch(context_, "gather_patches", wide ? gather_kernel<T, kRun> : gather_kernel<T, 1>, t.grid, t.block, 0,
           view<float>(source), table, view<T>(y), y.n, y.h, y.w, y.c, faults());
  });
}

}  // namespace bandlift::cuda
