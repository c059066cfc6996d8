// Stands before NVIDIA's header of this name on the include path of the emulated build: the same CUDA sources compile
// as C++20 and run on the CPU. Written for tests; holds what bandlift uses, with CUDA 12's names and signatures.
#pragma once
#include "device.h"
#include "runtime_api.h"
