// activation, add, fill: one pass, memory-bound.
//
// activation_forward:  relu max(x, 0); sigmoid 1 / (1 + exp(-x)); softplus log(1 + exp(x))
//   as max(x, 0) + log(1 + exp(-|x|)); conv2d applies the same, so a fused activation has the same bits
// activation_backward: from the output y alone, so that the input need not be kept:
//   relu     dx = dy * (y > 0)
//   sigmoid  dx = dy * y (1 - y)
//   softplus dx = dy * (1 - exp(-y))        since d/dx log(1 + e^x) = 1 - 1 / (1 + e^x) = 1 - e^-y
// add: y = a + b. fill: y = value. All tensors have the same shape; pitches may differ.
#pragma once
