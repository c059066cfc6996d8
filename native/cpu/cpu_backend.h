// The CPU device, once per instruction set (isa.h). Member functions of operator <op> are defined in
// native/ops/<op>/<op>_cpu.cpp.
#pragma once
#include "backend.h"
#include "cpu/isa.h"
#include "cpu/thread_pool.h"

namespace bandlift::BANDLIFT_ISA {

class CpuBackend final : public Backend {
 public:
  explicit CpuBackend(ThreadPool& pool) : pool_(pool) {}

  BANDLIFT_OPS(BANDLIFT_OVERRIDE, BANDLIFT_OVERRIDE_WITH_WORKSPACE)

 private:
  ThreadPool& pool_;
};

}  // namespace bandlift::BANDLIFT_ISA
