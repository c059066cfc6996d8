#include "program/opcodes.h"

#include <string_view>
#include <type_traits>

namespace bandlift {

namespace {

struct Kind {
  std::string_view word;
  bool optional, is_double, is_image, any_type;
};

constexpr Kind kKinds[] = {
    {"Image", false, false, true, false},        {"MaybeImage", true, false, true, false},
    {"AnyImage", false, false, true, true},      {"Numbers", false, false, false, false},
    {"MaybeNumbers", true, false, false, false}, {"Doubles", false, true, false, false},
    {"MaybeDoubles", true, true, false, false},  {"AnyNumbers", false, false, false, true},
};

// The operands in a list of arguments as it is written, "Conv2dParams p, Image x, ...". What is of no kind of operand is
// the struct of parameters.
std::vector<Operand> operands_in(std::string_view arguments) {
  std::vector<Operand> operands;
  while (!arguments.empty()) {
    const size_t comma = arguments.find(',');
    const std::string_view argument = arguments.substr(0, comma);
    const size_t first = argument.find_first_not_of(' '), space = argument.rfind(' ');
    for (const Kind& kind : kKinds)
      if (argument.substr(first, space - first) == kind.word)
        operands.push_back(
            {std::string(argument.substr(space + 1)), kind.optional, kind.is_double, kind.is_image, kind.any_type});
    if (comma == std::string_view::npos) break;
    arguments.remove_prefix(comma + 1);
  }
  return operands;
}

template <typename P>
constexpr int params_of() {
  if constexpr (std::is_same_v<P, Tensor>)
    return 0;
  else
    return Parameters<P>::kCount;
}
template <typename P, typename... Operands>
constexpr int count_params(void (Backend::*)(P, Operands...)) {
  return params_of<P>();
}

OpcodeInfo plain(const char* name, const char* arguments, int params) {
  return {name, operands_in(arguments), {}, params};
}

// `size` is written with its brackets.
OpcodeInfo with_workspace(const char* name, std::string_view size, const char* arguments, int params) {
  OpcodeInfo info = plain(name, arguments, params);
  for (const Operand& wanted : operands_in(size.substr(1, size.size() - 2)))
    for (size_t k = 0; k < info.operands.size(); ++k)
      if (info.operands[k].name == wanted.name) info.workspace_depends_on.push_back(static_cast<int>(k));
  info.operands.push_back({"workspace", true});
  return info;
}

}  // namespace

const std::vector<OpcodeInfo>& opcodes() {
  static const std::vector<OpcodeInfo> table = {
#define BANDLIFT_ROW(name, ...) plain(#name, #__VA_ARGS__, count_params(&Backend::name)),
#define BANDLIFT_ROW_WITH_WORKSPACE(name, size, ...) \
  with_workspace(#name, #size, #__VA_ARGS__, count_params(&Backend::name)),
      BANDLIFT_OPS(BANDLIFT_ROW, BANDLIFT_ROW_WITH_WORKSPACE)
#undef BANDLIFT_ROW
#undef BANDLIFT_ROW_WITH_WORKSPACE
  };
  return table;
}

const OpcodeInfo& info_of(Opcode op) {
  return opcodes()[static_cast<size_t>(op)];
}

}  // namespace bandlift
