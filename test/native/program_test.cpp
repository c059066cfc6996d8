// What a program accepts, what it refuses and in which words; runs, aborts and memory that comes back.
#include "program/program.h"

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "check.h"
#include "core/error.h"

using namespace bandlift;

namespace {

TensorRef ref(int64_t offset, int64_t n, int64_t h, int64_t w, int64_t c, DType dtype = DType::f32) {
  return {true, 0, offset, dtype, {n, h, w, c}, c};
}
TensorRef absent() {
  return {};
}

ProgramDescription only(InstructionDescription instruction) {
  return {{std::move(instruction)}, {}, {}};
}
InstructionDescription add(TensorRef a, TensorRef b, TensorRef y) {
  return {"add", "sum", {a, b, y}, {}};
}
// 3x3, 40 -> 40 channels on 64 x 64 pixels: x, w, y and the workspace in the second buffer.
InstructionDescription convolution(double kh = 3, double kw = 3) {
  TensorRef workspace = ref(0, 1, 1, 1, 1 << 20);
  workspace.buffer = 1;
  const int64_t image = 64 * 64 * 40 * 4;
  return {"conv2d_forward",
          "conv",
          {ref(0, 1, 64, 64, 40), ref(2 * image, 1, 1, 1, 40 * 40 * 9), absent(), absent(), ref(image, 1, 64, 64, 40),
           workspace},
          {kh, kw, 0, 1, 0}};
}

struct Fixture {
  std::shared_ptr<CpuDevice> device = std::make_shared<CpuDevice>(2, available_isas().front());
  std::vector<std::shared_ptr<Buffer>> buffers{device->allocate(3 * 64 * 64 * 40 * 4), device->allocate(4 << 20)};

  std::shared_ptr<Program> compile(const ProgramDescription& d) {
    return std::make_shared<Program>(device, buffers, d);
  }

  // Compiling must fail with this code and a message that holds all of `words`.
  void refused(const ProgramDescription& d, ErrorCode code, const std::vector<std::string>& words) {
    try {
      compile(d);
    } catch (const Error& error) {
      const std::string message = error.what();
      if (error.code != code) check::fail("another error code: " + message);
      for (const std::string& word : words)
        if (message.find(word) == std::string::npos) check::fail("'" + message + "' lacks '" + word + "'");
      return;
    }
    check::fail("accepted; expected an error with '" + words.front() + "'");
  }

  // Runs on the device's thread, as the bindings do; throws what the run threw.
  void run(Program& program, const std::vector<HostArray>& inputs, const std::vector<HostArray>& outputs,
           int64_t asked) {
    std::mutex mutex;
    std::condition_variable reached;
    bool done = false;
    std::exception_ptr failure;
    device->submit([&] {
      try {
        program.run(inputs, outputs, asked);
      } catch (...) {
        failure = std::current_exception();
      }
      std::lock_guard lock(mutex);
      done = true;
      reached.notify_one();
    });
    std::unique_lock lock(mutex);
    reached.wait(lock, [&] { return done; });
    if (failure) std::rethrow_exception(failure);
  }
};

}  // namespace

TEST("program: copies inputs, runs its instructions in order, copies outputs") {
  Fixture f;
  const TensorRef a = ref(0, 1, 1, 1, 3), b = ref(64, 1, 1, 1, 3), y = ref(128, 1, 1, 1, 3);
  // y = a + b, b = y + y, y = b + a: y = 3 a + 2 b
  const auto program = f.compile({{add(a, b, y), add(y, y, b), add(b, a, y)}, {{"a", a}, {"b", b}}, {{"y", y}}});
  REQUIRE(program->input_count() == 2 && program->output_count() == 1);
  for (int round = 0; round < 3; ++round) {
    float first[3] = {1, 2, 3}, second[3] = {10, 20, static_cast<float>(round)}, result[3] = {};
    f.run(*program, {{first, sizeof first}, {second, sizeof second}}, {{result, sizeof result}}, program->aborts());
    REQUIRE(result[0] == 23 && result[1] == 46 && result[2] == 9 + 2 * static_cast<float>(round));
  }
  try {
    program->check_input(1, 8);
    check::fail("accepted 8 bytes");
  } catch (const Error& e) {
    REQUIRE(std::string(e.what()) == "input 'b' has 8 bytes, expected 12");
  }
}

