#include "cpu/cpu_backend.h"
#include "cpu/simd.h"
#include "ops/normal_equations/normal_equations.h"

namespace bandlift::BANDLIFT_ISA {

// A fixed number of parts with their own sums, added in order at the end.
static constexpr int64_t kParts = 8;

static int64_t sums_per_part(int64_t f, int64_t c) {
  return (f + 1) * (f + 1 + c);
}

size_t CpuBackend::normal_equations_workspace(Tensor features, Tensor y) const {
  return static_cast<size_t>(kParts * sums_per_part(features.c, y.c)) * sizeof(double);
}

void CpuBackend::normal_equations(Tensor features, Tensor y, Tensor pixel_mask, Tensor gram, Tensor cross,
                                  Tensor workspace) {
  const int64_t f = features.c, c = y.c, pixels = y.pixels(), size = f + 1;
  double* parts = static_cast<double*>(workspace.data);
  pool_.parallel_for(kParts, [&](int64_t part, int) {
    double* part_gram = parts + part * sums_per_part(f, c);
    double* part_cross = part_gram + size * size;
    for (int64_t k = 0; k < sums_per_part(f, c); ++k) part_gram[k] = 0;
    for (int64_t i = pixels * part / kParts; i < pixels * (part + 1) / kParts; ++i) {
      if (pixel_mask && !(pixel_mask.f32()[i * pixel_mask.pitch] > 0)) continue;
      const float* a = features.f32() + i * features.pitch;
      const float* t = y.f32() + i * y.pitch;
      for (int64_t r = 0; r < size; ++r) {
        const double value = r < f ? a[r] : 1.0;
        double* gram_row = part_gram + r * size;
        double* cross_row = part_cross + r * c;
        for (int64_t k = 0; k < f; ++k) gram_row[k] += value * a[k];
        gram_row[f] += value;
        for (int64_t k = 0; k < c; ++k) cross_row[k] += value * t[k];
      }
    }
  });
  for (int64_t part = 0; part < kParts; ++part) {
    const double* s = parts + part * sums_per_part(f, c);
    for (int64_t k = 0; k < size * size; ++k) gram.f64()[k] += s[k];
    for (int64_t k = 0; k < size * c; ++k) cross.f64()[k] += s[size * size + k];
  }
}

}  // namespace bandlift::BANDLIFT_ISA
