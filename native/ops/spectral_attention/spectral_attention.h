// Spectral (band) attention and channel attention: every band of a sample is scaled by a gate computed from its mean.
//
// global_mean_forward   y[n,c] = mean over h, w of x[n,h,w,c]            x [n,h,w,c], y [n,1,1,c]
// global_mean_backward  dx = dy / (h w)
// gate_forward          y = x * gate (+ residual)                        gate [n,1,1,c]
// gate_backward_gate    dgate[n,c] = sum over pixels of dy * x
// gate_backward_input   dx = (dy * gate + dmean / (h w)) * (mask > 0)    dmean: gradient that reached the mean,
// optional (The residual's gradient is dy itself.) The two small fully connected layers between mean and gate are 1x1
// convolutions.
//
// Backward needs x and the gate; sums over pixels are taken in blocks of rows whose partial sums are added in order, in
// double, so that they depend neither on the number of threads nor on the size of the image.
#pragma once
