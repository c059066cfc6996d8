#include "compute.h"

#include <cmath>
#include <cstring>

namespace fake_cudnn {

using namespace api;

namespace {

// A number at index i, of any type, rounded to nearest even where it is stored.
float load(const void* data, DataType type, int64_t i) {
  if (type == kHalf) return static_cast<float>(static_cast<const _Float16*>(data)[i]);
  if (type == kFloat) return static_cast<const float*>(data)[i];
  const uint32_t bits = static_cast<uint32_t>(static_cast<const uint16_t*>(data)[i]) << 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

void store(void* data, DataType type, int64_t i, float value) {
  if (type == kFloat) {
    static_cast<float*>(data)[i] = value;
  } else if (type == kHalf) {
    static_cast<_Float16*>(data)[i] = static_cast<_Float16>(value);
  } else {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    if (value == value) bits += 0x7fff + (bits >> 16 & 1);
    static_cast<uint16_t*>(data)[i] = static_cast<uint16_t>(bits >> 16);
  }
}

float to_tf32(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  bits = (bits + 0xfff + (bits >> 13 & 1)) & ~uint32_t{0x1fff};
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

struct Loops {
  const Problem& p;
  const void *x, *w, *y;
  bool tf32;

  float operand(const void* data, int64_t i) const {
    const float value = load(data, p.type, i);
    return tf32 ? to_tf32(value) : value;
  }
  int64_t image(int64_t n, int64_t i, int64_t j, int64_t c, int64_t channels) const {
    return ((n * p.h + i) * p.w + j) * channels + c;
  }
  int64_t filter(int64_t o, int64_t a, int64_t b, int64_t c) const { return ((o * p.kh + a) * p.kw + b) * p.ci + c; }
  bool inside(int64_t i, int64_t j) const { return i >= 0 && i < p.h && j >= 0 && j < p.w; }

  // y[n, i, j, o] = sum x[n, i + a - pad, j + b - pad, c] w[o, a, b, c]
  float forward(int64_t n, int64_t i, int64_t j, int64_t o) const {
    float sum = 0;
    for (int64_t a = 0; a < p.kh; ++a)
      for (int64_t b = 0; b < p.kw; ++b) {
        const int64_t r = i + a - p.pad_h, s = j + b - p.pad_w;
        for (int64_t c = 0; inside(r, s) && c < p.ci; ++c)
          sum += operand(x, image(n, r, s, c, p.ci)) * operand(w, filter(o, a, b, c));
      }
    return sum;
  }
  float backward_data(int64_t n, int64_t i, int64_t j, int64_t c) const {
    float sum = 0;
    for (int64_t a = 0; a < p.kh; ++a)
      for (int64_t b = 0; b < p.kw; ++b) {
        const int64_t r = i - a + p.pad_h, s = j - b + p.pad_w;
        for (int64_t o = 0; inside(r, s) && o < p.co; ++o)
          sum += operand(y, image(n, r, s, o, p.co)) * operand(w, filter(o, a, b, c));
      }
    return sum;
  }
  float backward_filter(int64_t o, int64_t a, int64_t b, int64_t c) const {
    float sum = 0;
    for (int64_t n = 0; n < p.n; ++n)
      for (int64_t i = 0; i < p.h; ++i)
        for (int64_t j = 0; j < p.w; ++j) {
          const int64_t r = i + a - p.pad_h, s = j + b - p.pad_w;
          if (inside(r, s)) sum += operand(x, image(n, r, s, c, p.ci)) * operand(y, image(n, i, j, o, p.co));
        }
    return sum;
  }
};

}  // namespace

void compute(const Problem& p, const Manner& manner, const std::function<void*(int64_t)>& pointer) {
  const bool data = p.convolution == kOperationBackwardDataDescriptor;
  const bool filter = p.convolution == kOperationBackwardFilterDescriptor;
  const Loops loops = {p, data ? nullptr : pointer(p.x), filter ? nullptr : pointer(p.filter),
                       data || filter ? pointer(p.y) : nullptr, manner.tf32};
  void* const result = pointer(p.result);
  if (filter) {
    for (int64_t o = 0; o < p.co; ++o)
      for (int64_t a = 0; a < p.kh; ++a)
        for (int64_t b = 0; b < p.kw; ++b)
          for (int64_t c = 0; c < p.ci; ++c)
            store(result, p.result_type, loops.filter(o, a, b, c), loops.backward_filter(o, a, b, c));
    return;
  }
  const int64_t channels = data ? p.ci : p.co;
  for (int64_t n = 0; n < p.n; ++n)
    for (int64_t i = 0; i < p.h; ++i)
      for (int64_t j = 0; j < p.w; ++j)
        for (int64_t c = 0; c < channels; ++c) {
          const int64_t at = loops.image(n, i, j, c, channels);
          float value = data ? loops.backward_data(n, i, j, c) : loops.forward(n, i, j, c);
          if (manner.clobbers_add) store(result, p.result_type, at, value);
          for (const Step& step : p.steps) {
            if (step.mode == kPointwiseReluForward) {
              value = value > 0 || (step.keeps_nan && std::isnan(value)) ? value : 0;
            } else if (step.mode == kPointwiseReluBackward) {
              value = load(pointer(step.operand), p.type, at) > 0 ? value : 0;
            } else {
              value +=
                  step.per_channel ? load(pointer(step.operand), kFloat, c) : load(pointer(step.operand), p.type, at);
            }
          }
          store(result, p.result_type, at, value);
        }
}

}  // namespace fake_cudnn
