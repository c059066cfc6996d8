// Tensors of tests: exactly the memory their device's contract gives them, and what may not be written marked.
//
// The CPU's tensors end with the last number and nothing between pixels may change. On the CUDA backend (emulated, with
// BANDLIFT_EMULATED) a tensor owns the padding of every pixel, the last one too: inputs hold 0 there, outputs a mark
// that must have become 0.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "check.h"
#include "core/tensor.h"
#include "storage.h"

namespace backends {

using bandlift::DType;
using bandlift::Tensor;

#ifdef BANDLIFT_EMULATED
constexpr bool kOwnsPadding = true;
constexpr DType kImageTypes[] = {DType::f32, DType::f16, DType::bf16};  // of images, as the device stores them
#else
constexpr bool kOwnsPadding = false;
constexpr DType kImageTypes[] = {DType::f32};
#endif

struct Shape {
  int64_t n, h, w, c;
  int64_t extra = 0;  // pixels are c + extra numbers apart
};

inline std::string text(const Shape& s, DType type = DType::f32) {
  return std::to_string(s.n) + "x" + std::to_string(s.h) + "x" + std::to_string(s.w) + "x" + std::to_string(s.c) +
         " pitch +" + std::to_string(s.extra) + (type == DType::f32 ? "" : std::string(" ") + storage::name(type));
}

// One pixel, one band, primes, padded pixels; the last one is work for several tasks.
inline const std::vector<Shape> kShapes = {
    {1, 1, 1, 1},
    {1, 1, 1, 340},
    {3, 1, 1, 7},
    {1, 1, 13, 1},
    {2, 5, 7, 3, 2},
    {3, 3, 11, 17, 1},
    {1, 2, 3, 341, 5},
    {3, 19, 31, 29},
#ifdef BANDLIFT_EMULATED
    // padded as on a GPU, to 16 bytes: read and written by whole packs
    {2, 3, 5, 340, 4},
    {1, 4, 9, 13, 3},
    {1, 1, 1, 5, 3},
    {2, 19, 37, 16},
#endif
};

// Every shape in every type that images have here. Tests name both parts as variables: Clang before 16 does not let a
// lambda capture a structured binding.
struct StoredShape {
  Shape s;
  DType type;
};
inline std::vector<StoredShape> stored(const std::vector<Shape>& shapes) {
  std::vector<StoredShape> all;
  for (DType type : kImageTypes)
    for (const Shape& s : shapes) all.push_back({s, type});
  return all;
}

class Image {
 public:
  // An output: its gaps are marked. Not inlined: GCC 12 warns of branches for other sizes than this tensor's.
  [[gnu::noinline]] explicit Image(const Shape& s, DType dtype = DType::f32)
      : t{nullptr, dtype, s.n, s.h, s.w, s.c, s.c + s.extra},
        bytes_(count() * static_cast<size_t>(bandlift::element_bytes(dtype))) {
    t.data = bytes_.data();
    for (size_t i = 0; i < count(); ++i) put(i, kMark);
  }
  Image(const Image& other) : t(other.t), bytes_(other.bytes_) { t.data = bytes_.data(); }
  Image(Image&& other) noexcept : t(other.t), bytes_(std::move(other.bytes_)) { t.data = bytes_.data(); }
  Image& operator=(const Image&) = delete;

  // For numbers that are set one by one: padding that the device owns holds 0.
  static Image input(const Shape& s, DType dtype = DType::f32) {
    Image image(s, dtype);
    if (kOwnsPadding) std::fill(image.bytes_.begin(), image.bytes_.end(), 0);
    return image;
  }
  static Image random(const Shape& s, unsigned seed, double low = -1, double high = 1, DType dtype = DType::f32) {
    Image image = input(s, dtype);
    std::mt19937 random(seed);
    std::uniform_real_distribution<double> uniform(low, high);
    for (int64_t i = 0; i < image.t.elements(); ++i) image.set(i, uniform(random));
    return image;
  }
  static Image vector(const std::vector<double>& values, DType dtype = DType::f32) {
    Image image = input({1, 1, 1, static_cast<int64_t>(values.size())}, dtype);
    image.assign(values);
    return image;
  }
  // 0 or 1, about `ones` of them 1.
  static Image mask(const Shape& s, unsigned seed, double ones) {
    Image image = random(s, seed, 0, 1);
    for (int64_t i = 0; i < image.t.elements(); ++i) image.set(i, image[i] < ones ? 1 : 0);
    return image;
  }

