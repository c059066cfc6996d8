// What must hold before an instruction may run: known name, right operands, shapes that fit together.
#include <cmath>
#include <cstring>

#include "core/error.h"
#include "program/program.h"

namespace bandlift {

namespace {

std::string shape_text(const Tensor& t) {
  return "[" + std::to_string(t.n) + "," + std::to_string(t.h) + "," + std::to_string(t.w) + "," + std::to_string(t.c) +
         "]";
}

class Checker {
 public:
  Checker(const Instruction& i, const OpcodeInfo& info) : i_(i), where_("'" + i.label + "' (" + info.name + ")") {
    const char* text = info.operands;
    while (*text) {
      const char* end = text;
      while (*end && *end != ' ') ++end;
      names_.emplace_back(text, end);
      while (!names_.back().empty() && std::strchr("*?", names_.back().back())) names_.back().pop_back();
      text = *end ? end + 1 : end;
    }
  }

  // Operand k has this shape, if it is there.
  void shape(int k, int64_t n, int64_t h, int64_t w, int64_t c) const {
    const Tensor& t = i_.t[k];
    if (!present(k)) return;
    const Tensor expected = {nullptr, t.dtype, n, h, w, c, c};
    BANDLIFT_CHECK(t.n == n && t.h == h && t.w == w && t.c == c, shape,
                   where_ + ": " + names_[k] + " has shape " + shape_text(t) + ", expected " + shape_text(expected));
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
  void count(int k, int64_t elements) const {
    const Tensor& t = i_.t[k];
    if (!present(k)) return;
    BANDLIFT_CHECK(t.elements() == elements && t.pitch == t.c, shape,
                   where_ + ": " + names_[k] + " has " + std::to_string(t.elements()) + " numbers, expected " +
                       std::to_string(elements) + " without padding");
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
  bool present(int k) const { return i_.t[k].n > 0; }
  const Tensor& t(int k) const { return i_.t[k]; }

 private:
  const Instruction& i_;
  std::string where_;
  std::vector<std::string> names_;
};

void check_conv(const Checker& c, int x, int y, int w) {
  c.odd(0, "kernel height");
  c.odd(1, "kernel width");
  c.integer(2, 0, 3, "activation");
  c.pixels_like(y, x);
  (void)w;
}

void check_shapes(const Instruction& i, const OpcodeInfo& info) {
  const Checker c(i, info);
  const int64_t kernel = static_cast<int64_t>(i.params[0]) * static_cast<int64_t>(i.params[1]);
  switch (i.op) {
    case Opcode::conv2d_forward:
      check_conv(c, 0, 4, 1);
      c.count(1, c.t(4).c * c.t(0).c * kernel);
      c.count(2, c.t(4).c);
      c.like(3, 4);
      break;
    case Opcode::conv2d_backward_data:
      check_conv(c, 0, 4, 1);
      c.count(1, c.t(0).c * c.t(4).c * kernel);
      c.like(2, 4);
      c.like(3, 4);
      break;
    case Opcode::conv2d_backward_weights:
      check_conv(c, 0, 1, 2);
      c.count(2, c.t(1).c * c.t(0).c * kernel);
      c.count(3, c.t(1).c);
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
      c.count(1, c.t(0).c * c.t(3).c);
      c.like(2, 0);
      c.pixels_like(3, 0);
      break;
    case Opcode::softmax_mixing_backward:
      c.pixels_like(1, 0);
      c.count(2, c.t(1).c * c.t(0).c);
      c.like(3, 1);
      c.count(4, c.t(1).c * c.t(0).c);
      break;
    case Opcode::quadratic_features_forward:
      c.shape(1, c.t(0).n, c.t(0).h, c.t(0).w, c.t(0).c + c.t(0).c * (c.t(0).c + 1) / 2);
      break;
    case Opcode::quadratic_features_backward:
      c.shape(0, c.t(1).n, c.t(1).h, c.t(1).w, c.t(1).c + c.t(1).c * (c.t(1).c + 1) / 2);
      c.like(2, 1);
      break;
    case Opcode::spectral_loss:
      c.like(1, 0);
      c.shape(2, c.t(0).n, c.t(0).h, c.t(0).w, 1);
      c.count(3, c.t(0).c);
      c.count(4, 1);
      c.count(5, kLossTermCount);
      c.like(6, 0);
      break;
    case Opcode::spectral_metrics:
      c.like(1, 0);
      c.shape(2, c.t(0).n, c.t(0).h, c.t(0).w, 1);
      c.count(3, c.t(0).c);
      c.count(4, c.t(0).c);
      c.count(5, 6 + 5 * c.t(0).c);
      break;
    case Opcode::normal_equations:
      c.pixels_like(1, 0);
      c.shape(2, c.t(0).n, c.t(0).h, c.t(0).w, 1);
      c.count(3, (c.t(0).c + 1) * (c.t(0).c + 1));
      c.count(4, (c.t(0).c + 1) * c.t(1).c);
      break;
    case Opcode::grad_norm:
      c.count(0, c.t(0).elements());
      c.count(1, 1);
      c.count(2, kScalarCount);
      break;
    case Opcode::adam:
      c.count(0, c.t(0).elements());
      c.count(1, kScalarCount);
      for (int k = 2; k <= 5; ++k) c.count(k, c.t(0).elements());
      break;
  }
}

}  // namespace

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
  size_t operand = 0;
  for (const char* text = info.operands; *text; ++operand) {
    const char* end = text;
    while (*end && *end != ' ') ++end;
    const std::string spec(text, end);
    text = *end ? end + 1 : end;
    const bool optional = spec.find('?') != std::string::npos, is_double = spec.find('*') != std::string::npos;
    const std::string name = spec.substr(0, spec.find_first_of("*?"));
    BANDLIFT_CHECK(operand < d.tensors.size(), shape, where + ": operand " + name + " is missing");
    const TensorRef& ref = d.tensors[operand];
    if (!ref.present) {
      BANDLIFT_CHECK(optional, shape, where + ": operand " + name + " must not be null");
      continue;
    }
    // gradient sums and fills may be of either type; everything else is fixed
    const DType expected = is_double ? DType::f64 : DType::f32;
    BANDLIFT_CHECK(ref.dtype == expected || result.op == Opcode::fill, dtype,
                   where + ": operand " + name + " is " + (ref.dtype == DType::f64 ? "f64" : "f32") + ", expected " +
                       (is_double ? "f64" : "f32"));
    Tensor& t = result.t[operand];
    t.dtype = ref.dtype;
    int64_t elements = 1;
    for (int64_t side : ref.shape) {
      BANDLIFT_CHECK(side >= 1 && !__builtin_mul_overflow(elements, side, &elements) && elements < (int64_t{1} << 46),
                     shape, where + ": operand " + name + " has an impossible shape");
    }
    BANDLIFT_CHECK(ref.pitch >= ref.shape[3] && ref.pitch < (int64_t{1} << 31), shape,
                   where + ": operand " + name + " has pitch " + std::to_string(ref.pitch) + " for " +
                       std::to_string(ref.shape[3]) + " channels");
    t.n = ref.shape[0], t.h = ref.shape[1], t.w = ref.shape[2], t.c = ref.shape[3], t.pitch = ref.pitch;
  }
  BANDLIFT_CHECK(operand == d.tensors.size(), shape,
                 where + ": " + std::to_string(d.tensors.size()) + " operands, expected " + std::to_string(operand));
  check_shapes(result, info);
  return result;
}

size_t workspace_bytes(Backend& backend, const InstructionDescription& description) {
  const Instruction i = check_instruction(description);
  const Conv2dParams conv = {static_cast<int>(i.params[0]), static_cast<int>(i.params[1]), Activation::none};
  switch (i.op) {
    case Opcode::conv2d_forward:
      return backend.conv2d_forward_workspace(conv, i.t[0], i.t[4]);
    case Opcode::conv2d_backward_data:
      return backend.conv2d_backward_data_workspace(conv, i.t[0], i.t[4]);
    case Opcode::conv2d_backward_weights:
      return backend.conv2d_backward_weights_workspace(conv, i.t[0], i.t[1]);
    case Opcode::softmax_mixing_backward:
      return backend.softmax_mixing_backward_workspace(i.t[0], i.t[1]);
    case Opcode::spectral_loss:
      return backend.spectral_loss_workspace(i.t[0]);
    case Opcode::spectral_metrics:
      return backend.spectral_metrics_workspace(i.t[0]);
    case Opcode::normal_equations:
      return backend.normal_equations_workspace(i.t[0], i.t[1]);
    case Opcode::grad_norm:
      return backend.grad_norm_workspace(i.t[0]);
    default:
      return 0;
  }
}

}  // namespace bandlift
