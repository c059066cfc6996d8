#include "cpu/cpu_backend.h"
#include "cpu/pixels.h"
#include "ops/convert/convert.h"

namespace bandlift::BANDLIFT_ISA {

static constexpr int64_t kChunk = 16384;

// Images are f32 here: a program with others was refused (Device::stores).
void CpuBackend::convert(Tensor x, Tensor y) {
  const int64_t count = x.elements();
  pool_.parallel_for(task_count(count, kChunk), [&](int64_t task, int) {
    const int64_t last = least(count, (task + 1) * kChunk);
    int64_t i = task * kChunk, from = i / x.c, to = i / y.c;  // pixels
    int64_t k = i % x.c, l = i % y.c;                         // channels
    for (; i < last; ++i) {
      y.f32()[to * y.pitch + l] = x.f32()[from * x.pitch + k];
      if (++k == x.c) k = 0, ++from;
      if (++l == y.c) l = 0, ++to;
    }
  });
}

}  // namespace bandlift::BANDLIFT_ISA
