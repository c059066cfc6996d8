// One pass of the radix search for exact quantiles (src/data/quantile.ts), accumulated over calls.
//
// A float's bits u are mapped to an unsigned integer of the same order, -inf to +inf, -0 just below +0:
//   ordered(u) = u >= 2^31 ? ~u : u + 2^31
// The search knows the `settled` leading bits ("prefix") of the values it looks for. This pass counts the `bits` after
// them, of those values that begin with a wanted prefix:
//   counts[q, s, bin] += number of values of population q with ordered / 2^(32 - settled) == prefixes[q, s]
//                        and ordered / 2^(32 - settled - bits) mod 2^bits == bin
// over the pixels whose pixel_mask is not 0 and the bands whose band_mask is not 0 (all, without one). With settled = 0
// the only prefix is 0. A prefix that stands twice in a population counts in its first slot alone; one that is no whole
// number below 2^settled counts nothing.
//
// values [n,h,w,c], pixel_mask [n,h,w,1] optional, band_mask [1,1,1,c] optional; prefixes f64 [1,1,populations,slots];
// counts f64 [1,populations,slots,2^bits], dense. populations = 1: all bands together; = c: each band for itself.
// Counts are whole numbers in double: exact up to 2^53 and the same in any order of adding.
#pragma once
#include <cstdint>

#include "program/checker.h"

#define BANDLIFT_OPS_COUNT_VALUES(OP, OP_WITH_WORKSPACE)                                             \
  OP_WITH_WORKSPACE(count_values, (Doubles prefixes, Doubles counts), CountParams p, Numbers values, \
                    MaybeNumbers pixel_mask, MaybeNumbers band_mask, Doubles prefixes, Doubles counts)

namespace bandlift {

// A pass of a radix search: `settled` leading bits of the wanted values are known, the next `bits` are counted.
struct CountParams {
  int settled = 0, bits = 16;

  static constexpr int kCount = 2;
  static CountParams from(const double* p) { return {static_cast<int>(p[0]), static_cast<int>(p[1])}; }
};

// All bands together or each for itself; prefixes and counts of every population and slot.
inline void check_count_values(const Checker& c) {
  c.integer(0, 0, 31, "settled");
  c.integer(1, 1, 16, "bits");
  const Tensor& values = c.t(0);
  const int64_t settled = c.param(0), bits = c.param(1), populations = c.t(3).w, slots = c.t(3).c;
  c.expect(settled + bits <= 32, "settled + bits is " + std::to_string(settled + bits) + ", expected at most 32");
  c.expect(populations == 1 || populations == values.c,
           "prefixes of " + std::to_string(populations) + " populations, expected 1 or " + std::to_string(values.c));
  c.shape(1, values.n, values.h, values.w, 1);
  c.count(2, {values.c});
  c.shape(3, 1, 1, populations, slots);
  c.count(3, {populations, slots});
  c.shape(4, 1, populations, slots, int64_t{1} << bits);
  c.count(4, {populations, slots, int64_t{1} << bits});
}

}  // namespace bandlift
