// Checks the windows of resample's tables before the kernels trust them. Compiled once, not per instruction set: errors
// use the standard library (native/cpu/isa.h).
#include <cmath>

#include "core/error.h"
#include "ops/resample/resample.h"

namespace bandlift {

void check_resample_table(const Tensor& table, int64_t inputs, const char* name) {
  const int64_t taps = table.c - 1;
  for (int64_t k = 0; k < table.w; ++k) {
    const float start = table.f32()[k * table.pitch];
    // written so that NaN fails
    const bool inside =
        start >= 0 && static_cast<double>(start) <= static_cast<double>(inputs - taps) && start == std::floor(start);
    BANDLIFT_CHECK(inside, shape,
                   "resample: " + std::string(name) + "[" + std::to_string(k) + "] starts at " + std::to_string(start) +
                       ", expected a whole number from 0 to " + std::to_string(inputs - taps) + " (" +
                       std::to_string(taps) + " taps on " + std::to_string(inputs) + " inputs)");
  }
}

}  // namespace bandlift
