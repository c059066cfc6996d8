#include <cstring>

#include "cpu/cpu_backend.h"
#include "cpu/pixels.h"
#include "ops/gather_patches/gather_patches.h"

namespace bandlift::BANDLIFT_ISA {

void CpuBackend::gather_patches(GatherPatchesParams params, Tensor source, Tensor places, Tensor y) {
  check_patch_places(places, params.column, source.n, y.h == y.w);
  for_pixels(pool_, y.pixels(), y.c, [&](int64_t first, int64_t last, int64_t) {
    for (int64_t p = first; p < last; ++p) {
      const double* place = places.f64() + p / (y.h * y.w) * places.pitch;
      const TurnedPixel from = turned_from(static_cast<int>(place[2]), p / y.w % y.h, p % y.w, y.h, y.w);
      const int64_t pixel = (static_cast<int64_t>(place[params.column]) * y.h + from.row) * y.w + from.column;
      std::memcpy(y.f32() + p * y.pitch, source.f32() + pixel * source.pitch, static_cast<size_t>(y.c) * sizeof(float));
    }
  });
}

}  // namespace bandlift::BANDLIFT_ISA
