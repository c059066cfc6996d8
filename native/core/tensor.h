// A non-owning view of numbers in channels-last order.
//
// Element (n, y, x, k) lies at data[((n * h + y) * w + x) * pitch + k]: a pixel's spectrum is contiguous, as in BIP.
// `pitch` is the distance between neighbouring pixels in elements. It equals `c` on the CPU; a device that wants
// padded channels (340 -> 344 for tensor cores) asks the planner for a larger pitch: such tensors own the padding of
// every pixel, the last one too, and who writes one writes zeros there.
// Vectors are [1, 1, 1, c]; parameters keep PyTorch's order and are passed as flat vectors (the operator knows the
// rest).
#pragma once
#include <cstdint>

namespace bandlift {

// f16 and bf16 are storage types of a device's activations; parameters, sums and tables stay f32 and f64.
enum class DType : uint8_t { f32 = 0, f64 = 1, f16 = 2, bf16 = 3 };

constexpr int64_t element_bytes(DType type) {
  return type == DType::f64 ? 8 : type == DType::f32 ? 4 : 2;
}

struct Tensor {
  void* data = nullptr;
  DType dtype = DType::f32;
  int64_t n = 0, h = 0, w = 0, c = 0;
  int64_t pitch = 0;

  float* f32() const { return static_cast<float*>(data); }
  double* f64() const { return static_cast<double*>(data); }
  int64_t pixels() const { return n * h * w; }
  int64_t elements() const { return n * h * w * c; }
  explicit operator bool() const { return data != nullptr; }  // absent optional operands are null
};

}  // namespace bandlift
