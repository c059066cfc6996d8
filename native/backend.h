// THE CONTRACT: everything a device must be able to compute, one pure virtual per instruction, grouped by operator.
// Read this first. Formulas, shapes and what backward needs stand in native/ops/<op>/<op>.h; the CPU twin of each is
// <op>_cpu.cpp, the CUDA twin <op>_cuda.cu, in the same folder. A device that lacks one does not compile.
//
// Rules for every implementation:
// - inputs first, outputs last; an absent optional operand is a Tensor with null data;
// - results do not depend on the number of threads (fixed partition, fixed order of reduction);
// - no allocation while running: scratch memory is the `workspace` operand, sized by workspace_bytes();
// - gradients of parameters ACCUMULATE (dw += ...), so that micro-batches add up; all other outputs are overwritten;
// - images (x, y, residual, mask, logits, ... and their gradients) have the device's storage type: f32, on CUDA also
//   f16 and bf16, all images of one instruction the same. Parameters, their gradients, tables, targets, masks of pixels
//   and bands, gates and means ([n,1,1,c]) are f32. Arithmetic is f32 or wider, rounded once where it is stored;
// - an output may alias an input of the same shape where the comment says "in place".
#pragma once
#include <cstddef>

#include "core/tensor.h"

namespace bandlift {

enum class Activation : int { none = 0, relu = 1, sigmoid = 2, softplus = 3 };

// Odd kernel kh x kw, stride 1, zero padding k/2: output has the input's h and w. With shuffle r > 1 it is stored by
// torch.nn.PixelShuffle(r): channel c r^2 + dy r + dx of pixel (i, j) goes to channel c of pixel (i r + dy, j r + dx).
struct Conv2dParams {
  int kh = 1, kw = 1;
  Activation activation = Activation::none;
  int shuffle = 1;
  bool exact = false;  // f32 operands are not rounded, whatever the device may do elsewhere (tf32)
};

struct GatherPatchesParams {
  int column = 0;  // of `places`: 0 input, 1 target
};

struct SpectralLossParams {
  float l1 = 0, l2 = 0, sam = 0, gradient = 0;
};

// Neighbours up to `radius` pixels away count, and their range is widened by `margin` times itself on either side.
struct BoundsParams {
  int radius = 1;
  float margin = 0;
};

// A pass of a radix search: `settled` leading bits of the wanted values are known, the next `bits` are counted.
struct CountParams {
  int settled = 0, bits = 16;
};

struct AdamParams {
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;  // double: 1 - beta2 must not lose digits
};

// What changes from step to step lives in a small device buffer (f32), so that a captured step can be replayed.
enum ScalarSlot : int {
  kLearningRate = 0,
  kBiasCorrection1 = 1,  // 1 - beta1^t
  kBiasCorrection2 = 2,  // 1 - beta2^t
  kEmaDecay = 3,         // 0: ema becomes a copy
  kMaxNorm = 4,          // gradient clipping; 0 = no clipping
  kGradScale = 5,        // written by grad_norm: what adam multiplies g by; 0: it skips
  kLossScale = 6,        // what spectral_loss multiplied dpred by, hence g holds; 0 means 1
  kScalarCount = 8
};

// f64 outputs of spectral_loss, written for this call (not accumulated). Means are over the whole batch's valid
// pixels (`valid_pixels` operand), so the terms of micro-batches add up to the batch's.
enum LossTerm : int { kLossTotal = 0, kLossL1, kLossL2, kLossSam, kLossGradient, kLossFirstBad, kLossTermCount };

class Backend {
 public:
  virtual ~Backend() = default;

  // ---- convert: y = x, the same numbers in another type, pitch or shape (both in dense order n, h, w, c) ---------
  // y has as many elements as x; f32, f16 and bf16 in any combination.
  virtual void convert(Tensor x, Tensor y) = 0;

  // ---- gather_patches: a batch out of patches that the device holds ------------------------------------------------
  // source f32 [N,h,w,c], places f64 [1,1,n,3] (place of the input, place of the target, turn), y [n,h,w,c]; which of
  // the two places counts is p.column. Throws Error(shape) before it writes when a place or a turn is none.
  virtual void gather_patches(GatherPatchesParams p, Tensor source, Tensor places, Tensor y) = 0;

