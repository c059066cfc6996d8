// conv2d: the 2-D convolution (cross-correlation) of every network here, odd kernel kh x kw, stride 1, zero padding.
//
// Shapes: x [n, h, w, ci], y and dy [n, h, w, co], w flat [co, ci, kh, kw] (PyTorch's order), b [co].
// With dy' = ky - kh/2, dx' = kx - kw/2 and x = 0 outside of the image:
//
//   forward:   y[n, i, j, o]     = act( sum over c, ky, kx of x[n, i + dy', j + dx', c] w[o, c, ky, kx]
//                                       + b[o] + residual[n, i, j, o] )
//   data:      dx[n, i, j, c]    = ( sum over o, ky, kx of dy[n, i - dy', j - dx', o] w[o, c, ky, kx]
//                                    + add[n, i, j, c] ) * (mask[n, i, j, c] > 0)
//   weights:   dw[o, c, ky, kx] += sum over n, i, j of dy[n, i, j, o] x[n, i + dy', j + dx', c]
//              db[o]            += sum over n, i, j of dy[n, i, j, o]
//
// Pixel shuffle (torch.nn.PixelShuffle) is a way to store y: with r = shuffle, y and dy are [n, r h, r w, co / r^2],
// and channel c r^2 + u r + v of pixel (i, j) above lies at channel c of pixel (i r + u, j r + v). Inside, the co
// channels are ordered by (u, v, c), so that neighbours stay neighbours in memory; weights, bias and their gradients
// keep PyTorch's order outside.
//
// `dy` is the gradient before the activation: the mask of the next operator's backward_data, or activation_backward,
// has already been applied. A 1-D convolution along the raster is the same on a [n, 1, h w, c] view (1 x 3), one along
// the wavelength axis on a [n, h w, c, 1] view.
//
// Algorithms on the CPU (choice: conv2d_cpu.h):
// - direct: implicit matrix product over a zero-padded strip of the input; any kernel, any channels;
// - Winograd F(4, 3) along x for 1 x 3, along both axes for 3 x 3, unless channels or pixels are few: 2 and 4 times
//   fewer multiplications than direct, for all three passes (winograd.h).
#pragma once
