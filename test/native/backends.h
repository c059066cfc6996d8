// What tests of operators share: tensors of exactly their size, scratch memory full of NaN, every backend of this
// machine with 1, 2 and 3 threads, and derivatives by central differences in double.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <random>

#include "check.h"
#include "cpu/cpu_device.h"
#include "cpu/thread_pool.h"

namespace backends {

using bandlift::Backend;
using bandlift::DType;
using bandlift::Tensor;

struct Shape {
  int64_t n, h, w, c;
  int64_t extra = 0;  // pixels are c + extra numbers apart
};

inline std::string text(const Shape& s) {
  return std::to_string(s.n) + "x" + std::to_string(s.h) + "x" + std::to_string(s.w) + "x" + std::to_string(s.c) +
         " pitch +" + std::to_string(s.extra);
}

// One pixel, one band, primes, padded pixels; the last one is work for several tasks.
inline const std::vector<Shape> kShapes = {{1, 1, 1, 1},    {1, 1, 1, 340},    {3, 1, 1, 7},      {1, 1, 13, 1},
                                           {2, 5, 7, 3, 2}, {3, 3, 11, 17, 1}, {1, 2, 3, 341, 5}, {3, 19, 31, 29}};

// Owns exactly the numbers a tensor spans (AddressSanitizer sees any over-read) and marks the gaps between pixels.
class Image {
 public:
  // not inlined: GCC 12 warns of the f64 branch where it sees the size of an f32 tensor
  [[gnu::noinline]] explicit Image(const Shape& s, DType dtype = DType::f32)
      : t{nullptr, dtype, s.n, s.h, s.w, s.c, s.c + s.extra}, bytes_(count() * size()) {
    t.data = bytes_.data();
    for (size_t i = 0; i < count(); ++i) put(i, kGap);
  }
  Image(const Image& other) : t(other.t), bytes_(other.bytes_) { t.data = bytes_.data(); }
  Image(Image&& other) noexcept : t(other.t), bytes_(std::move(other.bytes_)) { t.data = bytes_.data(); }
  Image& operator=(const Image&) = delete;

  static Image random(const Shape& s, unsigned seed, double low = -1, double high = 1) {
    Image image(s);
    std::mt19937 random(seed);
    std::uniform_real_distribution<double> uniform(low, high);
    for (int64_t i = 0; i < image.t.elements(); ++i) image.set(i, uniform(random));
    return image;
  }
  static Image vector(const std::vector<double>& values, DType dtype = DType::f32) {
    Image image({1, 1, 1, static_cast<int64_t>(values.size())}, dtype);
    image.assign(values);
    return image;
  }
  // 0 or 1, about `ones` of them 1.
  static Image mask(const Shape& s, unsigned seed, double ones) {
    Image image = random(s, seed, 0, 1);
    for (int64_t i = 0; i < image.t.elements(); ++i) image.set(i, image[i] < ones ? 1 : 0);
    return image;
  }

  // By dense index: pixel * c + channel.
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
  bool same_bits(const Image& other) const { return bytes_ == other.bytes_; }
  bool gaps_intact() const {
    for (int64_t p = 0; p + 1 < t.pixels(); ++p)
      for (int64_t k = t.c; k < t.pitch; ++k)
        if (get(static_cast<size_t>(p * t.pitch + k)) != kGap) return false;
    return true;
  }

  Tensor t;

 private:
  static constexpr double kGap = 12345;
  size_t size() const { return t.dtype == DType::f64 ? sizeof(double) : sizeof(float); }
  size_t count() const { return static_cast<size_t>((t.pixels() - 1) * t.pitch + t.c); }
  size_t place(int64_t i) const { return static_cast<size_t>(i / t.c * t.pitch + i % t.c); }
  double get(size_t i) const { return t.dtype == DType::f64 ? load<double>(i) : load<float>(i); }
  void put(size_t i, double value) { t.dtype == DType::f64 ? store(i, value) : store(i, static_cast<float>(value)); }
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
    std::memset(data_.get(), 0xff, bytes);  // every float and double of these bytes is a NaN
    t.data = data_.get();
    t.n = t.h = t.w = 1;
    t.c = t.pitch = static_cast<int64_t>(bytes / sizeof(float));
  }
  Tensor t;

 private:
  std::unique_ptr<void, decltype(&std::free)> data_;
};

// For every instruction set: check(compute(backend)) with one thread, then the same bits with two and three.
// compute(Backend&) returns a std::vector<Image>.
template <typename Compute, typename Check>
void everywhere(const std::string& what, const Compute& compute, const Check& check_results) {
  for (bandlift::Isa isa : bandlift::available_isas()) {
    try {
      bandlift::ThreadPool one(1);
      const std::vector<Image> first = compute(*bandlift::make_cpu_backend(isa, one));
      for (const Image& image : first) REQUIRE(image.gaps_intact());
      check_results(first);
      for (int threads : {2, 3}) {
        bandlift::ThreadPool pool(threads);
        const std::vector<Image> again = compute(*bandlift::make_cpu_backend(isa, pool));
        for (size_t i = 0; i < first.size(); ++i)
          if (!again[i].same_bits(first[i])) check::fail("other bits with " + std::to_string(threads) + " threads");
      }
    } catch (const std::exception& e) {
      check::fail(what + ", " + bandlift::isa_name(isa) + ": " + e.what());
    }
  }
}

inline void close_all(const Image& actual, const std::vector<double>& expected, double atol, double rtol,
                      const std::string& what) {
  REQUIRE(actual.t.elements() == static_cast<int64_t>(expected.size()));
  for (size_t i = 0; i < expected.size(); ++i)
    check::close(actual[static_cast<int64_t>(i)], expected[i], atol, rtol, what + "[" + std::to_string(i) + "]");
}

// d f / d x[i] by central differences of f(std::vector<double>) in double.
template <typename F>
double slope(std::vector<double> x, size_t i, const F& f, double step = 1e-6) {
  const double middle = x[i];
  x[i] = middle + step;
  const double above = f(x);
  x[i] = middle - step;
  return (above - f(x)) / (2 * step);
}

// At most `count` indices spread over [0, total), for gradients too many to differentiate one by one.
inline std::vector<size_t> spread(size_t total, size_t count) {
  std::vector<size_t> indices;
  for (size_t k = 0; k < count && k < total; ++k) indices.push_back(total <= count ? k : k * (total - 1) / (count - 1));
  return indices;
}

}  // namespace backends
