// The CUDA device on the emulated GPU: memory, copies, recorded programs, faults, and what it says of machines that
// have no GPU it can use.
#include <algorithm>
#include <memory>
#include <vector>

#include "check.h"
#include "core/error.h"
#include "cuda/cuda_device.h"
#include "emulation/emulation.h"
#include "program/program.h"

using namespace bandlift;
using bandlift::cuda::CudaDevice;
using bandlift::cuda::CudaOptions;

namespace {

TensorRef ref(int64_t buffer, int64_t offset, int64_t h, int64_t w, int64_t c) {
  return {true, buffer, offset, DType::f32, {1, h, w, c}, c};
}

// The message of an error with this code.
template <typename F>
std::string refused(ErrorCode code, const F& body) {
  try {
    body();
  } catch (const Error& error) {
    if (error.code != code) check::fail(std::string("another error code: ") + error.what());
    return error.what();
  }
  check::fail("no error");
}

void holds(const std::string& text, const std::string& part) {
  if (text.find(part) == std::string::npos) check::fail("'" + text + "' lacks '" + part + "'");
}

std::vector<float> run(Program& program, std::vector<std::vector<float>> inputs, size_t outputs) {
  std::vector<float> result(outputs);
  std::vector<HostArray> in;
  for (auto& array : inputs) in.push_back({array.data(), array.size() * sizeof(float)});
  program.run(in, {{result.data(), result.size() * sizeof(float)}}, program.aborts());
  return result;
}

}  // namespace

TEST("cuda device: a program is run, recorded and replayed, each time with its own inputs") {
  emulation::reset();
  const auto device = std::make_shared<CudaDevice>(CudaOptions{});
  const auto buffer = device->allocate(4096);
  const TensorRef a = ref(0, 0, 1, 1, 8), b = ref(0, 64, 1, 1, 8), y = ref(0, 128, 1, 1, 8);
  Program program(device, {buffer}, {{{"add", "sum", {a, b, y}, {}}}, {{"a", a}, {"b", b}}, {{"y", y}}});
  size_t launches = 0;
  for (float k = 1; k <= 4; ++k) {
    const std::vector<float> sum = run(program, {std::vector<float>(8, k), std::vector<float>(8, 10 * k)}, 8);
    for (float v : sum) REQUIRE(v == 11 * k);
    REQUIRE(emulation::launch_count() > launches);  // computed anew
    launches = emulation::launch_count();
  }
}

TEST("cuda device: cuDNN that does not start is done without, which is said, unless it was asked for") {
  emulation::reset();
  const auto variable = [](const char* name, const char* value) {
    setenv(name, value, 1);
    return std::shared_ptr<const char>(name, [](const char* set) { unsetenv(set); });
  };
  const auto library = variable("BANDLIFT_CUDNN", BANDLIFT_FAKE_CUDNN);
  REQUIRE(CudaDevice(CudaOptions{}).info().convolutions == "cuDNN 9.10.2");
  const auto fails = variable("BANDLIFT_FAKE_CUDNN_CREATE", "fails");
  CudaDevice device(CudaOptions{});
  holds(device.info().convolutions, "no cuDNN: cuDNN: cudnnCreate");
  const auto asked = variable("BANDLIFT_CONV", "cudnn");
  const size_t allocated = emulation::allocation_count();
  holds(refused(ErrorCode::device, [] { CudaDevice{CudaOptions{}}; }), "cudnnCreate");
  REQUIRE(emulation::allocation_count() == allocated);  // a constructor that throws keeps nothing
}

TEST("cuda device: cuDNN gets images that start at 16 bytes, others our kernels compute") {
  emulation::reset();
  setenv("BANDLIFT_CUDNN", BANDLIFT_FAKE_CUDNN, 1);
  const auto device = std::make_shared<CudaDevice>(CudaOptions{});
  const auto buffer = device->allocate(1 << 16), scratch = device->allocate(size_t{64} << 20);
  TensorRef space = ref(1, 0, 1, 1, 16 << 20);
  const auto convolution = [&](int64_t offset) {
    const TensorRef x = ref(0, offset, 4, 5, 4), w = ref(0, 8192, 1, 1, 16), y = ref(0, 16384, 4, 5, 4);
    const InstructionDescription fill = {"fill", "ones", {x}, {1}}, weights = {"fill", "weights", {w}, {0.5}};
    Program program(
        device, {buffer, scratch},
        {{fill, weights, {"conv2d_forward", "conv", {x, w, {}, {}, y, space}, {1, 1, 0, 1, 0}}}, {}, {{"y", y}}});
    return run(program, {}, 80);
  };
  for (const int64_t offset : {0, 4})
    for (float v : convolution(offset)) REQUIRE(v == 2);
  setenv("BANDLIFT_CONV", "cudnn", 1);
  for (float v : convolution(0)) REQUIRE(v == 2);
  const std::string message = refused(ErrorCode::shape, [&] { convolution(4); });
  unsetenv("BANDLIFT_CONV");
  unsetenv("BANDLIFT_CUDNN");
  holds(message, "an image does not start at a multiple of 16 bytes, which cudnn needs");
}

