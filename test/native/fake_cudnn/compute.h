// The convolution and what follows it, by plain loops on host memory.
#pragma once
#include <functional>

#include "descriptors.h"

namespace fake_cudnn {

// How an engine differs from plain arithmetic.
struct Manner {
  bool tf32 = false;          // rounds f32 operands to 10 bits of mantissa
  bool clobbers_add = false;  // writes its result's memory before it reads what it adds
};

// pointer(unique id) gives the tensors' memory.
void compute(const Problem& p, const Manner& manner, const std::function<void*(int64_t)>& pointer);

}  // namespace fake_cudnn
