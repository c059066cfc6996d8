// What the check of an instruction (check_<instruction> in native/ops) says about its operands. Operands count from 0, in
// the order of the instruction's line. Whatever does not hold is thrown as Error(shape) that names the instruction, the
// operand, what was found and what was expected.
#pragma once
#include <initializer_list>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace bandlift {

struct Instruction;
struct Operand;

// The scalar parameters of an instruction as its method takes them; kCount of them come from a program.
template <typename P>
struct Parameters {
  static constexpr int kCount = P::kCount;
  static P from(const double* p) { return P::from(p); }
};
template <>
struct Parameters<float> {
  static constexpr int kCount = 1;
  static float from(const double* p) { return static_cast<float>(p[0]); }
};

class Checker {
 public:
  Checker(const Instruction& i, const std::string& where, const std::vector<Operand>& operands)
      : i_(i), where_(where), operands_(operands) {}

  const Tensor& t(int k) const;
  bool present(int k) const;

  // Operand k has this shape, if it is there.
  void shape(int k, int64_t n, int64_t h, int64_t w, int64_t c) const;
  void like(int k, int other) const;
  // Same pixels as `other`, any number of channels.
  void pixels_like(int k, int other) const;
  // Gate, mean: one number for each sample and channel of `other`.
  void per_sample(int k, int other) const;
  // A dense block of numbers of any shape: parameters, sums.
  void count(int k, std::initializer_list<int64_t> factors) const;

  // Scalar parameter k.
  void integer(int k, int64_t least, int64_t most, const char* name) const;
  void odd(int k, const char* name) const;
  void not_negative(int k, const char* name) const;
  int64_t param(int k) const;  // once it is checked

  // Anything else.
  void expect(bool holds, const std::string& message) const;

 private:
  const Instruction& i_;
  const std::string& where_;
  const std::vector<Operand>& operands_;
};

}  // namespace bandlift