namespace {
__global__ void fails() {
  __trap();
}
}  // namespace

TEST("cuda device: a kernel that failed earlier is not called the one that noticed it") {
  emulation::reset();
  {
    const auto device = std::make_shared<CudaDevice>(CudaOptions{});
    const auto buffer = device->allocate(4096);
    const TensorRef a = ref(0, 0, 1, 1, 8);
    Program program(device, {buffer}, {{{"add", "sum", {a, a, a}, {}}}, {}, {}});
    void* none[] = {nullptr};
    REQUIRE(cudaLaunchKernel(fails, dim3(1), dim3(1), none, 0, nullptr) == cudaSuccess);
    REQUIRE(cudaDeviceSynchronize() == cudaErrorLaunchFailure);
    for (int i = 0; i < 2; ++i) {
      const std::string message = refused(ErrorCode::device, [&] { program.run({}, {}, program.aborts()); });
      holds(message, "the GPU failed earlier, noticed at kernel 'add'");
      holds(message, "context is lost: start again, with BANDLIFT_SYNC=1");
      if (message.find("'sum'") != std::string::npos) check::fail("names another instruction: " + message);
    }
  }
  emulation::reset();
}

TEST("cuda device: what cannot be recorded is run each time, after one attempt") {
  emulation::reset();
  class Spoils final : public CudaDevice {
   public:
    using CudaDevice::CudaDevice;
    std::unique_ptr<Recording> record(const std::function<void()>& enqueue, std::string& why) override {
      ++attempts;
      return CudaDevice::record(
          [&] {
            enqueue();
            auto& own = static_cast<cuda::CudaBackend&>(backend());
            cuda::check(cudaStreamSynchronize(own.context().stream), "waiting while recorded");
          },
          why);
    }
    int attempts = 0;
  };
  const auto device = std::make_shared<Spoils>(CudaOptions{});
  const auto buffer = device->allocate(4096);
  const TensorRef a = ref(0, 0, 1, 1, 8), b = ref(0, 64, 1, 1, 8), y = ref(0, 128, 1, 1, 8);
  Program program(device, {buffer}, {{{"add", "sum", {a, b, y}, {}}}, {{"a", a}, {"b", b}}, {{"y", y}}});
  for (float k = 1; k <= 4; ++k)
    for (float v : run(program, {std::vector<float>(8, k), std::vector<float>(8, 10 * k)}, 8)) REQUIRE(v == 11 * k);
  REQUIRE(device->attempts == 1);
  holds(program.unrecorded(), "waiting while recorded: ");
  holds(program.unrecorded(), "(cudaErrorStreamCaptureUnsupported)");
}

TEST(
    "cuda device: a kernel's report becomes an error with the instruction's label, recorded or not; then all is well") {
  emulation::reset();
  const auto device = std::make_shared<CudaDevice>(CudaOptions{});
  const auto buffer = device->allocate(1 << 16);
  const TensorRef x = ref(0, 0, 4, 4, 1), rows = ref(0, 1024, 1, 4, 3), columns = ref(0, 2048, 1, 4, 3),
                  y = ref(0, 4096, 4, 4, 1);
  const InstructionDescription fill = {"fill", "ones", {x}, {1}};
  Program program(device, {buffer},
                  {{fill, {"resample", "degrade", {x, rows, columns, {}, y, {}}, {}}},
                   {{"rows", rows}, {"columns", columns}},
                   {{"y", y}}});
  // outputs 0..3 take inputs start and start + 1, half of each
  const auto table = [](float last) { return std::vector<float>{0, .5, .5, 1, .5, .5, 2, .5, .5, last, .5, .5}; };
  for (int round = 0; round < 3; ++round) {
    const std::vector<float> good = run(program, {table(2), table(2)}, 16);
    for (float v : good) REQUIRE(v == 1);
    const std::string message = refused(ErrorCode::shape, [&] { run(program, {table(3), table(2)}, 16); });
    REQUIRE(message == "'degrade': resample: a table points outside of x");
  }
}

