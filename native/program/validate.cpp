// What must hold before an instruction may run: known name, right operands; shapes that fit together are the business of
// each operator (native/ops).
#include <cmath>

#include "core/error.h"
#include "program/checker.h"
#include "program/dispatch.h"
#include "program/program.h"

namespace bandlift {

namespace {

const char* type_name(DType type) {
  return type == DType::f64 ? "f64" : type == DType::f32 ? "f32" : type == DType::f16 ? "f16" : "bf16";
}

void check_shapes(Opcode op, const Checker& c) {
  switch (op) {
#define BANDLIFT_CASE(name, ...) \
  case Opcode::name:             \
    return check_##name(c);
    BANDLIFT_OPS(BANDLIFT_CASE, BANDLIFT_CASE)
#undef BANDLIFT_CASE
  }
}

}  // namespace

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
  while (code < opcodes().size() && d.op != opcodes()[code].name) ++code;
  BANDLIFT_CHECK(code < opcodes().size(), shape, "'" + d.label + "': there is no instruction '" + d.op + "'");
  const OpcodeInfo& info = opcodes()[code];
  const std::string where = "'" + d.label + "' (" + d.op + ")";
  BANDLIFT_CHECK(
      d.params.size() == static_cast<size_t>(info.params), shape,
      where + ": " + std::to_string(d.params.size()) + " parameters, expected " + std::to_string(info.params));

  Instruction result = {static_cast<Opcode>(code), d.label, {}, {}};
  for (size_t k = 0; k < d.params.size(); ++k) {
    BANDLIFT_CHECK(std::isfinite(d.params[k]), shape, where + ": a parameter is not finite");
    result.params[k] = d.params[k];
  }
  const std::vector<Operand>& operands = info.operands;
  const Tensor* image_type = nullptr;  // the first image: all others are of its type
  for (size_t k = 0; k < operands.size(); ++k) {
    const std::string operand = where + ": operand " + operands[k].name;
    BANDLIFT_CHECK(k < d.tensors.size(), shape, operand + " is missing");
    if (!d.tensors[k].present && operands[k].optional) continue;
    result.t[k] = check_tensor(d.tensors[k], operand);
    const DType found = result.t[k].dtype;
    if (operands[k].any_type && !operands[k].is_image) continue;
    if (operands[k].is_image && found != DType::f64) {
      if (image_type == nullptr || operands[k].any_type) image_type = &result.t[k];
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
  check_shapes(result.op, Checker(result, where, operands));
  return result;
}

size_t workspace_bytes(Backend& backend, const InstructionDescription& description) {
  const Instruction i = check_instruction(description);
  switch (i.op) {
#define BANDLIFT_NONE(name, ...) \
  case Opcode::name:             \
    return 0;
#define BANDLIFT_SIZE(name, ...) \
  case Opcode::name:             \
    return size_on(backend, &Backend::name##_workspace, i, info_of(i.op).workspace_depends_on);
    BANDLIFT_OPS(BANDLIFT_NONE, BANDLIFT_SIZE)
#undef BANDLIFT_NONE
#undef BANDLIFT_SIZE
  }
  return 0;
}

}  // namespace bandlift
