#include "symbols.h"

#include <cxxabi.h>
#include <dlfcn.h>
#include <elf.h>
#include <link.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <map>

namespace bandlift::emulation {
namespace {

struct Symbol {
  uintptr_t address;
  size_t bytes;
  std::string name;
};

// Functions and writable variables of one file, at their addresses in memory.
struct Table {
  std::map<uintptr_t, std::string> functions;
  std::vector<Symbol> variables;  // by name
};

template <typename T>
std::vector<T> read(std::ifstream& file, uint64_t offset, uint64_t bytes) {
  std::vector<T> all(bytes / sizeof(T));
  file.seekg(static_cast<std::streamoff>(offset));
  file.read(reinterpret_cast<char*>(all.data()), static_cast<std::streamsize>(all.size() * sizeof(T)));
  return all;
}

Table read_table(const std::string& path, uintptr_t base) {
  Table table;
  std::ifstream file(path, std::ios::binary);
  const auto headers = read<ElfW(Ehdr)>(file, 0, sizeof(ElfW(Ehdr)));
  if (!file) return table;
  const auto sections = read<ElfW(Shdr)>(file, headers[0].e_shoff, uint64_t{headers[0].e_shnum} * sizeof(ElfW(Shdr)));
  for (const ElfW(Shdr) & section : sections) {
    if (section.sh_type != SHT_SYMTAB || section.sh_link >= sections.size()) continue;
    const ElfW(Shdr)& strings = sections[section.sh_link];
    auto text = read<char>(file, strings.sh_offset, strings.sh_size);
    text.push_back('\0');
    for (const ElfW(Sym) & symbol : read<ElfW(Sym)>(file, section.sh_offset, section.sh_size)) {
      if (symbol.st_name >= text.size() || symbol.st_shndx == SHN_UNDEF || symbol.st_shndx >= sections.size()) continue;
      const char* name = text.data() + symbol.st_name;
      const auto type = symbol.st_info & 0xf;
      if (type == STT_FUNC) table.functions[base + symbol.st_value] = name;
      if (type == STT_OBJECT && (sections[symbol.st_shndx].sh_flags & SHF_WRITE))
        table.variables.push_back({base + symbol.st_value, symbol.st_size, name});
    }
  }
  std::sort(table.variables.begin(), table.variables.end(),
            [](const Symbol& a, const Symbol& b) { return a.name < b.name; });
  return table;
}

// Of the file that holds the address; read once.
const Table& table_of(const void* address) {
  static std::map<uintptr_t, Table> tables;
  static const Table none;
  Dl_info info;
  if (dladdr(address, &info) == 0) return none;
  const auto base = reinterpret_cast<uintptr_t>(info.dli_fbase);
  const auto known = tables.find(base);
  if (known != tables.end()) return known->second;
  std::string path = info.dli_fname;
  if (!std::ifstream(path)) path = "/proc/self/exe";  // a program started by a relative path that has changed folder
  return tables[base] = read_table(path, base);
}

// Drops parameters and the return type that names of templates carry.
std::string plain_name(const std::string& mangled) {
  int status = 0;
  char* text = abi::__cxa_demangle(mangled.c_str(), nullptr, nullptr, &status);
  std::string name = status == 0 ? text : mangled;
  std::free(text);
  if (name.rfind("void ", 0) == 0) name.erase(0, 5);
  const std::string hidden = "(anonymous namespace)::";
  for (size_t at; (at = name.find(hidden)) != std::string::npos;) name.erase(at, hidden.size());
  int depth = 0;
  for (size_t i = 0; i < name.size(); ++i) {
    depth += name[i] == '<' ? 1 : name[i] == '>' ? -1 : 0;
    if (name[i] == '(' && depth == 0) name.resize(i);
  }
  return name;
}

}  // namespace

const KernelSymbol& kernel_symbol(const void* kernel) {
  static std::map<const void*, KernelSymbol> known;
  const auto it = known.find(kernel);
  if (it != known.end()) return it->second;
  KernelSymbol& fresh = known[kernel];
  const Table& table = table_of(kernel);
  const auto function = table.functions.find(reinterpret_cast<uintptr_t>(kernel));
  if (function == table.functions.end()) return fresh;
  fresh.name = plain_name(function->second);
  // _Z<function> has its static variables at _ZZ<function>E<name>
  const std::string start = "_ZZ" + function->second.substr(std::min<size_t>(2, function->second.size())) + "E";
  for (auto at = std::lower_bound(table.variables.begin(), table.variables.end(), start,
                                  [](const Symbol&s, const std::string&name) { return s.name < name; });
       at != table.variables.end() && at->name.rfind(start, 0) == 0; ++at)
    fresh.shared.push_back({reinterpret_cast<unsigned char*>(at->address), at->bytes});
  return fresh;
}

}  // namespace bandlift::emulation
