// The one symbol each instruction set's backend exports (see cpu_device.h).
#include "cpu/cpu_backend.h"

namespace bandlift {
#define BANDLIFT_CONCAT_(a, b) a##b
#define BANDLIFT_CONCAT(a, b) BANDLIFT_CONCAT_(a, b)
Backend* BANDLIFT_CONCAT(make_, BANDLIFT_ISA)(ThreadPool& pool) {
  return new BANDLIFT_ISA::CpuBackend(pool);
}
}  // namespace bandlift