TEST("cuda device: few numbers and many go in and come out, in order with the instructions") {
  emulation::reset();
  const auto device = std::make_shared<CudaDevice>(CudaOptions{});
  // 64 ports of 1 KiB fill half of the pinned memory, in and out; the large ones do not fit into it at all
  constexpr int64_t kPorts = 64, kSmall = 256, kLarge = 100'000;
  const auto small = device->allocate(kPorts * kSmall * 4), large = device->allocate(2 * kLarge * 4);
  ProgramDescription d;
  for (int64_t k = 0; k < kPorts; ++k) {
    const TensorRef t = ref(0, k * kSmall * 4, 1, 1, kSmall);
    d.instructions.push_back({"add", "twice " + std::to_string(k), {t, t, t}, {}});
    d.inputs.emplace_back("in", t);
    d.outputs.emplace_back("out", t);
  }
  const TensorRef a = ref(1, 0, 1, 1, kLarge), b = ref(1, kLarge * 4, 1, 1, kLarge);
  d.instructions.push_back({"add", "large", {a, a, b}, {}});
  d.inputs.emplace_back("large in", a);
  d.outputs.emplace_back("large out", b);
  Program program(device, {small, large}, d);
  for (int round = 0; round < 3; ++round) {
    std::vector<std::vector<float>> in, out;
    for (size_t k = 0; k <= kPorts; ++k) {
      const size_t numbers = k < kPorts ? kSmall : kLarge;
      in.emplace_back(numbers, static_cast<float>(1000 * round) + static_cast<float>(k));
      in.back().back() = -7;
      out.emplace_back(numbers, -1.0f);
    }
    std::vector<HostArray> inputs, outputs;
    for (auto& array : in) inputs.push_back({array.data(), array.size() * sizeof(float)});
    for (auto& array : out) outputs.push_back({array.data(), array.size() * sizeof(float)});
    program.run(inputs, outputs, program.aborts());
    for (size_t k = 0; k <= kPorts; ++k)
      for (size_t i = 0; i < in[k].size(); ++i) REQUIRE(out[k][i] == 2 * in[k][i]);
  }
}

TEST("cuda device: a run that a kernel ended leaves the outputs as they were, few or many") {
  emulation::reset();
  const auto device = std::make_shared<CudaDevice>(CudaOptions{});
  constexpr int64_t kLarge = 100'000;
  const auto buffer = device->allocate(kLarge * 4), places = device->allocate(64);
  const TensorRef source = ref(0, 0, 2, 2, 1), many = ref(0, 0, 1, 1, kLarge), y = ref(0, 64, 2, 2, 1);
  TensorRef where = ref(1, 0, 1, 1, 3);
  where.dtype = DType::f64;
  Program program(
      device, {buffer, places},
      {{{"gather_patches", "held input", {source, where, y}, {0}}}, {{"places", where}}, {{"y", y}, {"all", many}}});
  std::vector<float> few(4, -1), all(kLarge, -1);
  const auto run_at = [&](double place) {
    double row[3] = {place, 0, 0};
    program.run({{row, sizeof row}}, {{few.data(), 16}, {all.data(), kLarge * 4}}, program.aborts());
  };
  for (int round = 0; round < 3; ++round) {
    REQUIRE(refused(ErrorCode::shape, [&] { run_at(1); }) ==
            "'held input': gather_patches: a place or turn is none of the patches held");
    REQUIRE(few[0] == -1 && all[0] == -1 && all[kLarge - 1] == -1);
    run_at(0);
    REQUIRE(few[0] == 0 && all[0] == 0 && all[kLarge - 1] == 0);
    few.assign(4, -1), all.assign(kLarge, -1);
  }
}

TEST("cuda device: a run that fails midway leaves nothing running in memory that others get") {
  emulation::reset();
  const auto device = std::make_shared<CudaDevice>(CudaOptions{});
  constexpr int64_t kEndmembers = 769;  // one more than the kernel takes: refused when it is enqueued
  const TensorRef filled = ref(0, 0, 1, 1, 4096), logits = ref(0, 16384, 1, 1, kEndmembers),
                  spectra = ref(0, 32768, 1, 1, kEndmembers), abundances = ref(0, 49152, 1, 1, kEndmembers),
                  y = ref(0, 65536, 1, 1, 1);
  for (int failing = 1; failing <= 2; ++failing) {  // at the first run, and while it is recorded
    auto buffer = device->allocate(1 << 17);
    const char* const memory = buffer->data();
    auto program = std::make_unique<Program>(
        device, std::vector{buffer},
        ProgramDescription{
            {{"fill", "ones", {filled}, {1}}, {"softmax_mixing_forward", "mix", {logits, spectra, abundances, y}, {}}},
            {},
            {}});
    for (int i = 0; i < failing; ++i)
      holds(refused(ErrorCode::shape, [&] { program->run({}, {}, program->aborts()); }), "'mix': softmax_mixing");
    program.reset();
    buffer.reset();
    const auto other = device->allocate(1 << 17);
    REQUIRE(other->data() == memory);
    device->finish();
    std::vector<float> back(4096, -1);
    other->read(back.data(), 0, back.size() * sizeof(float));
    REQUIRE(std::all_of(back.begin(), back.end(), [](float v) { return v == 0; }));
  }
}

