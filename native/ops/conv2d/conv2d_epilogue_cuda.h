// What follows a convolution where its provider does not do it, and the pixel shuffle. Included by .cu files only.
#pragma once
#include "backend.h"
#include "cuda/context.h"

namespace bandlift::cuda {

// y = act(raw + bias + add) * (mask > 0), r = shuffle. `raw` has y's type: [pixels][r^2 y.pitch], channels run by run
// (conv2d_pack_cuda.h); r = 1: like y, and may be y. bias f32 [r^2 y.pitch]; add and mask like y; absent: null.
void apply_epilogue(const Context& context, const void* raw, const float* bias, Tensor add, Tensor mask,
                    Activation activation, int shuffle, Tensor y);

// The other way: raw = dy, padding included.
void unshuffle(const Context& context, Tensor dy, int shuffle, void* raw);

}  // namespace bandlift::cuda
