#include "program/checker.h"

#include <cmath>

#include "core/error.h"
#include "program/program.h"

namespace bandlift {

std::string shape_text(const Tensor& t) {
  std::string text = "[";
  for (int64_t size : {t.n, t.h, t.w, t.c}) text.append(std::to_string(size)).append(",");
  text.back() = ']';
  return text;
}

const Tensor& Checker::t(int k) const {
  return i_.t[k];
}

bool Checker::present(int k) const {
  return t(k).n > 0;
}

void Checker::expect(bool holds, const std::string& message) const {
  BANDLIFT_CHECK(holds, shape, where_ + ": " + message);
}

void Checker::shape(int k, int64_t n, int64_t h, int64_t w, int64_t c) const {
  if (!present(k)) return;
  const Tensor& found = t(k);
  const Tensor expected = {nullptr, found.dtype, n, h, w, c, c};
  expect(found.n == n && found.h == h && found.w == w && found.c == c, operands_[static_cast<size_t>(k)].name +
                                                                           " has shape " + shape_text(found) +
                                                                           ", expected " + shape_text(expected));
}

void Checker::like(int k, int other) const {
  const Tensor& o = t(other);
  shape(k, o.n, o.h, o.w, o.c);
}

void Checker::pixels_like(int k, int other) const {
  const Tensor& o = t(other);
  shape(k, o.n, o.h, o.w, t(k).c);
}

void Checker::per_sample(int k, int other) const {
  const Tensor& o = t(other);
  shape(k, o.n, 1, 1, o.c);
}

void Checker::count(int k, std::initializer_list<int64_t> factors) const {
  if (!present(k)) return;
  int64_t elements = 1;  // the sizes of a description may be anything
  for (int64_t factor : factors) expect(!__builtin_mul_overflow(elements, factor, &elements), "more than 2^63 numbers");
  const Tensor& found = t(k);
  expect(found.elements() == elements && found.pitch == found.c,
         operands_[static_cast<size_t>(k)].name + " has " + std::to_string(found.elements()) + " numbers, expected " +
             std::to_string(elements) + " without padding");
}

void Checker::integer(int k, int64_t least, int64_t most, const char* name) const {
  const double value = i_.params[k];
  expect(value >= static_cast<double>(least) && value <= static_cast<double>(most) && value == std::floor(value),
         std::string(name) + " is " + std::to_string(value) + ", expected a whole number from " +
             std::to_string(least) + " to " + std::to_string(most));
}

void Checker::odd(int k, const char* name) const {
  integer(k, 1, 1023, name);
  expect(param(k) % 2 == 1, std::string(name) + " is even, expected an odd kernel");
}

void Checker::not_negative(int k, const char* name) const {
  expect(i_.params[k] >= 0, std::string(name) + " is " + std::to_string(i_.params[k]) + ", expected at least 0");
}

int64_t Checker::param(int k) const {
  return static_cast<int64_t>(i_.params[k]);
}

}  // namespace bandlift
