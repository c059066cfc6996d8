// The CPU backend is compiled once per instruction set, from the same plain sources, and the best one is chosen at run
// time (never -march=native). Every file below native/cpu/ and native/ops/*/*_cpu.cpp that holds kernels is compiled
// with BANDLIFT_ISA = cpu_baseline, cpu_avx2 or cpu_avx512 and the matching flags (CMakeLists.txt), and puts its code
// in
//   namespace bandlift::BANDLIFT_ISA { ... }
// Such files must not instantiate templates of the standard library that could become weak symbols (std::vector,
// std::function, ...): the linker could keep the AVX-512 copy for everybody. scripts/check_isa_symbols.mjs looks.
#pragma once

#ifndef BANDLIFT_ISA
#error "compile this file through the bandlift_cpu_* targets"
#endif

namespace bandlift::BANDLIFT_ISA {

// Floats in one vector register.
#if defined(__AVX512F__)
inline constexpr int kLanes = 16;
#elif defined(__AVX2__)
inline constexpr int kLanes = 8;
#else
inline constexpr int kLanes = 4;
#endif

// Portable vector type (GCC and Clang vector extensions): + - * compile to one instruction, a * b + c to an FMA.
// It is aligned as a register is: where registers run out the compiler spills it with aligned moves.
typedef float vfloat __attribute__((vector_size(kLanes * sizeof(float))));
// The same vector among floats in memory (simd.h), which start anywhere. Only to load and store through: variables of
// this type lie at multiples of 4 bytes on the stack, and Clang (16) then spills them with aligned moves, which fault.
typedef float vfloat_in_memory __attribute__((vector_size(kLanes * sizeof(float)), aligned(4), may_alias));

}  // namespace bandlift::BANDLIFT_ISA
