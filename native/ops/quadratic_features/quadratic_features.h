// The features of a quadratic regression: y = [x_0 .. x_{c-1}, x_i x_j for i <= j], row by row of the triangle.
// x [n,h,w,c] -> y [n,h,w, c + c (c + 1) / 2]. Backward needs x: dx_i = dy_i + sum_j dy_{ij} x_j (twice for i = j).
#pragma once
