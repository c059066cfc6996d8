// Our operation graphs against the real cuDNN, without a GPU: from 9.10 on it makes plans for a GPU that is only
// described. BANDLIFT_TEST_CUDNN names its folder (site-packages/nvidia/cudnn/lib); without it the check is skipped.
// It leaks a few kilobytes of its own: ASAN_OPTIONS=detect_leaks=0 where AddressSanitizer is on.
// Engines that cuDNN compiles at run time (most fused epilogues) need libcuda.so.1: without it they are left out.
#include <cstdio>

#include "cuda/cudnn/plan.h"
#include "cudnn_fixture.h"

using namespace cudnn_fixture;

namespace {

// Of a V100, A100 and H100, as cuDNN writes down a device's properties (keys of 9.10 to 9.28).
std::string properties(int capability) {
  const char* multiprocessors = capability == 70 ? "80" : capability == 80 ? "108" : "132";
  const char* shared_memory = capability == 70 ? "98304" : capability == 80 ? "166912" : "232448";
  return std::string(R"({"cudaDeviceId": 0, "driverVer": 12040, "totalGlobalMem": 34359738368,
    "maxGridSize": [2147483647, 65535, 65535], "maxBlockSize": [1024, 1024, 64], "regsPerBlock": 65536,
    "smCountOrigin": 0, "warpSize": 32, "maxSharedMemoryPerBlock": 49152, "oversizedSharedMemoryPerBlock": 0,
    "reservedSharedMemoryPerBlock": 1024, "maxRegistersPerSM": 65536, "maxCtasPerSM": 32, "maxThreadsPerBlock": 1024,
    "maxThreadsPerSM": 2048, "pciDeviceId": 0, "isTccDriver": 0, "supportCoopLaunch": 1, "smClockRateKHz": 1500000,
    "memClockRateKHz": 1500000, "memoryBusWidth": 5120, "l2CacheSize": 41943040, "deviceName": "NVIDIA GPU",
    "deviceVer": )") +
         std::to_string(capability * 10) + R"(, "multiProcessorCount": )" + multiprocessors +
         R"(, "maxSharedMemoryPerBlockOptin": )" + shared_memory + "}";
}

// The plan of a configuration as cuDNN writes it down: its engine with every knob, the whole graph, the code it runs.
std::string written(const cudnn::Target& target, const cudnn::Descriptor& config) {
  cudnn::Descriptor plan(*target.api, cudnn::kExecutionPlanDescriptor);
  plan.set(cudnn::kPlanDeviceProperties, *target.properties);
  plan.set(cudnn::kPlanEngineConfig, config);
  return plan.try_finalize() == cudnn::kSuccess ? cudnn::write_plan(plan) : "";
}

}  // namespace

// Only where BANDLIFT_TEST_CUDNN names the folder of a real cuDNN: it is half a gigabyte and no part of the tests.
static void plans_of_the_real_library() {
  const char* folder = std::getenv("BANDLIFT_TEST_CUDNN");
  const Variable variable("BANDLIFT_CUDNN", folder);
  const FoundLibrary found = find_cudnn({});
  if (!found.found()) check::fail(found.why());
  const cudnn::Api api = cudnn::resolve(found);
  const bool has_driver = dlopen("libcuda.so.1", RTLD_NOW) != nullptr;
  for (int capability : {70, 80, 90}) {
    if (!cudnn::unfit(api.cudnnGetVersion(), capability / 10, capability % 10).empty()) continue;
    cudnn::Descriptor device(api, cudnn::kDevicePropertiesDescriptor);
    const std::string json = properties(capability);
    device.set(cudnn::kDevicePropertiesJson, cudnn::kTypeChar, static_cast<int64_t>(json.size()), json.data());
    device.finalize("device properties");
    const cudnn::Target target = {&api, nullptr, &device};
    for (ConvPass pass : {ConvPass::forward, ConvPass::backward_data, ConvPass::backward_weights})
      for (DType type : {DType::f32, DType::f16, DType::bf16}) {
        if (type == DType::bf16 && capability < 80) continue;
        const bool tf32 = type == DType::f32 && capability >= 80;
        for (bool rounded : tf32 ? std::vector<bool>{false, true} : std::vector<bool>{false})
          for (bool row : {false, true}) {
            const ConvProblem p = {pass, type, rounded, 4, row ? 1 : 256, row ? 65536 : 256, 344, 344, row ? 1 : 3, 3};
            const cudnn::Rules rules = {type, rounded, true, int64_t{256} << 20};
            const auto graph = std::make_shared<cudnn::Graph>(target, p, cudnn::Fusion{}, type);
            std::string why;
            bool repeated = false;  // by its engine's id and knobs, as they are remembered on disk
            for (cudnn::Descriptor& config : cudnn::propose(target, *graph, why)) {
              const std::string text = written(target, config);
              const auto plan = cudnn::make_plan(target, graph, std::move(config), rules, why);
              if (!plan) continue;
              const auto read = cudnn::read_plan(target, text);
              REQUIRE(read && cudnn::write_plan(*read) == text);
              REQUIRE(read->read<int64_t>(cudnn::kPlanWorkspaceSize, cudnn::kTypeInt64) ==
                      static_cast<int64_t>(plan->workspace_bytes()));
              const auto engine = cudnn::Engine::parse(plan->engine().text());
              auto again = cudnn::configure(target, *graph, *engine);
              if (!again) continue;
              REQUIRE(written(target, *again) == text);
              const auto second = cudnn::make_plan(target, graph, std::move(*again), rules, why);
              if (!second) check::fail(why);
              REQUIRE(second->engine().text() == plan->engine().text());
              repeated = true;
              break;
            }
            if (has_driver && pass == ConvPass::forward && capability >= 80) {
              const cudnn::Fusion whole = {true, true, false, true};
              const auto fused = std::make_shared<cudnn::Graph>(target, p, whole, type);
              bool made = false;
              for (cudnn::Descriptor& config : cudnn::propose(target, *fused, why))
                made = made || cudnn::make_plan(target, fused, std::move(config), rules, why).has_value();
              if (!made)
                check::fail("sm_" + std::to_string(capability) + ", " + cudnn::describe(p, whole) + ": " + why);
            }
            if (!repeated) check::fail("sm_" + std::to_string(capability) + ", " + cudnn::describe(p, {}) + ": " + why);
          }
      }
  }
}

[[maybe_unused]] static const bool kRegistered = [] {
  if (std::getenv("BANDLIFT_TEST_CUDNN") != nullptr)
    check::Register("the real cuDNN makes plans for every pass and type", plans_of_the_real_library);
  return true;
}();