  // ---- conv2d: y = act(conv(x, w) + b + residual) -------------------------------------------------------------
  // w is [co, ci, kh, kw] (PyTorch's order, flat), b [co] or absent, residual like y or absent (in place with y).
  // With shuffle r, y and dy are [n, r h, r w, co / r^2], x and dx stay [n, h, w, ci], residual is absent.
  virtual void conv2d_forward(Conv2dParams p, Tensor x, Tensor w, Tensor b, Tensor residual, Tensor y,
                              Tensor workspace) = 0;
  // dx = (conv_transposed(dy, w) + add) * (mask > 0); add and mask like dx or absent (add in place with dx).
  virtual void conv2d_backward_data(Conv2dParams p, Tensor dy, Tensor w, Tensor add, Tensor mask, Tensor dx,
                                    Tensor workspace) = 0;
  // dw += ..., db += sum of dy (db may be absent).
  virtual void conv2d_backward_weights(Conv2dParams p, Tensor x, Tensor dy, Tensor dw, Tensor db, Tensor workspace) = 0;
  virtual size_t conv2d_forward_workspace(Conv2dParams p, Tensor x, Tensor y) const = 0;
  virtual size_t conv2d_backward_data_workspace(Conv2dParams p, Tensor dy, Tensor dx) const = 0;
  virtual size_t conv2d_backward_weights_workspace(Conv2dParams p, Tensor x, Tensor dy) const = 0;

  // ---- elementwise --------------------------------------------------------------------------------------------
  virtual void activation_forward(Activation kind, Tensor x, Tensor y) = 0;  // in place
  virtual void activation_backward(Activation kind, Tensor y, Tensor dy,
                                   Tensor dx) = 0;     // from the output y; in place with dy
  virtual void add(Tensor a, Tensor b, Tensor y) = 0;  // in place with a or b
  virtual void fill(float value, Tensor y) = 0;

  // ---- spectral attention: y = x * gate (+ residual), gate per sample and band ----------------------------------
  virtual void global_mean_forward(Tensor x, Tensor y) = 0;     // [n,h,w,c] -> [n,1,1,c]
  virtual void global_mean_backward(Tensor dy, Tensor dx) = 0;  // dx = dy / (h w)
  virtual void gate_forward(Tensor x, Tensor gate, Tensor residual, Tensor y) = 0;
  virtual void gate_backward_gate(Tensor dy, Tensor x, Tensor dgate) = 0;  // dgate = sum over pixels of dy * x
  // dx = (dy * gate + dmean / (h w)) * (mask > 0); dmean [n,1,1,c] and mask optional; in place with dy.
  virtual void gate_backward_input(Tensor dy, Tensor gate, Tensor dmean, Tensor mask, Tensor dx) = 0;

  // ---- softmax mixing: abundances = softmax(logits); y[c] = sum_k abundances[k] * endmembers[k, c] --------------
  virtual void softmax_mixing_forward(Tensor logits, Tensor endmembers, Tensor abundances, Tensor y) = 0;
  virtual void softmax_mixing_backward(Tensor dy, Tensor abundances, Tensor endmembers, Tensor dlogits,
                                       Tensor dendmembers,
                                       Tensor workspace) = 0;  // dendmembers +=
  virtual size_t softmax_mixing_backward_workspace(Tensor dy, Tensor abundances) const = 0;

  // ---- quadratic features: [x, x_i x_j for i <= j], c -> c + c (c + 1) / 2 --------------------------------------
  virtual void quadratic_features_forward(Tensor x, Tensor y) = 0;
  virtual void quadratic_features_backward(Tensor dy, Tensor x, Tensor dx) = 0;

  // ---- resample: y = rows x columns (+ residual), separable linear resampling with sparse tables ------------------
  // rows f32 [1,1,y.h,1+taps]: first input row (a whole number), then the weights; columns the same for the width.
  // residual like y or absent (in place). The gradient is the same instruction with transposed tables.
  // Throws Error(shape) before it writes when a table points outside of x.
  virtual void resample(Tensor x, Tensor rows, Tensor columns, Tensor residual, Tensor y, Tensor workspace) = 0;
  virtual size_t resample_workspace(Tensor x, Tensor rows, Tensor y) const = 0;

