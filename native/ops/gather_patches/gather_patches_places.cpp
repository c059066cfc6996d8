// Checks places and turns before the kernels trust them. Compiled once, not per instruction set: errors use the
// standard library (native/cpu/isa.h).
#include <cmath>

#include "core/error.h"
#include "ops/gather_patches/gather_patches.h"

namespace bandlift {

namespace {

// Written so that NaN fails.
bool whole_below(double value, double end) {
  return value >= 0 && value < end && value == std::floor(value);
}

}  // namespace

void check_patch_places(const Tensor& places, int column, int64_t patches, bool square) {
  for (int64_t i = 0; i < places.w; ++i) {
    const double* row = places.f64() + i * places.pitch;
    const double place = row[column], turn = row[2];
    BANDLIFT_CHECK(whole_below(place, static_cast<double>(patches)), shape,
                   "gather_patches: patch " + std::to_string(i) + " is at place " + std::to_string(place) +
                       ", expected a whole number from 0 to " + std::to_string(patches - 1));
    BANDLIFT_CHECK(whole_below(turn, 8) && (square || static_cast<int>(turn) % 2 == 0), shape,
                   "gather_patches: patch " + std::to_string(i) + " has turn " + std::to_string(turn) + ", expected " +
                       (square ? "a whole number from 0 to 7" : "0, 2, 4 or 6: it is not square"));
  }
}

}  // namespace bandlift
