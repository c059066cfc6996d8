#include <cmath>

#include "cpu/cpu_backend.h"
#include "cpu/simd.h"
#include "ops/spectral_metrics/spectral_metrics.h"

namespace bandlift::BANDLIFT_ISA {

// A fixed number of parts, each with its own sums; added in order at the end.
static constexpr int64_t kParts = 16;
static int64_t sums_per_part(int64_t c) {
  return 4 + 5 * c;
}

size_t CpuBackend::spectral_metrics_workspace(Tensor pred) const {
  return static_cast<size_t>(kParts * sums_per_part(pred.c)) * sizeof(double);
}

void CpuBackend::spectral_metrics(Tensor pred, Tensor target, Tensor pixel_mask, Tensor scale, Tensor offset,
                                  Tensor sums, Tensor workspace) {
  const int64_t c = pred.c, pixels = pred.pixels(), stride = sums_per_part(c);
  const float *a = scale.f32(), *b = offset.f32();
  double* parts = static_cast<double*>(workspace.data);
  pool_.parallel_for(kParts, [&](int64_t part, int) {
    double* s = parts + part * stride;
    double *squared = s + 4, *absolute = squared + c, *total = absolute + c, *squares = total + c,
           *largest = squares + c;
    for (int64_t k = 0; k < stride; ++k) s[k] = 0;
    for (int64_t k = 0; k < c; ++k) largest[k] = -INFINITY;
    for (int64_t i = pixels * part / kParts; i < pixels * (part + 1) / kParts; ++i) {
      if (pixel_mask && !(pixel_mask.f32()[i * pixel_mask.pitch] > 0)) continue;
      const float* p = pred.f32() + i * pred.pitch;
      const float* t = target.f32() + i * target.pitch;
      double pp = 0, tt = 0, pt = 0;
      for (int64_t k = 0; k < c; ++k) {
        const double pv = static_cast<double>(p[k]) * a[k] + b[k], tv = t[k], d = pv - tv;
        pp += pv * pv;
        tt += tv * tv;
        pt += pv * tv;
        squared[k] += d * d;
        absolute[k] += d < 0 ? -d : d;
        total[k] += tv;
        squares[k] += tv * tv;
        largest[k] = tv > largest[k] ? tv : largest[k];
      }
      s[3] += 1;
      if (pp > 0 && tt > 0) {
        const double cosine = pt / sqrt(pp * tt);
        s[0] += acos(cosine > 1 ? 1 : cosine < -1 ? -1 : cosine);
        s[1] += 1;
      } else {
        s[2] += 1;
      }
    }
  });
  double* out = sums.f64();
  for (int64_t k = 0; k < 6 + 5 * c; ++k) out[k] = k >= 6 + 4 * c ? -INFINITY : 0;
  for (int64_t part = 0; part < kParts; ++part) {
    const double* s = parts + part * stride;
    for (int64_t k = 0; k < 4; ++k) out[k] += s[k];
    for (int64_t k = 0; k < 4 * c; ++k) out[6 + k] += s[4 + k];
    for (int64_t k = 4 * c; k < 5 * c; ++k) out[6 + k] = s[4 + k] > out[6 + k] ? s[4 + k] : out[6 + k];
  }
}

}  // namespace bandlift::BANDLIFT_ISA
