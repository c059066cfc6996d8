// Sums for the metrics of an evaluation, in physical units: p = pred * scale[k] + offset[k]; target is physical
// already.
//
// sums f64 [6 + 5 c]: [0] sum of spectral angles (radians), [1] pixels in it, [2] valid pixels left out because a norm
// is zero, [3] valid pixels, [4], [5] unused; then c numbers each: sum (p-t)^2, sum |p-t|, sum t, sum t^2, max t. Angle
// = acos of the cosine clamped to [-1, 1], in double, over all bands. pixel_mask [n,h,w,1] optional.
#pragma once
