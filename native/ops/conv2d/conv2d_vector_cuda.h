// Convolutions of a few vectors (images of one pixel, as in spectral attention): products of the f32 weights with a
// vector, without packing or workspace. Of a kernel wider than 1 x 1 only the tap in the middle meets a pixel.
// Included by .cu files only.
#pragma once
#include "backend.h"
#include "cuda/context.h"

namespace bandlift::cuda {

// Whether x (or dx) is such; y or dy is then too. f32 with any pitch and address.
bool is_vectors(const Conv2dParams& p, const Tensor& x);

void vector_forward(const Context& context, Conv2dParams p, Tensor x, Tensor w, Tensor b, Tensor residual, Tensor y);
void vector_backward_data(const Context& context, Conv2dParams p, Tensor dy, Tensor w, Tensor add, Tensor mask,
                          Tensor dx);
void vector_backward_weights(const Context& context, Conv2dParams p, Tensor x, Tensor dy, Tensor dw, Tensor db);

}  // namespace bandlift::cuda
