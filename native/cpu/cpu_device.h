// Which instruction sets this processor has, and the backend for one of them. Compiled once (not per instruction set).
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "backend.h"
#include "cpu/thread_pool.h"

namespace bandlift {

enum class Isa { baseline, avx2, avx512 };

// Best first; `baseline` is always last.
std::vector<Isa> available_isas();
std::string isa_name(Isa isa);
std::string cpu_name();
// Physical cores within this process's affinity mask and cgroup limit.
int physical_cores();
// Throws Error(device) if this processor or build lacks it.
std::unique_ptr<Backend> make_cpu_backend(Isa isa, ThreadPool& pool);

}  // namespace bandlift
