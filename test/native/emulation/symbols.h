// What the program's own symbol table says of a kernel: its name, and the arrays it declares __shared__.
#pragma once
#include <cstddef>
#include <string>
#include <vector>

namespace bandlift::emulation {

struct Bytes {
  unsigned char* start;
  size_t count;
};

struct KernelSymbol {
  std::string name;           // as in the source, without parameters; empty where the table is stripped
  std::vector<Bytes> shared;  // its static variables; those of functions it calls are not known
};

// Looked up once for each kernel.
const KernelSymbol& kernel_symbol(const void* kernel);

}  // namespace bandlift::emulation
