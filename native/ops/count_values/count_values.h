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
