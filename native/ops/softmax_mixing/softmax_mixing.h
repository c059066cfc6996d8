// Linear mixing of endmember spectra with abundances that are positive and sum to one.
//
//   abundances = softmax over k of logits                         logits, abundances [n,h,w,k]
//   y[c]       = sum_k abundances[k] * endmembers[k, c]           endmembers flat [k, c], y [n,h,w,c]
// Backward (needs the abundances):
//   da[k]            = sum_c dy[c] endmembers[k, c]
//   dlogits[k]       = a[k] (da[k] - sum_j a[j] da[j])
//   dendmembers[k,c] += sum over pixels of a[k] dy[c]
#pragma once