TEST("cuda device: copies larger than the pinned halves arrive whole, at any offset") {
  emulation::reset();
  CudaDevice device({});
  const auto buffer = device.allocate(size_t{21} << 20);
  std::vector<unsigned char> sent((size_t{20} << 20) + 12345), back(sent.size());
  for (size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<unsigned char>(i * 2654435761u >> 13);
  buffer->write(sent.data(), 77, sent.size());
  buffer->read(back.data(), 77, back.size());
  REQUIRE(back == sent);
  unsigned char before = 1;
  buffer->read(&before, 76, 1);
  REQUIRE(before == 0);  // buffers start as zeros
  // around the sizes at which copies go another way: 64 KiB at once, 128 KiB by the small halves
  for (const size_t bytes : {size_t{1} << 16, (size_t{1} << 16) + 1, size_t{1} << 17, (size_t{1} << 17) + 1}) {
    buffer->write(sent.data() + 5, 1000, bytes);
    std::vector<unsigned char> part(bytes);
    buffer->read(part.data(), 1000, bytes);
    REQUIRE(std::equal(part.begin(), part.end(), sent.begin() + 5));
  }
}

TEST("cuda device: memory is reused, zeroed again, counted, and given back") {
  emulation::reset();
  {
    CudaDevice device({});
    const size_t at_start = emulation::allocated_bytes();
    auto buffer = device.allocate(3 << 20);
    const std::vector<char> ones(3 << 20, 1);
    buffer->write(ones.data(), 0, ones.size());
    REQUIRE(device.memory().bytes() == 3 << 20 && device.memory().buffers() == 1);
    const size_t taken = emulation::allocated_bytes();
    buffer.reset();
    REQUIRE(device.memory().bytes() == 0 && device.memory().peak() == 3 << 20);
    buffer = device.allocate(3 << 20);
    REQUIRE(emulation::allocated_bytes() == taken && taken > at_start);  // the kept block
    std::vector<char> back(3 << 20);
    buffer->read(back.data(), 0, back.size());
    REQUIRE(std::all_of(back.begin(), back.end(), [](char v) { return v == 0; }));
  }
  REQUIRE(emulation::allocation_count() == 0);
}

TEST("cuda device: when memory runs out kept blocks are given back first, then the error says how much there is") {
  emulation::reset();
  emulation::set_memory(size_t{64} << 20);
  CudaDevice device({});
  device.allocate(size_t{30} << 20).reset();  // kept
  const auto large = device.allocate(size_t{48} << 20);
  const std::string message = refused(ErrorCode::out_of_memory, [&] { device.allocate(size_t{30} << 20); });
  holds(message, "cannot allocate 31457280 bytes on the GPU");
  holds(message, "50331648 are bandlift's");
  const auto small = device.allocate(size_t{4} << 20);  // the failure does not stick
  REQUIRE(small->bytes() == size_t{4} << 20);
}

TEST("cuda device: what a machine lacks is told, with what to do") {
  const auto open = [] { CudaDevice device({}); };
  emulation::reset();
  emulation::set_device_count(0);
  holds(refused(ErrorCode::device, open), "the NVIDIA driver sees no GPU");
  holds(cuda::report().reason, "use --device cpu");
  emulation::reset();
  emulation::set_compute_capability(6, 1);
  holds(refused(ErrorCode::device, open),
        "this build has code for sm_70, sm_75, sm_80, sm_86, sm_89, sm_90; the GPU is sm_61: use --device cpu");
  emulation::reset();
  emulation::set_compute_capability(10, 0);  // newer: the PTX of the last one is translated
  REQUIRE(cuda::report().reason.empty());
  emulation::reset();
  holds(refused(ErrorCode::device,
                [] {
                  CudaDevice device({3, false, true, {}});
                }),
        "there is no cuda:3: this machine has 1 GPU, numbered from 0");
  emulation::set_compute_capability(7, 0);
  holds(refused(ErrorCode::device,
                [] {
                  CudaDevice device({0, true, true, {}});
                }),
        "tf32 needs compute capability 8.0");
  CudaDevice volta({});
  REQUIRE(volta.stores(DType::f16) && !volta.stores(DType::bf16) && volta.info().isa == "sm_70");
  emulation::reset();
}

TEST("cuda device: without a driver it says so") {
  emulation::reset();
  emulation::set_no_driver(true);
  const std::string reason = cuda::report().reason;
  emulation::reset();
  holds(reason, "driver");
  holds(reason, "use --device cpu");
}