TEST("program: buffers that do not exist and bytes outside of one") {
  Fixture f;
  const TensorRef good = ref(0, 1, 1, 1, 8);
  const auto size = static_cast<int64_t>(f.buffers[0]->bytes());
  for (int64_t index : {int64_t{-1}, int64_t{2}, int64_t{1} << 62}) {
    TensorRef bad = good;
    bad.buffer = index;
    f.refused(only(add(good, bad, good)), ErrorCode::shape,
              {"'sum' (add), operand 1", "buffer " + std::to_string(index) + " of 2"});
  }
  for (int64_t offset : {int64_t{-4}, int64_t{2}, size - 28, size, int64_t{1} << 62, INT64_MAX - 3, INT64_MIN})
    f.refused(only(add(good, good, ref(offset, 1, 1, 1, 8))), ErrorCode::shape, {"operand 2", "of a buffer of"});
  f.compile(only(add(good, good, ref(size - 32, 1, 1, 1, 8))));
  TensorRef padded = ref(size - 4 * (10 + 8), 1, 1, 2, 8);  // the last pixel needs no padding behind it
  padded.pitch = 10;
  f.compile(only({"fill", "zero", {padded}, {0}}));
  padded.offset += 4;
  f.refused(only({"fill", "zero", {padded}, {0}}), ErrorCode::shape, {"of a buffer of"});
}

TEST("program: impossible and overflowing shapes") {
  Fixture f;
  const int64_t huge = int64_t{1} << 62;
  const int64_t shapes[][4] = {{huge, 4, 1, 1},      {1, huge, huge, 1},   {1 << 30, 1 << 30, 1 << 30, 1 << 30},
                               {1, 1, 1, huge},      {0, 1, 1, 1},         {1, -1, -1, 1},
                               {INT64_MIN, 1, 1, 1}, {1, 1, 1, INT64_MAX}, {1 << 23, 1 << 23, 1, 1}};
  for (const auto& s : shapes)
    f.refused(only({"fill", "zero", {ref(0, s[0], s[1], s[2], s[3])}, {0}}), ErrorCode::shape,
              {"operand y has an impossible shape"});
  for (int64_t pitch : {int64_t{-8}, int64_t{0}, int64_t{7}, int64_t{1} << 31, INT64_MAX}) {
    TensorRef bad = ref(0, 1, 1, 2, 8);
    bad.pitch = pitch;
    f.refused(only({"fill", "zero", {bad}, {0}}), ErrorCode::shape,
              {"pitch " + std::to_string(pitch) + " for 8 channels"});
  }
  TensorRef wide = ref(0, 1 << 22, 1 << 22, 1, 1);  // passes as a shape; its bytes overflow
  wide.pitch = (int64_t{1} << 31) - 1;
  f.refused(only({"fill", "zero", {wide}, {0}}), ErrorCode::shape, {"of a buffer of"});
}

TEST("program: operands and parameters: how many, which may be absent, which type") {
  Fixture f;
  const TensorRef v = ref(0, 1, 1, 1, 8), d = ref(0, 1, 1, 1, 8, DType::f64);
  f.refused(only({"convolve", "x", {}, {}}), ErrorCode::shape, {"'x': there is no instruction 'convolve'"});
  f.refused(only({"add", "sum", {v, v}, {}}), ErrorCode::shape, {"operand y is missing"});
  f.refused(only({"add", "sum", {v, v, v, v}, {}}), ErrorCode::shape, {"4 operands, expected 3"});
  f.refused(only({"add", "sum", {v, v, v, v, v, v, v, v, v, v}, {}}), ErrorCode::shape, {"10 operands, expected 3"});
  f.refused(only(add(v, absent(), v)), ErrorCode::shape, {"operand b must not be null"});
  f.refused(only({"add", "sum", {v, v, v}, {1}}), ErrorCode::shape, {"1 parameters, expected 0"});
  f.refused(only({"fill", "zero", {v}, {}}), ErrorCode::shape, {"0 parameters, expected 1"});
  f.refused(only({"fill", "zero", {v}, {std::nan("")}}), ErrorCode::shape, {"not finite"});
  f.refused(only(add(v, d, v)), ErrorCode::dtype, {"operand b is f64, expected f32"});
  f.refused(only({"grad_norm", "norm", {v, absent(), v, v, v}, {}}), ErrorCode::dtype,
            {"operand norm is f32, expected f64"});
  const TensorRef half = ref(0, 1, 1, 1, 8, DType::f16), brain = ref(0, 1, 1, 1, 8, DType::bf16);
  f.refused(only(add(half, v, half)), ErrorCode::dtype, {"operand b is f32, expected f16 as the images before it"});
  f.refused(only(add(half, half, brain)), ErrorCode::dtype, {"operand y is bf16, expected f16"});
  f.refused(only(add(half, half, half)), ErrorCode::dtype, {"operand 0 (a) is of a type that this device does not"});
  f.refused(only({"convert", "half", {v, half}, {}}), ErrorCode::dtype, {"operand 1 (y) is of a type"});
  f.refused(only({"convert", "half", {v, ref(0, 1, 1, 1, 7)}, {}}), ErrorCode::shape, {"y has 7 numbers, expected 8"});
  f.refused({{}, {{"x", half}}, {}}, ErrorCode::dtype, {"'x': inputs and outputs are f32 or f64"});
  f.refused(only(add(v, ref(0, 1, 1, 8, 1), v)), ErrorCode::shape, {"b has shape [1,1,8,1], expected [1,1,1,8]"});
  f.refused(only({"activation_forward", "a", {v, v}, {4}}), ErrorCode::shape, {"activation is 4"});
  f.refused(only({"activation_forward", "a", {v, v}, {0.5}}), ErrorCode::shape, {"activation is 0.5"});
}

