#include "cpu/cpu_backend.h"
#include "cpu/pixels.h"
#include "ops/bounds/bounds.h"
#include "ops/resample/resample.h"

namespace bandlift::BANDLIFT_ISA {

namespace {

constexpr float kRounding = 1.0f / (1 << 20);

// A fine image over a coarse one: which coarse pixel bounds which fine one.
struct Cells {
  Cells(const Tensor& fine, const Tensor& coarse, const Tensor& rows, const Tensor& columns)
      : fine(fine), coarse(coarse), rows(rows), columns(columns) {
    check_resample_table(rows, coarse.h, "rows");
    check_resample_table(columns, coarse.w, "columns");
  }
  int64_t of(int64_t pixel) const {
    const int64_t n = pixel / (fine.h * fine.w), y = pixel / fine.w % fine.h, x = pixel % fine.w;
    const auto at = [](const Tensor& table, int64_t k) { return static_cast<int64_t>(table.f32()[k * table.pitch]); };
    return (n * coarse.h + at(rows, y)) * coarse.w + at(columns, x);
  }
  Tensor fine, coarse, rows, columns;
};

}  // namespace

void CpuBackend::neighbourhood_bounds(BoundsParams p, Tensor x, Tensor floor, Tensor low, Tensor high) {
  for_pixels(pool_, x.pixels(), x.c, [&](int64_t first, int64_t last, int64_t) {
    for (int64_t pixel = first; pixel < last; ++pixel) {
      const int64_t row = pixel / x.w % x.h, column = pixel % x.w, image = pixel / (x.h * x.w) * x.h;
      float* least_of = low.f32() + pixel * low.pitch;
      float* most_of = high.f32() + pixel * high.pitch;
      const float* own = x.f32() + pixel * x.pitch;
      for (int64_t k = 0; k < x.c; ++k) least_of[k] = most_of[k] = own[k];
      for (int64_t y = most(0, row - p.radius); y <= least(x.h - 1, row + p.radius); ++y)
        for (int64_t u = most(0, column - p.radius); u <= least(x.w - 1, column + p.radius); ++u) {
          const float* other = x.f32() + ((image + y) * x.w + u) * x.pitch;
          for (int64_t k = 0; k < x.c; ++k) {
            least_of[k] = other[k] < least_of[k] ? other[k] : least_of[k];
            most_of[k] = other[k] > most_of[k] ? other[k] : most_of[k];
          }
        }
      for (int64_t k = 0; k < x.c; ++k) {
        const float lowest = least_of[k], spread = p.margin * (most_of[k] - lowest), zero = floor.f32()[k];
        const float near = lowest + kRounding * (zero < 0 ? -zero : zero), floored = near < zero ? near : zero;
        least_of[k] = lowest - spread > floored ? lowest - spread : floored;
        most_of[k] += spread;
      }
    }
  });
}

// ---- forward ----

void CpuBackend::clamp_forward(Tensor x, Tensor low, Tensor high, Tensor rows, Tensor columns, Tensor y) {
  const Cells cells(y, low, rows, columns);
  for_pixels(pool_, y.pixels(), y.c, [&](int64_t first, int64_t last, int64_t) {
    for (int64_t pixel = first; pixel < last; ++pixel) {
      const int64_t cell = cells.of(pixel);
      const float *in = x.f32() + pixel * x.pitch, *l = low.f32() + cell * low.pitch,
                  *h = high.f32() + cell * high.pitch;
      float* out = y.f32() + pixel * y.pitch;
      // lets NaN through
      for (int64_t k = 0; k < y.c; ++k) out[k] = in[k] < l[k] ? l[k] : in[k] > h[k] ? h[k] : in[k];
    }
  });
}

void CpuBackend::count_clamped(Tensor y, Tensor low, Tensor high, Tensor rows, Tensor columns, Tensor counts) {
  const Cells cells(y, low, rows, columns);
  for_pixels(pool_, y.pixels(), y.c, [&](int64_t first, int64_t last, int64_t) {
    for (int64_t pixel = first; pixel < last; ++pixel) {
      const int64_t cell = cells.of(pixel);
      const float *v = y.f32() + pixel * y.pitch, *l = low.f32() + cell * low.pitch,
                  *h = high.f32() + cell * high.pitch;
      int count = 0;
      for (int64_t k = 0; k < y.c; ++k) count += (v[k] <= l[k] || v[k] >= h[k]) && l[k] < h[k];
      counts.f32()[pixel * counts.pitch] = static_cast<float>(count);
    }
  });
}

// ---- backward ----

void CpuBackend::clamp_backward(Tensor y, Tensor low, Tensor high, Tensor rows, Tensor columns, Tensor dy, Tensor dx) {
  const Cells cells(y, low, rows, columns);
  for_pixels(pool_, y.pixels(), y.c, [&](int64_t first, int64_t last, int64_t) {
    for (int64_t pixel = first; pixel < last; ++pixel) {
      const int64_t cell = cells.of(pixel);
      const float *v = y.f32() + pixel * y.pitch, *l = low.f32() + cell * low.pitch,
                  *h = high.f32() + cell * high.pitch;
      const float* in = dy.f32() + pixel * dy.pitch;
      float* out = dx.f32() + pixel * dx.pitch;
      for (int64_t k = 0; k < y.c; ++k) out[k] = v[k] > l[k] && v[k] < h[k] ? in[k] : 0;
    }
  });
}

}  // namespace bandlift::BANDLIFT_ISA
