// The table of instructions, made of the lines of native/ops/<op>/<op>.h. An instruction lies in the folder of its name
// without _forward or _backward..., but for:
//   activation_*, add, fill                                elementwise
//   global_mean_*, gate_*                                  spectral_attention
//   neighbourhood_bounds, clamp_*, count_clamped           bounds
//   grad_norm, adam                                        optimizer
#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include "backend.h"

namespace bandlift {

enum class Opcode : int {
#define BANDLIFT_NAME(name, ...) name,
  BANDLIFT_OPS(BANDLIFT_NAME, BANDLIFT_NAME)
#undef BANDLIFT_NAME
};

// One operand: its name and what its kind (class Backend) says.
struct Operand {
  std::string name;
  bool optional = false, is_double = false, is_image = false;
  bool any_type = false;  // need not be of one type with other images, or of any type at all
};

struct OpcodeInfo {
  const char* name;
  std::vector<Operand> operands;          // in the order of the method; a workspace comes last
  std::vector<int> workspace_depends_on;  // operands that <name>_workspace takes, in its order
  int params;                             // scalar parameters
};

// By Opcode.
const std::vector<OpcodeInfo>& opcodes();
const OpcodeInfo& info_of(Opcode op);

}  // namespace bandlift
