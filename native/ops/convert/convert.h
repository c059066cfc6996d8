// convert: y = x, the same numbers in dense order (n, h, w, c) under another type, pitch or shape.
//
// The bridge between numbers as they come from outside (f32, unpadded) and as a device keeps its images (f16 or bf16,
// pixels padded to 16 bytes), and the reshape of an image whose channels change. Rounds to nearest, ties to even.
// The CPU stores images as f32 only; there it moves numbers between pitches and shapes.
#pragma once
#include "program/checker.h"

#define BANDLIFT_OPS_CONVERT(OP, OP_WITH_WORKSPACE) OP(convert, AnyImage x, AnyImage y)

namespace bandlift {

inline void check_convert(const Checker& c) {
  c.expect(c.t(0).elements() == c.t(1).elements(),
           "y has " + std::to_string(c.t(1).elements()) + " numbers, expected " + std::to_string(c.t(0).elements()));
}

}  // namespace bandlift
