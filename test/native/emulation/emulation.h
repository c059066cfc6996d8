// What tests set and ask about the emulated GPU.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

namespace bandlift::emulation {

// In which order threads run between barriers, and blocks one after another: a result that depends on it is a race.
enum class Order { ascending, descending, shuffled };
void set_order(Order order, uint64_t seed = 1);

// A fresh machine: no allocations, streams or faults; the settings below at their defaults.
void reset();

void set_device_count(int count);                   // default 1; 0: cudaErrorNoDevice
void set_no_driver(bool missing);                   // every call: cudaErrorInsufficientDriver
void set_compute_capability(int major, int minor);  // default 9.0
void set_memory(size_t bytes);                      // of every device; default 16 GiB

// Why the last kernel or copy failed (cudaErrorLaunchFailure stays until reset()); empty where none did.
std::string last_fault();

// The name the next cudaLaunchKernel of this thread gets in fault texts; else it is looked up in the symbol table.
void name_next_launch(const std::string& name);

size_t allocated_bytes();   // device memory in use
size_t allocation_count();  // pieces of device and pinned host memory not freed yet
size_t launch_count();      // kernels run so far

}  // namespace bandlift::emulation
