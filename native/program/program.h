// A flat list of instructions over given buffers: checked once when compiled, then run as often as wanted.
#pragma once
#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "program/device.h"
#include "program/opcodes.h"

namespace bandlift {

inline constexpr int kMaxOperands = 8, kMaxParams = 5;

// A view into one of the program's buffers, as TypeScript describes it (src/compiler/program_types.ts).
struct TensorRef {
  bool present = false;
  int64_t buffer = 0, offset = 0;  // offset in bytes
  DType dtype = DType::f32;
  int64_t shape[4] = {0, 0, 0, 0};
  int64_t pitch = 0;
};

struct InstructionDescription {
  std::string op, label;
  std::vector<TensorRef> tensors;
  std::vector<double> params;
};

struct ProgramDescription {
  std::vector<InstructionDescription> instructions;
  std::vector<std::pair<std::string, TensorRef>> inputs, outputs;
};

// An instruction whose operands were checked against each other.
struct Instruction {
  Opcode op;
  std::string label;
  Tensor t[kMaxOperands];
  double params[kMaxParams];
};

// ---- validate.cpp ----

std::string shape_text(const Tensor& t);
// Kind and shape of one tensor, as far as they can be judged alone; the data pointer stays null.
Tensor check_tensor(const TensorRef& ref, const std::string& where);
// Checks name, number, kinds and shapes of the operands; data pointers stay null.
Instruction check_instruction(const InstructionDescription& description);

// One copy from or to memory of the caller.
struct HostArray {
  void* data;
  size_t bytes;
};

class Program {
 public:
  // Throws Error(shape | dtype) naming instruction and operand, what was found and what was expected.
  Program(std::shared_ptr<Device> device, std::vector<std::shared_ptr<Buffer>> buffers,
          const ProgramDescription& description);

  // On the device's thread: copies inputs, runs, copies outputs. `asked` is aborts() when the run was asked for;
  // Error(aborted) when abort() was called since.
  void run(const std::vector<HostArray>& inputs, const std::vector<HostArray>& outputs, int64_t asked);
  // Ends the current and all queued runs before their next instruction.
  void abort() { ++aborts_; }
  int64_t aborts() const { return aborts_; }

  size_t input_count() const { return inputs_.size(); }
  size_t output_count() const { return outputs_.size(); }
  // Throws Error(shape) unless the i-th input (output) takes exactly `bytes`.
  void check_input(size_t i, size_t bytes) const;
  void check_output(size_t i, size_t bytes) const;
  const std::shared_ptr<Device>& device() const { return device_; }

  struct Timing {
    std::string label, op;
    double seconds;
  };
  // Of the last run; empty unless BANDLIFT_PROFILE was 1 when the program was compiled.
  std::vector<Timing> profile() const;
  // Why the runs from the second one on are not one recording, on a device that records; else empty.
  std::string unrecorded() const;

 private:
  struct Port {
    std::string name;
    Tensor tensor;
    size_t buffer, offset, bytes;
  };

  void check_abort(int64_t asked) const;
  std::vector<double> compute(const std::vector<HostArray>& inputs, const std::vector<HostArray>& outputs,
                              int64_t asked);
  void record();
  std::vector<double> run_each(int64_t asked);  // seconds of each instruction when profiling
  void execute_one(size_t i);
  void execute(const Instruction& i);
  void finish();
  std::string named(size_t i, const char* message) const;

  std::shared_ptr<Device> device_;
  std::vector<std::shared_ptr<Buffer>> buffers_;
  std::vector<Instruction> instructions_;
  std::vector<Port> inputs_, outputs_;
  int64_t runs_ = 0;
  std::unique_ptr<Recording> recording_;
  std::atomic<int64_t> aborts_{0};
  bool profiling_;
  std::string unrecorded_;
  mutable std::mutex profile_mutex_;  // profile() and unrecorded() are asked from the caller's thread
  std::vector<double> seconds_;
};

// Scratch bytes that the instruction wants as its last operand. Throws as compiling would.
size_t workspace_bytes(Backend& backend, const InstructionDescription& description);

}  // namespace bandlift