TEST("program: every instruction without operands, and with one byte too few of everything, is refused") {
  Fixture f;
  for (const OpcodeInfo& info : opcodes()) {
    const std::vector<double> params(static_cast<size_t>(info.params), 1);
    f.refused(only({info.name, "empty", {}, params}), ErrorCode::shape,
              {std::string("'empty' (") + info.name + ")", "is missing"});
    const std::vector<TensorRef> nulls(info.operands.size(), absent());
    f.refused(only({info.name, "null", nulls, params}), ErrorCode::shape, {"must not be null"});
  }
}

TEST("program: in place, both operands have the same pitch") {
  Fixture f;
  const TensorRef x = ref(0, 1, 4, 4, 6);
  TensorRef wide = x;
  wide.pitch = 8;
  f.compile(only(add(x, x, x)));
  f.compile(only(add(wide, wide, wide)));
  f.refused(only(add(x, x, wide)), ErrorCode::shape, {"a and y are the same memory with pitch 6 and 8"});
  InstructionDescription conv = convolution();
  conv.tensors[3] = conv.tensors[4];
  f.compile(only(conv));
  conv.tensors[3].pitch = 44;
  f.refused(only(conv), ErrorCode::shape, {"residual and y are the same memory with pitch 44 and 40"});
}

TEST("program: even, fractional and absurd kernels; wrong numbers of weights") {
  Fixture f;
  f.compile(only(convolution()));
  f.refused(only(convolution(2, 3)), ErrorCode::shape, {"kernel height is even"});
  f.refused(only(convolution(3, 4)), ErrorCode::shape, {"kernel width is even"});
  for (double bad : {0.0, -3.0, 2.5, 1e9, 1e300})
    f.refused(only(convolution(bad, 3)), ErrorCode::shape, {"kernel height is"});
  f.refused(only(convolution(5, 3)), ErrorCode::shape, {"w has 14400 numbers, expected 24000"});
}

TEST("program: a shuffled convolution has r x r output pixels for each of the input, and no residual") {
  Fixture f;
  const auto shuffled = [](double r, TensorRef y, TensorRef residual = absent()) {
    InstructionDescription d = convolution();
    d.params[3] = r;
    d.tensors[4] = y, d.tensors[3] = residual;
    return only(d);
  };
  const int64_t image = 64 * 64 * 40 * 4;
  const TensorRef y = ref(image, 1, 128, 128, 10);
  f.compile(shuffled(2, y));
  f.refused(shuffled(2, ref(image, 1, 64, 64, 40)), ErrorCode::shape,
            {"y has shape [1,64,64,40], expected [1,128,128,40]"});
  f.refused(shuffled(2, ref(image, 1, 128, 128, 9)), ErrorCode::shape, {"w has 14400 numbers, expected 12960"});
  f.refused(shuffled(2, y, y), ErrorCode::shape, {"residual must be null"});
  for (double bad : {0.0, -2.0, 1.5, 65.0, 1e300}) f.refused(shuffled(bad, y), ErrorCode::shape, {"shuffle is"});
}

