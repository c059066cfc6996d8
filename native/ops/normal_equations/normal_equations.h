// The normal equations of a least-squares fit y ~ [features 1], accumulated over calls in double:
//   gram  f64 [(f+1), (f+1)] += sum over pixels of [a 1]^T [a 1]
//   cross f64 [(f+1), c]     += sum over pixels of [a 1]^T y
// features [n,h,w,f], y [n,h,w,c], pixel_mask [n,h,w,1] optional. Row-major; the constant is the last feature.
#pragma once
