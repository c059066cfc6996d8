// Bounds from the neighbourhood of a coarse image, and clamping a finer image between them.
//
// neighbourhood_bounds: over the (2 radius + 1)^2 pixels around each pixel that lie in the image, least m and greatest
// M:
//   low  = max(m - margin (M - m), min(floor, m + 2^-20 |floor|)),   high = M + margin (M - m)
//   x, low, high [n, h, w, c], floor f32 [1, 1, 1, c]. Where nothing around is below the floor, low is at least the
//   floor; where something is, low is at least that. The term 2^-20 |floor| lets a value that is the floor but for
//   rounding pass.
// clamp_forward: y = min(max(x, low[cell]), high[cell]);  x, y [n, H, W, c], low and high [n, h, w, c]
//   rows, columns f32 [1, 1, H, 2], [1, 1, W, 2]: the coarse row or column of each fine one (as a whole number), and 1:
//   tables of resample with one tap.
// clamp_backward: dx = dy where low < y < high, else 0 (from the output; the bounds are constants of the step)
// count_clamped: counts f32 [n, H, W, 1]: channels of y that lie on a bound, where the bounds differ
#pragma once
#include "core/tensor.h"
