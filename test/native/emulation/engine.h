// What the device language (device.h, mma.h) asks of the machine that runs kernels (engine.cpp): threads of a block are
// fibers of one OS thread, blocks run one after another.
#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include "symbols.h"
#include "vector_types.h"

// Of the thread that runs now. Plain globals: only one kernel runs at a time, and every switch of fibers sets them.
inline uint3 threadIdx, blockIdx;
inline dim3 blockDim, gridDim;
inline constexpr int warpSize = 32;

// The launch's dynamic shared memory: exactly its bytes, all 0xff at the start of every block.
void* bandlift_emulated_shared();

namespace bandlift::emulation {

// Where the source calls a barrier: threads that wait at different places have diverged.
struct Site {
  const char* file;
  int line;
};

// Waits until every thread of the block has called it from the same place; the number of nonzero predicates.
unsigned barrier(bool predicate, Site site);

// Waits until all lanes of `mask` that have not returned have called it with the same mask and `complete`; the last one
// runs complete(payloads by lane, lanes that came), which reads and writes what the waiting lanes point at.
using Complete = void (*)(void* const payloads[32], unsigned lanes);
void meet(unsigned mask, Complete complete, void* payload, Site site);

inline int current = 0;  // linear index in its block of the thread that runs now
inline int lane_id() {
  return current % 32;
}

// Ends the kernel: the launch failed, last_fault() tells why. From host code it aborts the program.
[[noreturn]] void fault(const std::string& message);

struct Launch {
  dim3 grid, block;
  size_t shared = 0;
  void (*invoke)(const void* closure) = nullptr;  // runs the kernel's body for the current thread
  const void* closure = nullptr;
  std::string name;
  std::vector<Bytes> static_shared;  // 0xff at the start of every block, too
};

// Runs all blocks. The text of the fault, empty where all went well.
std::string run(const Launch& launch);

}  // namespace bandlift::emulation
