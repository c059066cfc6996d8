// THE CONTRACT: everything a device must be able to compute, one pure virtual per instruction. Read this first.
//
// An instruction is one line of native/ops/<op>/<op>.h, below its formula: name and operands, each with its kind. From
// that line come the virtual below, the overrides of both devices, the enum, the table of operands and the dispatch
// (native/program/opcodes.h). The file also holds the check of its shapes, check_<instruction>. The CPU twin is
// <op>_cpu.cpp, the CUDA twin <op>_cuda.cu, in the same folder. A device that lacks an instruction does not link; an
// instruction without a check does not compile. CMake finds the folders and writes ops/ops.h (cmake/ops.cmake).
//
// Rules for every implementation:
// - inputs first, outputs last; an absent optional operand is a Tensor with null data;
// - results do not depend on the number of threads (fixed partition, fixed order of reduction);
// - no allocation while running: scratch memory is the `workspace` operand, sized by workspace_bytes();
// - gradients of parameters ACCUMULATE (dw += ...), so that micro-batches add up; all other outputs are overwritten;
// - images (x, y, residual, mask, logits, ... and their gradients) have the device's storage type: f32, on CUDA also
//   f16 and bf16, all images of one instruction the same. Parameters, their gradients, tables, targets, masks of pixels
//   and bands, gates and means ([n,1,1,c]) are f32. Arithmetic is f32 or wider, rounded once where it is stored;
// - an output may alias an input of the same shape where the operator's comment says "in place".
//
// The word OP stands for an instruction without scratch memory. OP_WITH_WORKSPACE(name, (what its size depends on),
// operands ...) has a last operand Tensor workspace besides, of <name>_workspace(what its size depends on) bytes.
#pragma once
#include <cstddef>

#include "core/tensor.h"
#include "ops/ops.h"

namespace bandlift {

class Backend {
 public:
  virtual ~Backend() = default;

  // Kinds of operands: how program/opcodes.cpp reads the lines of native/ops. Maybe: it may be absent.
  using Image = Tensor;  // of the device's storage type, all of one instruction alike
  using MaybeImage = Tensor;
  using AnyImage = Tensor;  // of any storage type
  using Numbers = Tensor;   // f32
  using MaybeNumbers = Tensor;
  using AnyNumbers = Tensor;  // of any type
  using Doubles = Tensor;     // f64
  using MaybeDoubles = Tensor;

#define BANDLIFT_VIRTUAL(name, ...) virtual void name(__VA_ARGS__) = 0;
#define BANDLIFT_VIRTUAL_WITH_WORKSPACE(name, size, ...) \
  virtual void name(__VA_ARGS__, Tensor workspace) = 0;  \
  virtual size_t name##_workspace size const = 0;
  BANDLIFT_OPS(BANDLIFT_VIRTUAL, BANDLIFT_VIRTUAL_WITH_WORKSPACE)
#undef BANDLIFT_VIRTUAL
#undef BANDLIFT_VIRTUAL_WITH_WORKSPACE
};

// For the class of a device: BANDLIFT_OPS(BANDLIFT_OVERRIDE, BANDLIFT_OVERRIDE_WITH_WORKSPACE).
#define BANDLIFT_OVERRIDE(name, ...) void name(__VA_ARGS__) override;
#define BANDLIFT_OVERRIDE_WITH_WORKSPACE(name, size, ...) \
  void name(__VA_ARGS__, Tensor workspace) override;      \
  size_t name##_workspace size const override;

}  // namespace bandlift
