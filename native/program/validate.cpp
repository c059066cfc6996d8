// What must hold before an instruction may run: known name, right operands, shapes that fit together.
#include <cmath>
#include <initializer_list>
#include <sstream>

#include "core/error.h"
#include "program/program.h"

namespace bandlift {

namespace {

std::string shape_text(const Tensor& t) {
  std::string text = "[";
  for (int64_t size : {t.n, t.h, t.w, t.c}) text.append(std::to_string(size)).append(",");
  text.back() = ']';
  return text;
}

const char* type_name(DType type) {
  return type == DType::f64 ? "f64" : type == DType::f32 ? "f32" : type == DType::f16 ? "f16" : "bf16";
}

// Product of sizes; those of a description may be anything.
int64_t product(const std::string& where, std::initializer_list<int64_t> factors) {
  int64_t result = 1;
  for (int64_t factor : factors)
    BANDLIFT_CHECK(!__builtin_mul_overflow(result, factor, &result), shape, where + ": more than 2^63 numbers");
  return result;
}

class Checker {
 public:
  Checker(const Instruction& i, const std::string& where, const std::vector<Operand>& operands)
      : i_(i), where_(where), operands_(operands) {}

  // Operand k has this shape, if it is there.
  void shape(int k, int64_t n, int64_t h, int64_t w, int64_t c) const {
    const Tensor& t = i_.t[k];
    if (!present(k)) return;
    const Tensor expected = {nullptr, t.dtype, n, h, w, c, c};
    BANDLIFT_CHECK(t.n == n && t.h == h && t.w == w && t.c == c, shape,
                   where_ + ": " + operands_[static_cast<size_t>(k)].name + " has shape " + shape_text(t) +
                       ", expected " + shape_text(expected));
  }
  void like(int k, int other) const {
    const Tensor& o = i_.t[other];
    shape(k, o.n, o.h, o.w, o.c);
  }
  // Same pixels as `other`, any number of channels.
  void pixels_like(int k, int other) const {
    const Tensor& o = i_.t[other];
    shape(k, o.n, o.h, o.w, i_.t[k].c);
  }
  // Gate, mean: one number for each sample and channel of `other`.
  void per_sample(int k, int other) const {
    const Tensor& o = i_.t[other];
    shape(k, o.n, 1, 1, o.c);
  }
  // A dense block of numbers of any shape: parameters, sums.
  void count(int k, std::initializer_list<int64_t> factors) const {
    const Tensor& t = i_.t[k];
    if (!present(k)) return;
    const int64_t elements = product(where_, factors);
    BANDLIFT_CHECK(t.elements() == elements && t.pitch == t.c, shape,
                   where_ + ": " + operands_[static_cast<size_t>(k)].name + " has " + std::to_string(t.elements()) +
                       " numbers, expected " + std::to_string(elements) + " without padding");
  }
  void integer(int k, int64_t least, int64_t most, const char* name) const {
    const double value = i_.params[k];
    BANDLIFT_CHECK(
        value >= static_cast<double>(least) && value <= static_cast<double>(most) && value == std::floor(value), shape,
        where_ + ": " + name + " is " + std::to_string(value) + ", expected a whole number from " +
            std::to_string(least) + " to " + std::to_string(most));
  }
  void odd(int k, const char* name) const {
    integer(k, 1, 1023, name);
    BANDLIFT_CHECK(static_cast<int>(i_.params[k]) % 2 == 1, shape,
                   where_ + ": " + name + " is even, expected an odd kernel");
  }
  int64_t param(int k) const { return static_cast<int64_t>(i_.params[k]); }  // once it is checked
  bool present(int k) const { return i_.t[k].n > 0; }
  const Tensor& t(int k) const { return i_.t[k]; }

