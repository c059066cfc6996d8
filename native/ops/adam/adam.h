// The optimizer over flat vectors: one pass for the norm, one for the update.
//
// grad_norm: norm f64 [1] = |g|_2 / s, s = scalars[kLossScale] (0 means 1), so the norm of the unscaled gradient;
//            scalars[kGradScale] = min(1, max_norm / (norm + 1e-6)) / s as torch.nn.utils.clip_grad_norm_, 1 / s
//            without clipping, 0 when the norm, or the total of loss_terms where they are given, is not finite.
// adam (Kingma & Ba 2015, as torch.optim.Adam computes it), with g' = g * grad_scale:
//   m = b1 m + (1 - b1) g',  v = b2 v + (1 - b2) g'^2
//   p -= lr / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps)
//   ema = decay ema + (1 - decay) p          (optional)
// With grad_scale 0 nothing is touched: a step whose gradient is not finite leaves the parameters as they were.
#pragma once