TEST("program: count_values counts one to sixteen of 32 bits, in places that fit its populations and slots") {
  Fixture f;
  const TensorRef x = ref(0, 1, 4, 4, 3), prefixes = ref(1024, 1, 1, 3, 2, DType::f64);
  const TensorRef counts = ref(2048, 1, 3, 2, 16, DType::f64);
  const auto count = [&](TensorRef pixels, TensorRef bands, TensorRef known, TensorRef sums, double settled,
                         double bits) {
    return only({"count_values", "bits", {x, pixels, bands, known, sums, absent()}, {settled, bits}});
  };
  f.compile(count(ref(0, 1, 4, 4, 1), ref(0, 1, 1, 1, 3), prefixes, counts, 28, 4));
  const auto refused = [&](const InstructionDescription& d, const std::vector<std::string>& words) {
    f.refused(only(d), ErrorCode::shape, words);
  };
  const auto bits = [&](double settled, double number) {
    return count(absent(), absent(), prefixes, counts, settled, number).instructions[0];
  };
  refused(bits(32, 1), {"'bits' (count_values)", "settled is 32", "from 0 to 31"});
  refused(bits(0, 17), {"bits is 17", "from 1 to 16"});
  refused(bits(0, 0), {"bits is 0"});
  refused(bits(0.5, 4), {"settled is 0.5"});
  refused(bits(29, 4), {"settled + bits is 33, expected at most 32"});
  refused(bits(0, 5), {"counts has shape [1,3,2,16], expected [1,3,2,32]"});
  const auto with = [&](TensorRef pixels, TensorRef bands, TensorRef known, TensorRef sums) {
    return count(pixels, bands, known, sums, 0, 4).instructions[0];
  };
  const TensorRef two = ref(1024, 1, 1, 2, 2, DType::f64);
  refused(with(absent(), absent(), two, counts), {"prefixes of 2 populations, expected 1 or 3"});
  refused(with(absent(), absent(), ref(1024, 1, 2, 3, 2, DType::f64), counts), {"prefixes", "expected [1,1,3,2]"});
  refused(with(absent(), absent(), ref(1024, 1, 1, 1, 2, DType::f64), counts), {"counts", "expected [1,1,2,16]"});
  refused(with(ref(0, 1, 4, 3, 1), absent(), prefixes, counts), {"pixel_mask", "expected [1,4,4,1]"});
  refused(with(absent(), ref(0, 1, 1, 1, 4), prefixes, counts), {"band_mask has 4 numbers, expected 3"});
  f.refused(only(with(absent(), absent(), ref(1024, 1, 1, 3, 2), counts)), ErrorCode::dtype, {"prefixes is f32"});
  TensorRef padded = counts;
  padded.pitch = 20;
  refused(with(absent(), absent(), prefixes, padded), {"counts", "without padding"});
  // all bands together need room for the parts that are counted apart
  f.refused(only(with(absent(), absent(), ref(1024, 1, 1, 1, 2, DType::f64), ref(2048, 1, 1, 2, 16, DType::f64))),
            ErrorCode::shape, {"workspace of 0 bytes"});
}

TEST("program: resample's tables fit its images; a window outside is an error of the run that names the instruction") {
  Fixture f;
  const auto resample = [](TensorRef x, TensorRef rows, TensorRef columns, TensorRef y) {
    TensorRef workspace = ref(0, 1, 1, 1, 1024);
    workspace.buffer = 1;
    return only({"resample", "to the fine grid", {x, rows, columns, absent(), y, workspace}, {}});
  };
  const TensorRef x = ref(0, 1, 2, 3, 5), y = ref(1024, 1, 4, 1, 5), rows = ref(2048, 1, 1, 4, 3),
                  columns = ref(4096, 1, 1, 1, 4);
  f.refused(resample(x, ref(2048, 1, 1, 3, 3), columns, y), ErrorCode::shape,
            {"rows has shape [1,1,3,3], expected [1,1,4,3]"});
  f.refused(resample(x, ref(2048, 1, 1, 4, 1), columns, y), ErrorCode::shape, {"expected [1,1,4,2]"});  // no tap
  f.refused(resample(x, ref(2048, 1, 1, 4, 4), columns, y), ErrorCode::shape,
            {"expected [1,1,4,3]"});  // 3 taps on 2 rows
  f.refused(resample(x, rows, ref(4096, 1, 1, 1, 5), y), ErrorCode::shape,
            {"columns has shape [1,1,1,5], expected [1,1,1,4]"});
  f.refused(resample(x, rows, columns, ref(1024, 1, 4, 1, 6)), ErrorCode::shape, {"y has shape [1,4,1,6]"});
  f.refused(resample(x, rows, columns, ref(1024, 2, 4, 1, 5)), ErrorCode::shape, {"expected [1,4,1,5]"});

  ProgramDescription d = resample(x, rows, columns, y);
  d.inputs = {{"rows", rows}};
  const auto program = f.compile(d);
  float table[4][3] = {{0, 1, 0}, {0, 0, 1}, {0, 1, 0}, {1, 1, 0}};  // the last window is rows 1 and 2 of 2
  try {
    f.run(*program, {{table, sizeof table}}, {}, program->aborts());
    check::fail("ran");
  } catch (const Error& error) {
    REQUIRE(error.code == ErrorCode::shape);
    REQUIRE(std::string(error.what()).find("'to the fine grid': resample: rows[3] starts at 1") == 0);
  }
  table[3][0] = 0;
  f.run(*program, {{table, sizeof table}}, {}, program->aborts());
}

