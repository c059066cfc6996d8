#include "program/program.h"

#include <chrono>
#include <cstdlib>
#include <string_view>

#include "core/error.h"
#include "program/dispatch.h"

namespace bandlift {

namespace {

// Points a checked tensor at its bytes, after making sure that all of them lie inside the buffer. `padded`: the last
// pixel has its padding too.
void resolve(Tensor& t, const TensorRef& ref, size_t alignment, bool padded,
             const std::vector<std::shared_ptr<Buffer>>& buffers, const std::string& where) {
  BANDLIFT_CHECK(ref.buffer >= 0 && static_cast<size_t>(ref.buffer) < buffers.size(), shape,
                 where + ": buffer " + std::to_string(ref.buffer) + " of " + std::to_string(buffers.size()));
  const Buffer& buffer = *buffers[static_cast<size_t>(ref.buffer)];
  int64_t end = 0;
  const bool overflow = __builtin_mul_overflow(t.pixels() - 1, t.pitch, &end) ||
                        __builtin_add_overflow(end, padded ? t.pitch : t.c, &end) ||
                        __builtin_mul_overflow(end, static_cast<int64_t>(element_bytes(t.dtype)), &end) ||
                        __builtin_add_overflow(end, ref.offset, &end);
  const bool aligned = ref.offset % static_cast<int64_t>(alignment) == 0;
  BANDLIFT_CHECK(!overflow && ref.offset >= 0 && aligned && end <= static_cast<int64_t>(buffer.bytes()), shape,
                 where + ": bytes " + std::to_string(ref.offset) + " to " +
                     (overflow ? std::string("2^63") : std::to_string(end)) + " of a buffer of " +
                     std::to_string(buffer.bytes()) + " bytes" +
                     (aligned ? std::string() : ", expected an offset that " + std::to_string(alignment) + " divides"));
  t.data = buffer.data() + ref.offset;
}

// In place a result is written where an operand of its shape is read: pixel by pixel, so both need the same pitch.
void check_in_place(const Instruction& i, const std::vector<Operand>& operands, const std::string& where) {
  for (size_t k = 1; k < operands.size(); ++k)
    for (size_t j = 0; j < k; ++j) {
      const Tensor &a = i.t[j], &b = i.t[k];
      if (!operands[j].is_image || !operands[k].is_image || !a || a.data != b.data || a.dtype != b.dtype) continue;
      if (a.n != b.n || a.h != b.h || a.w != b.w || a.c != b.c || a.pixels() == 1) continue;
      BANDLIFT_CHECK(a.pitch == b.pitch, shape,
                     where + ": " + operands[j].name + " and " + operands[k].name + " are the same memory with pitch " +
                         std::to_string(a.pitch) + " and " + std::to_string(b.pitch) + ", expected the same pitch");
    }
}

bool profile_asked() {
  const char* value = std::getenv("BANDLIFT_PROFILE");
  return value != nullptr && std::string_view(value) == "1";
}

}  // namespace

Program::Program(std::shared_ptr<Device> device, std::vector<std::shared_ptr<Buffer>> buffers,
                 const ProgramDescription& description)
    : device_(std::move(device)), buffers_(std::move(buffers)), profiling_(profile_asked()) {
  const bool padded = device_->info().row_bytes > 1;
  for (const InstructionDescription& d : description.instructions) {
    Instruction i = check_instruction(d);
    const std::string where = "'" + d.label + "' (" + d.op + ")";
    const std::vector<Operand>& operands = info_of(i.op).operands;
    for (size_t k = 0; k < operands.size(); ++k) {
      if (!d.tensors[k].present) continue;
      // a workspace holds doubles too, whatever its type says
      const size_t alignment =
          operands[k].name == "workspace" ? sizeof(double) : static_cast<size_t>(element_bytes(i.t[k].dtype));
      const std::string operand = where + ", operand " + std::to_string(k) + " (" + operands[k].name + ")";
      const DType type = i.t[k].dtype;
      BANDLIFT_CHECK((type == DType::f64 && !operands[k].is_image) || device_->stores(type), dtype,
                     operand + " is of a type that this device does not store images in");
      resolve(i.t[k], d.tensors[k], alignment, padded, buffers_, operand);
    }
    check_in_place(i, operands, where);
    const size_t wanted = workspace_bytes(device_->backend(), d);
    if (wanted > 0) {
      const Tensor& space = i.t[d.tensors.size() - 1];
      const size_t given = space ? static_cast<size_t>(space.elements() * element_bytes(space.dtype)) : 0;
      BANDLIFT_CHECK(given >= wanted, shape,
                     where + ": workspace of " + std::to_string(given) + " bytes, expected " + std::to_string(wanted));
    }
    instructions_.push_back(std::move(i));
  }
  const auto port = [this, padded](const std::pair<std::string, TensorRef>& from) {
    const TensorRef& ref = from.second;
    Tensor t = check_tensor(ref, "'" + from.first + "'");
    resolve(t, ref, static_cast<size_t>(element_bytes(t.dtype)), padded, buffers_, "'" + from.first + "'");
    BANDLIFT_CHECK(t.dtype == DType::f32 || t.dtype == DType::f64, dtype,
                   "'" + from.first + "': inputs and outputs are f32 or f64");
    BANDLIFT_CHECK(t.pitch == t.c, shape, "'" + from.first + "': inputs and outputs must not be padded");
    return Port{from.first, t, static_cast<size_t>(ref.buffer), static_cast<size_t>(ref.offset),
                static_cast<size_t>(t.elements() * element_bytes(t.dtype))};
  };
  for (const auto& input : description.inputs) inputs_.push_back(port(input));
  for (const auto& output : description.outputs) outputs_.push_back(port(output));
}

void Program::check_input(size_t i, size_t bytes) const {
  BANDLIFT_CHECK(bytes == inputs_[i].bytes, shape,
                 "input '" + inputs_[i].name + "' has " + std::to_string(bytes) + " bytes, expected " +
                     std::to_string(inputs_[i].bytes));
}

void Program::check_output(size_t i, size_t bytes) const {
  BANDLIFT_CHECK(bytes == outputs_[i].bytes, shape,
                 "output '" + outputs_[i].name + "' has " + std::to_string(bytes) + " bytes, expected " +
                     std::to_string(outputs_[i].bytes));
}

void Program::run(const std::vector<HostArray>& inputs, const std::vector<HostArray>& outputs, int64_t asked) {
  check_abort(asked);
  std::vector<double> seconds = compute(inputs, outputs, asked);
  finish();
  ++runs_;
  std::lock_guard lock(profile_mutex_);
  seconds_ = std::move(seconds);
}

// All copies and instructions, done or enqueued; seconds of each instruction where they are profiled.
std::vector<double> Program::compute(const std::vector<HostArray>& inputs, const std::vector<HostArray>& outputs,
                                     int64_t asked) {
  try {
    for (size_t i = 0; i < inputs.size(); ++i)
      device_->upload(*buffers_[inputs_[i].buffer], inputs_[i].offset, inputs[i].data, inputs[i].bytes);
    if (runs_ == 1 && !profiling_)  // the first run may still choose how to compute
      record();
    std::vector<double> seconds;
    if (recording_)
      device_->replay(*recording_);
    else
      seconds = run_each(asked);
    for (size_t i = 0; i < outputs.size(); ++i)
      device_->download(*buffers_[outputs_[i].buffer], outputs_[i].offset, outputs[i].data, outputs[i].bytes);
    return seconds;
  } catch (...) {
    // What was enqueued before still runs, in memory that the caller may let go of when it hears of the error.
    try {
      device_->finish();
    } catch (const Error&) {
      // the first error is the one to tell
    }
    throw;
  }
}

void Program::record() {
  std::string why;
  recording_ = device_->record(
      [this] {
        for (size_t i = 0; i < instructions_.size(); ++i) execute_one(i);
      },
      why);
  std::lock_guard lock(profile_mutex_);
  unrecorded_ = std::move(why);
}

std::string Program::unrecorded() const {
  std::lock_guard lock(profile_mutex_);
  return unrecorded_;
}

void Program::check_abort(int64_t asked) const {
  BANDLIFT_CHECK(aborts_ == asked, aborted, "the run was aborted");
}

std::vector<double> Program::run_each(int64_t asked) {
  using Clock = std::chrono::steady_clock;
  std::vector<double> seconds;
  for (size_t i = 0; i < instructions_.size(); ++i) {
    check_abort(asked);
    const auto start = Clock::now();
    execute_one(i);
    if (!profiling_) continue;
    finish();
    seconds.push_back(std::chrono::duration<double>(Clock::now() - start).count());
  }
  return seconds;
}

// The backend does not know whose numbers it was given: errors get the instruction's label here.
void Program::execute_one(size_t i) {
  device_->begin(static_cast<int>(i));
  try {
    execute(instructions_[i]);
  } catch (const DeviceFault&) {  // of work before it: the label would name the wrong instruction
    throw;
  } catch (const Error& error) {
    throw Error(error.code, named(i, error.what()));
  }
}

void Program::finish() {
  try {
    device_->finish();
  } catch (const DeviceFault& fault) {
    const auto i = static_cast<size_t>(fault.instruction);
    if (fault.instruction < 0 || i >= instructions_.size()) throw;
    throw Error(fault.code, named(i, fault.what()));
  }
}

std::string Program::named(size_t i, const char* message) const {
  std::string text = "'";
  return text.append(instructions_[i].label).append("': ").append(message);
}

std::vector<Program::Timing> Program::profile() const {
  std::lock_guard lock(profile_mutex_);
  std::vector<Timing> result;
  for (size_t i = 0; i < seconds_.size(); ++i)
    result.push_back({instructions_[i].label, info_of(instructions_[i].op).name, seconds_[i]});
  return result;
}

void Program::execute(const Instruction& i) {
  Backend& b = device_->backend();
  switch (i.op) {
#define BANDLIFT_CASE(name, ...) \
  case Opcode::name:             \
    return run_on(b, &Backend::name, i);
    BANDLIFT_OPS(BANDLIFT_CASE, BANDLIFT_CASE)
#undef BANDLIFT_CASE
  }
}

}  // namespace bandlift