  // ---- bounds from a neighbourhood, and clamping a finer image between them (native/ops/bounds/bounds.h) ------------
  virtual void neighbourhood_bounds(BoundsParams p, Tensor x, Tensor floor, Tensor low, Tensor high) = 0;
  // rows f32 [1,1,y.h,2], columns f32 [1,1,y.w,2]: the row or column of low and high that bounds each of y, and 1
  // (tables as resample's). Throws Error(shape) before it writes when a table points outside of low. In place.
  virtual void clamp_forward(Tensor x, Tensor low, Tensor high, Tensor rows, Tensor columns, Tensor y) = 0;
  // dx = dy where low < y < high, from the output y; in place with dy.
  virtual void clamp_backward(Tensor y, Tensor low, Tensor high, Tensor rows, Tensor columns, Tensor dy, Tensor dx) = 0;
  // counts [n,h,w,1]: channels of y that lie on a bound, where low < high.
  virtual void count_clamped(Tensor y, Tensor low, Tensor high, Tensor rows, Tensor columns, Tensor counts) = 0;

  // ---- loss and metrics: one pass over each pixel -----------------------------------------------------------------
  // pixel_mask [n,h,w,1] and band_mask [1,1,1,c] hold 0 or 1, optional; valid_pixels f64 [1] or [2]: the second, where
  // given, multiplies dpred (loss scaling; the terms are not scaled); terms f64 [kLossTermCount]; dpred optional
  // (forward only), in place with pred.
  virtual void spectral_loss(SpectralLossParams p, Tensor pred, Tensor target, Tensor pixel_mask, Tensor band_mask,
                             Tensor valid_pixels, Tensor terms, Tensor dpred, Tensor workspace) = 0;
  virtual size_t spectral_loss_workspace(Tensor pred) const = 0;
  // Physical units: p = pred * scale[c] + offset[c] (f32 [c]); target is already physical.
  // sums f64 [6 + 5 c]: sam_rad, sam pixels, zero-norm pixels, valid pixels, 0, 0, then per band: sum (p-t)^2, sum
  // |p-t|, sum t, sum t^2, max t.
  virtual void spectral_metrics(Tensor pred, Tensor target, Tensor pixel_mask, Tensor scale, Tensor offset, Tensor sums,
                                Tensor workspace) = 0;
  virtual size_t spectral_metrics_workspace(Tensor pred) const = 0;
  // Normal equations of a least-squares fit, accumulated in f64: gram[(f+1),(f+1)] += [a 1]^T [a 1]; cross[(f+1), c] +=
  // [a 1]^T y.
  virtual void normal_equations(Tensor features, Tensor y, Tensor pixel_mask, Tensor gram, Tensor cross,
                                Tensor workspace) = 0;
  virtual size_t normal_equations_workspace(Tensor features, Tensor y) const = 0;
  // One pass of the search for exact quantiles (src/data/quantile.ts): how often each value of the next bits occurs
  // among the values whose leading bits are a wanted prefix. values [n,h,w,c], pixel_mask [n,h,w,1] and band_mask
  // [1,1,1,c] hold 0 or 1, optional; prefixes f64 [1,1,populations,slots], populations 1 (all bands together) or c;
  // counts f64 [1,populations,slots,2^bits] += whole numbers, exact up to 2^53.
  virtual void count_values(CountParams p, Tensor values, Tensor pixel_mask, Tensor band_mask, Tensor prefixes,
                            Tensor counts, Tensor workspace) = 0;
  virtual size_t count_values_workspace(Tensor prefixes, Tensor counts) const = 0;

  // ---- optimizer: flat vectors ------------------------------------------------------------------------------------
  // s = scalars[kLossScale] (0 means 1). norm f64 [1] = |g|_2 / s; scalars[kGradScale] = min(1, max_norm / (norm +
  // 1e-6)) / s (1 / s without clipping; 0 if the norm is not finite or, where loss_terms f64 [kLossTermCount] are
  // given, the total is not).
  virtual void grad_norm(Tensor g, Tensor loss_terms, Tensor norm, Tensor scalars, Tensor workspace) = 0;
  virtual size_t grad_norm_workspace(Tensor g) const = 0;
  // g' = g * grad_scale; m, v, p as in torch.optim.Adam; ema (optional) = decay * ema + (1 - decay) * p. No-op when
  // grad_scale is 0.
  virtual void adam(AdamParams p, Tensor g, Tensor scalars, Tensor param, Tensor m, Tensor v, Tensor ema) = 0;
};

}  // namespace bandlift