TEST("program: a workspace that is missing or too small") {
  Fixture f;
  InstructionDescription d = convolution();
  const size_t wanted = workspace_bytes(f.device->backend(), d);
  REQUIRE(wanted > 0 && wanted < (4 << 20));
  d.tensors.back() = absent();
  f.refused(only(d), ErrorCode::shape, {"workspace of 0 bytes, expected " + std::to_string(wanted)});
  d.tensors.back() = ref(0, 1, 1, 1, static_cast<int64_t>(wanted / 4) - 1);
  f.refused(only(d), ErrorCode::shape, {"expected " + std::to_string(wanted)});
}

TEST("program: inputs and outputs are checked like operands and must not be padded") {
  Fixture f;
  const TensorRef good = ref(0, 1, 1, 2, 8);
  TensorRef padded = good, outside = good;
  padded.pitch = 9;
  outside.offset = static_cast<int64_t>(f.buffers[0]->bytes());
  f.refused({{}, {{"x", padded}}, {}}, ErrorCode::shape, {"'x': inputs and outputs must not be padded"});
  f.refused({{}, {}, {{"y", outside}}}, ErrorCode::shape, {"'y'", "of a buffer of"});
  f.refused({{}, {{"x", absent()}}, {}}, ErrorCode::shape, {"must not be null"});
}

TEST("program: abort ends the current run and those asked for before it, not those after") {
  Fixture f;
  std::vector<InstructionDescription> many(2000, convolution());
  const auto program = f.compile({many, {}, {}});
  const int64_t asked = program->aborts();
  program->abort();
  try {
    f.run(*program, {}, {}, asked);
    check::fail("the run went on");
  } catch (const Error& error) {
    REQUIRE(error.code == ErrorCode::aborted);
  }
  // from another thread once the device has come to the run: 2000 convolutions take seconds
  std::atomic<bool> reached{false};
  f.device->submit([&] { reached = true; });
  std::thread aborter([&] {
    while (!reached) std::this_thread::yield();
    program->abort();
  });
  bool aborted = false;
  try {
    f.run(*program, {}, {}, asked + 1);
  } catch (const Error& error) {
    aborted = error.code == ErrorCode::aborted;
  }
  aborter.join();
  REQUIRE(aborted);
  const TensorRef v = ref(0, 1, 1, 1, 8);
  const auto brief = f.compile(only(add(v, v, v)));
  brief->abort();
  f.run(*brief, {}, {}, brief->aborts());
}

TEST("program: memory comes back when program, buffers and device let go of it") {
  const auto device = std::make_shared<CpuDevice>(1, available_isas().front());
  const MemoryStats& memory = device->memory();
  REQUIRE(memory.buffers() == 0 && memory.bytes() == 0);
  {
    std::vector<std::shared_ptr<Buffer>> buffers{device->allocate(1000), device->allocate(0)};
    REQUIRE(memory.buffers() == 2 && memory.bytes() == 1000);
    REQUIRE(reinterpret_cast<uintptr_t>(buffers[0]->data()) % 64 == 0);
    for (size_t i = 0; i < 1000; ++i) REQUIRE(buffers[0]->data()[i] == 0);
    const Program program(device, buffers, only({"fill", "zero", {ref(0, 1, 1, 1, 8)}, {0}}));
    buffers.clear();
    REQUIRE(memory.buffers() == 2);  // the program holds them
  }
  REQUIRE(memory.buffers() == 0 && memory.bytes() == 0 && memory.peak() == 1000);
  try {
    device->allocate(size_t{1} << 60);
    check::fail("2^60 bytes were given");
  } catch (const Error& error) {
    REQUIRE(error.code == ErrorCode::out_of_memory);
  }
  REQUIRE(memory.buffers() == 0 && memory.bytes() == 0);
}

TEST("program: a buffer outlives its device, a program keeps it alive") {
  std::shared_ptr<Buffer> buffer;
  std::unique_ptr<Program> program;
  {
    const auto device = std::make_shared<CpuDevice>(2, available_isas().back());
    buffer = device->allocate(64);
    program = std::make_unique<Program>(device, std::vector<std::shared_ptr<Buffer>>{buffer},
                                        only({"fill", "zero", {ref(0, 1, 1, 1, 16)}, {2}}));
  }
  program->run({}, {}, program->aborts());
  program.reset();
  REQUIRE(reinterpret_cast<float*>(buffer->data())[15] == 2);
}