  // By dense index: pixel * c + channel. What is set is rounded to the type.
  double operator[](int64_t i) const { return get(place(i)); }
  void set(int64_t i, double value) { put(place(i), value); }
  void assign(const std::vector<double>& values) {
    for (size_t i = 0; i < values.size(); ++i) set(static_cast<int64_t>(i), values[i]);
  }
  std::vector<double> values() const {
    std::vector<double> all(static_cast<size_t>(t.elements()));
    for (size_t i = 0; i < all.size(); ++i) all[i] = (*this)[static_cast<int64_t>(i)];
    return all;
  }
  // |this[i] - expected| <= atol + rtol |expected|, and one rounding to a 16-bit type where it is stored so.
  void close(int64_t i, double expected, double atol, double rtol, const std::string& what) const {
    const double unit = storage::relative_rounding(t.dtype);
    check::close((*this)[i], expected, atol * (1 + unit) + storage::absolute_rounding(t.dtype),
                 rtol * (1 + unit) + unit, what);
  }
  bool same_bits(const Image& other) const { return bytes_ == other.bytes_; }
  bool gaps_intact() const {
    const double wanted = kOwnsPadding ? 0 : storage::rounded(t.dtype, kMark);
    for (int64_t p = 0; p + (kOwnsPadding ? 0 : 1) < t.pixels(); ++p)
      for (int64_t k = t.c; k < t.pitch; ++k)
        if (get(static_cast<size_t>(p * t.pitch + k)) != wanted) return false;
    return true;
  }

  Tensor t;

 private:
  static constexpr double kMark = 12345;
  size_t count() const { return static_cast<size_t>((t.pixels() - 1) * t.pitch + (kOwnsPadding ? t.pitch : t.c)); }
  size_t place(int64_t i) const { return static_cast<size_t>(i / t.c * t.pitch + i % t.c); }
  double get(size_t i) const {
    switch (t.dtype) {
      case DType::f64:
        return load<double>(i);
      case DType::f32:
        return load<float>(i);
      default:
        return storage::decoded(t.dtype, load<uint16_t>(i));
    }
  }
  void put(size_t i, double value) {
    switch (t.dtype) {
      case DType::f64:
        return store(i, value);
      case DType::f32:
        return store(i, static_cast<float>(value));
      default:
        return store(i, storage::encoded(t.dtype, value));
    }
  }
  template <typename T>
  T load(size_t i) const {
    T value;
    std::memcpy(&value, bytes_.data() + i * sizeof(T), sizeof(T));
    return value;
  }
  template <typename T>
  void store(size_t i, T value) {
    std::memcpy(bytes_.data() + i * sizeof(T), &value, sizeof(T));
  }

  std::vector<unsigned char> bytes_;
};

// Exactly the bytes asked for, aligned as the engine gives them, full of NaN: nothing may be read before it is written.
class Workspace {
 public:
  explicit Workspace(size_t bytes)
      : data_(bytes ? std::aligned_alloc(64, (bytes + 63) / 64 * 64) : nullptr, std::free) {
    if (bytes > 0) std::memset(data_.get(), 0xff, bytes);  // every float and double of these bytes is a NaN
    t.data = data_.get();
    t.n = t.h = t.w = 1;
    t.c = t.pitch = static_cast<int64_t>(bytes / sizeof(float));
  }
  Tensor t;

 private:
  std::unique_ptr<void, decltype(&std::free)> data_;
};

}  // namespace backends