 private:
  const Instruction& i_;
  const std::string& where_;
  const std::vector<Operand>& operands_;
};

// x and dx have one pixel where y and dy, shuffled, have r x r. Returns the number of y's channels before the shuffle.
int64_t check_conv(const Checker& c, int x, int y, int64_t r) {
  c.odd(0, "kernel height");
  c.odd(1, "kernel width");
  c.integer(2, 0, 3, "activation");
  c.integer(3, 1, 64, "shuffle");
  c.integer(4, 0, 1, "exact");
  c.shape(y, c.t(x).n, c.t(x).h * r, c.t(x).w * r, c.t(y).c);
  return c.t(y).c * r * r;
}

// Start and weights of every output row or column.
void check_taps(const Checker& c, int table, int64_t outputs, int64_t inputs) {
  const int64_t numbers = c.t(table).c;
  c.shape(table, 1, 1, outputs, numbers < 2 ? 2 : numbers > inputs + 1 ? inputs + 1 : numbers);
}

// A coarse row and column for each of the fine image's; low (operand 1) and high alike, with the fine image's channels.
void check_clamp(const Checker& c) {
  const Tensor &fine = c.t(0), &low = c.t(1);
  c.shape(1, fine.n, low.h, low.w, fine.c);
  c.like(2, 1);
  c.shape(3, 1, 1, fine.h, 2);
  c.shape(4, 1, 1, fine.w, 2);
}

// All bands together or each for itself; prefixes and counts of every population and slot.
void check_counts(const Checker& c, const std::string& where) {
  c.integer(0, 0, 31, "settled");
  c.integer(1, 1, 16, "bits");
  const int64_t settled = c.param(0), bits = c.param(1), populations = c.t(3).w, slots = c.t(3).c;
  BANDLIFT_CHECK(settled + bits <= 32, shape,
                 where + ": settled + bits is " + std::to_string(settled + bits) + ", expected at most 32");
  BANDLIFT_CHECK(populations == 1 || populations == c.t(0).c, shape,
                 where + ": prefixes of " + std::to_string(populations) + " populations, expected 1 or " +
                     std::to_string(c.t(0).c));
  c.shape(1, c.t(0).n, c.t(0).h, c.t(0).w, 1);
  c.count(2, {c.t(0).c});
  c.shape(3, 1, 1, populations, slots);
  c.count(3, {populations, slots});
  c.shape(4, 1, populations, slots, int64_t{1} << bits);
  c.count(4, {populations, slots, int64_t{1} << bits});
}

void check_shapes(const Instruction& i, const std::string& where, const std::vector<Operand>& operands) {
  const Checker c(i, where, operands);
  const auto side = [&i](int k) { return static_cast<int64_t>(i.params[k]); };  // of a kernel, once it is checked
  const int64_t r = i.params[3] >= 1 && i.params[3] <= 64 ? side(3) : 1;        // of a convolution
  int64_t channels = 0;
  switch (i.op) {
    case Opcode::convert:
      BANDLIFT_CHECK(c.t(0).elements() == c.t(1).elements(), shape,
                     where + ": y has " + std::to_string(c.t(1).elements()) + " numbers, expected " +
                         std::to_string(c.t(0).elements()));
      break;
    case Opcode::gather_patches:
      c.integer(0, 0, 1, "column");
      c.shape(0, c.t(0).n, c.t(2).h, c.t(2).w, c.t(2).c);
      c.shape(1, 1, 1, c.t(2).n, 3);
      break;
    case Opcode::conv2d_forward:
      channels = check_conv(c, 0, 4, r);
      c.count(1, {channels, c.t(0).c, side(0), side(1)});
      c.count(2, {channels});
      c.like(3, 4);
      BANDLIFT_CHECK(r == 1 || !c.present(3), shape, where + ": residual must be null when the output is shuffled");
      break;
    case Opcode::conv2d_backward_data:
      channels = check_conv(c, 4, 0, r);
      c.count(1, {channels, c.t(4).c, side(0), side(1)});
      c.like(2, 4);
      c.like(3, 4);
      break;
    case Opcode::conv2d_backward_weights:
      channels = check_conv(c, 0, 1, r);
      c.count(2, {channels, c.t(0).c, side(0), side(1)});
      c.count(3, {channels});
      break;
    case Opcode::activation_forward:
    case Opcode::activation_backward:
      c.integer(0, 0, 3, "activation");
      [[fallthrough]];
    case Opcode::add:
      for (int k = 1; k < kMaxOperands; ++k) c.like(k, 0);
      break;
    case Opcode::fill:
      break;
    case Opcode::global_mean_forward:
      c.per_sample(1, 0);
      break;
    case Opcode::global_mean_backward:
      c.per_sample(0, 1);
      break;
    case Opcode::gate_forward:
      c.per_sample(1, 0);
      c.like(2, 0);
      c.like(3, 0);
      break;
    case Opcode::gate_backward_gate:
      c.like(1, 0);
      c.per_sample(2, 0);
      break;
    case Opcode::gate_backward_input:
      c.per_sample(1, 0);
      c.per_sample(2, 0);
      c.like(3, 0);
      c.like(4, 0);
      break;
    case Opcode::softmax_mixing_forward:
      c.count(1, {c.t(0).c, c.t(3).c});
      c.like(2, 0);
      c.pixels_like(3, 0);
      break;
    case Opcode::softmax_mixing_backward:
      c.pixels_like(1, 0);
      c.count(2, {c.t(1).c, c.t(0).c});
      c.like(3, 1);
      c.count(4, {c.t(1).c, c.t(0).c});
      break;
    case Opcode::quadratic_features_forward:
      c.shape(1, c.t(0).n, c.t(0).h, c.t(0).w, c.t(0).c + c.t(0).c * (c.t(0).c + 1) / 2);
      break;
    case Opcode::quadratic_features_backward:
      c.shape(0, c.t(1).n, c.t(1).h, c.t(1).w, c.t(1).c + c.t(1).c * (c.t(1).c + 1) / 2);
      c.like(2, 1);
      break;
    case Opcode::resample:
      check_taps(c, 1, c.t(4).h, c.t(0).h);
      check_taps(c, 2, c.t(4).w, c.t(0).w);
      c.shape(4, c.t(0).n, c.t(4).h, c.t(4).w, c.t(0).c);
      c.like(3, 4);
      break;
    case Opcode::neighbourhood_bounds:
      c.integer(0, 0, 1023, "radius");
      BANDLIFT_CHECK(i.params[1] >= 0, shape,
                     where + ": margin is " + std::to_string(i.params[1]) + ", expected at least 0");
      c.count(1, {c.t(0).c});
      c.like(2, 0);
      c.like(3, 0);
      break;
    case Opcode::clamp_forward:
      check_clamp(c);
      c.like(5, 0);
      break;
    case Opcode::clamp_backward:
      check_clamp(c);
      c.like(5, 0);
      c.like(6, 0);
      break;
    case Opcode::count_clamped:
      check_clamp(c);
      c.shape(5, c.t(0).n, c.t(0).h, c.t(0).w, 1);
      break;
    case Opcode::spectral_loss:
      c.like(1, 0);
      c.shape(2, c.t(0).n, c.t(0).h, c.t(0).w, 1);
      c.count(3, {c.t(0).c});
      c.count(4, {c.t(4).c == 2 ? 2 : 1});
      c.count(5, {kLossTermCount});
      c.like(6, 0);
      break;
    case Opcode::spectral_metrics:
      c.like(1, 0);
      c.shape(2, c.t(0).n, c.t(0).h, c.t(0).w, 1);
      c.count(3, {c.t(0).c});
      c.count(4, {c.t(0).c});
      c.count(5, {6 + 5 * c.t(0).c});
      break;
    case Opcode::normal_equations:
      c.pixels_like(1, 0);
      c.shape(2, c.t(0).n, c.t(0).h, c.t(0).w, 1);
      c.count(3, {c.t(0).c + 1, c.t(0).c + 1});
      c.count(4, {c.t(0).c + 1, c.t(1).c});
      break;
    case Opcode::count_values:
      check_counts(c, where);
      break;
    case Opcode::grad_norm:
      c.count(0, {c.t(0).elements()});
      c.count(1, {kLossTermCount});
      c.count(2, {1});
      c.count(3, {kScalarCount});
      break;
    case Opcode::adam:
      c.count(0, {c.t(0).elements()});
      c.count(1, {kScalarCount});
      for (int k = 2; k <= 5; ++k) c.count(k, {c.t(0).elements()});
      break;
  }
}

}  // namespace

std::vector<Operand> operands_of(Opcode op) {
  std::vector<Operand> operands;
  std::istringstream table(kOpcodes[static_cast<int>(op)].operands);
  for (std::string word; table >> word;)
    operands.push_back({word.substr(0, word.find_first_of("~*?")), word.find('?') != std::string::npos,
                        word.find('*') != std::string::npos, word.find('~') != std::string::npos});
  return operands;
}

Tensor check_tensor(const TensorRef& ref, const std::string& where) {
  BANDLIFT_CHECK(ref.present, shape, where + " must not be null");
  const int64_t* s = ref.shape;
  const Tensor t = {nullptr, ref.dtype, s[0], s[1], s[2], s[3], ref.pitch};
  int64_t elements = 1;
  for (int k = 0; k < 4; ++k)
    BANDLIFT_CHECK(
        s[k] >= 1 && !__builtin_mul_overflow(elements, s[k], &elements) && elements < (int64_t{1} << 46), shape,
        where + " has an impossible shape " + shape_text(t) + ": sizes are at least 1, their product is below 2^46");
  BANDLIFT_CHECK(t.pitch >= t.c && t.pitch < (int64_t{1} << 31), shape,
                 where + " has pitch " + std::to_string(t.pitch) + " for " + std::to_string(t.c) +
                     " channels, expected at least as many and below 2^31");
  return t;
}

Instruction check_instruction(const InstructionDescription& d) {
  size_t code = 0;
  while (code < kOpcodeCount && d.op != kOpcodes[code].name) ++code;
  BANDLIFT_CHECK(code < kOpcodeCount, shape, "'" + d.label + "': there is no instruction '" + d.op + "'");
  const OpcodeInfo& info = kOpcodes[code];
  const std::string where = "'" + d.label + "' (" + d.op + ")";
  BANDLIFT_CHECK(
      d.params.size() == static_cast<size_t>(info.params), shape,
      where + ": " + std::to_string(d.params.size()) + " parameters, expected " + std::to_string(info.params));

  Instruction result = {static_cast<Opcode>(code), d.label, {}, {}};
  for (size_t k = 0; k < d.params.size(); ++k) {
    BANDLIFT_CHECK(std::isfinite(d.params[k]), shape, where + ": a parameter is not finite");
    result.params[k] = d.params[k];
  }
  const std::vector<Operand> operands = operands_of(result.op);
  const Tensor* image_type = nullptr;  // the first image: all others are of its type
  for (size_t k = 0; k < operands.size(); ++k) {
    const std::string operand = where + ": operand " + operands[k].name;
    BANDLIFT_CHECK(k < d.tensors.size(), shape, operand + " is missing");
    if (!d.tensors[k].present && operands[k].optional) continue;
    result.t[k] = check_tensor(d.tensors[k], operand);
    const DType found = result.t[k].dtype;
    if (result.op == Opcode::fill) continue;  // a fill may be of any type
    if (operands[k].is_image && found != DType::f64) {
      if (image_type == nullptr || result.op == Opcode::convert) image_type = &result.t[k];
      BANDLIFT_CHECK(found == image_type->dtype, dtype,
                     operand + " is " + type_name(found) + ", expected " + type_name(image_type->dtype) +
                         " as the images before it");
      continue;
    }
    const DType expected = operands[k].is_double ? DType::f64 : DType::f32;
    BANDLIFT_CHECK(found == expected, dtype, operand + " is " + type_name(found) + ", expected " + type_name(expected));
  }
  BANDLIFT_CHECK(
      operands.size() == d.tensors.size(), shape,
      where + ": " + std::to_string(d.tensors.size()) + " operands, expected " + std::to_string(operands.size()));
  check_shapes(result, where, operands);
  return result;
}

size_t workspace_bytes(Backend& backend, const InstructionDescription& description) {
  const Instruction i = check_instruction(description);
  const Conv2dParams conv = {static_cast<int>(i.params[0]), static_cast<int>(i.params[1]), Activation::none,
                             static_cast<int>(i.params[3]), i.params[4] != 0};
  switch (i.op) {
    case Opcode::conv2d_forward:
      return backend.conv2d_forward_workspace(conv, i.t[0], i.t[4]);
    case Opcode::conv2d_backward_data:
      return backend.conv2d_backward_data_workspace(conv, i.t[0], i.t[4]);
    case Opcode::conv2d_backward_weights:
      return backend.conv2d_backward_weights_workspace(conv, i.t[0], i.t[1]);
    case Opcode::softmax_mixing_backward:
      return backend.softmax_mixing_backward_workspace(i.t[0], i.t[1]);
    case Opcode::resample:
      return backend.resample_workspace(i.t[0], i.t[1], i.t[4]);
    case Opcode::spectral_loss:
      return backend.spectral_loss_workspace(i.t[0]);
    case Opcode::spectral_metrics:
      return backend.spectral_metrics_workspace(i.t[0]);
    case Opcode::normal_equations:
      return backend.normal_equations_workspace(i.t[0], i.t[1]);
    case Opcode::count_values:
      return backend.count_values_workspace(i.t[3], i.t[4]);
    case Opcode::grad_norm:
      return backend.grad_norm_workspace(i.t[0]);
    default:
      return 0;
  }
}

}  // namespace bandlift
