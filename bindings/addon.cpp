// The addon's exports; addon.d.ts is their description by hand.
#include <condition_variable>
#include <mutex>
#include <system_error>

#include "wraps.h"
#ifdef BANDLIFT_CUDA
#include "cuda/cuda_device.h"
#endif

namespace bandlift_addon {

static Napi::Value cpu_features(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Napi::Array isas = Napi::Array::New(env);
  for (bandlift::Isa isa : bandlift::available_isas()) isas.Set(isas.Length(), bandlift::isa_name(isa));
  Napi::Object result = Napi::Object::New(env);
  result.Set("name", bandlift::cpu_name());
  result.Set("isa", isas);
  result.Set("physicalCores", bandlift::physical_cores());
  return result;
}

static bandlift::Isa isa_option(const Napi::Object& options) {
  const Napi::Value value = options.Get("isa");
  if (value.IsUndefined()) return bandlift::available_isas().front();
  BANDLIFT_CHECK(value.IsString(), device, "isa must be a string");
  const std::string name = value.As<Napi::String>().Utf8Value();
  if (name == "auto") return bandlift::available_isas().front();
  for (bandlift::Isa isa : {bandlift::Isa::avx512, bandlift::Isa::avx2, bandlift::Isa::baseline})
    if (name == bandlift::isa_name(isa)) return isa;
  throw bandlift::Error(bandlift::ErrorCode::device, "isa is '" + name + "', expected auto, avx512, avx2 or baseline");
}

static std::shared_ptr<bandlift::Device> open_cpu(const Napi::Object& options) {
  int threads = bandlift::physical_cores();
  const Napi::Value wanted = options.Get("threads");
  if (!wanted.IsUndefined()) {
    const double count = wanted.IsNumber() ? wanted.As<Napi::Number>().DoubleValue() : 0;
    BANDLIFT_CHECK(count >= 1 && count <= 1024 && count == static_cast<int>(count), device,
                   "threads must be a whole number from 1 to 1024");
    threads = static_cast<int>(count);
  }
  try {
    return std::make_shared<bandlift::CpuDevice>(threads, isa_option(options));
  } catch (const std::system_error& error) {
    throw bandlift::Error(bandlift::ErrorCode::device,
                          "cannot start " + std::to_string(threads) + " threads: " + error.what());
  }
}

#ifdef BANDLIFT_CUDA

static bool flag_option(const Napi::Object& options, const char* name, bool otherwise) {
  const Napi::Value value = options.Get(name);
  if (value.IsUndefined()) return otherwise;
  BANDLIFT_CHECK(value.IsBoolean(), device, std::string(name) + " must be true or false");
  return value.As<Napi::Boolean>().Value();
}

static std::vector<std::string> folders_option(const Napi::Value& value) {
  std::vector<std::string> folders;
  if (value.IsUndefined()) return folders;
  BANDLIFT_CHECK(value.IsArray(), device, "library folders must be an array of paths");
  const Napi::Array list = value.As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); ++i) {
    const Napi::Value item = list.Get(i);
    BANDLIFT_CHECK(item.IsString(), device, "library folders must be an array of paths");
    folders.push_back(item.As<Napi::String>().Utf8Value());
  }
  return folders;
}

static std::shared_ptr<bandlift::Device> open_cuda(const Napi::Object& options) {
  bandlift::cuda::CudaOptions wanted;
  const Napi::Value index = options.Get("index");
  if (!index.IsUndefined()) {
    const double number = index.IsNumber() ? index.As<Napi::Number>().DoubleValue() : -1;
    BANDLIFT_CHECK(number >= 0 && number < 1024 && number == static_cast<int>(number), device,
                   "index must be a whole number from 0");
    wanted.index = static_cast<int>(number);
  }
  wanted.tf32 = flag_option(options, "tf32", wanted.tf32);
  wanted.deterministic = flag_option(options, "deterministic", wanted.deterministic);
  wanted.library_folders = folders_option(options.Get("libraryFolders"));
  return std::make_shared<bandlift::cuda::CudaDevice>(wanted);
}

static Napi::Array library_list(Napi::Env env, const bandlift::cuda::CudaReport& report) {
  Napi::Array list = Napi::Array::New(env);
  for (const auto& [name, library] : report.libraries) {
    Napi::Object item = Napi::Object::New(env);
    item.Set("name", name);
    item.Set("version", library.version);
    item.Set("path", library.path);
    item.Set("problem", library.problem);
    Napi::Array tried = Napi::Array::New(env);
    for (const auto& place : library.tried)
      tried.Set(tried.Length(), place.failure.empty() ? place.place : place.place + ": " + place.failure);
    item.Set("tried", tried);
    list.Set(list.Length(), item);
  }
  return list;
}

// With an argument (folders to look in besides) also the libraries, which are opened for that.
static Napi::Value cuda_report(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    const bool libraries = info.Length() > 0 && !info[0].IsUndefined();
    const bandlift::cuda::CudaReport report =
        libraries ? bandlift::cuda::report(folders_option(info[0])) : bandlift::cuda::report();
    Napi::Object result = Napi::Object::New(env);
    result.Set("built", true);
    Napi::Array architectures = Napi::Array::New(env), devices = Napi::Array::New(env);
    for (int a : bandlift::cuda::built_architectures())
      architectures.Set(architectures.Length(), "sm_" + std::to_string(a));
    for (const auto& gpu : report.gpus) {
      Napi::Object device = Napi::Object::New(env);
      device.Set("index", gpu.index);
      device.Set("name", gpu.name);
      device.Set("computeCapability", gpu.compute_capability);
      device.Set("memoryBytes", static_cast<double>(gpu.memory_bytes));
      device.Set("usable", gpu.reason.empty());
      device.Set("reason", gpu.reason);
      devices.Set(devices.Length(), device);
    }
    result.Set("architectures", architectures);
    result.Set("devices", devices);
    result.Set("runtime", report.runtime);
    result.Set("driver", report.driver);
    result.Set("reason", report.reason);
    result.Set("libraries", library_list(env, report));
    return result;
  });
}

#else

static std::shared_ptr<bandlift::Device> open_cuda(const Napi::Object&) {
  throw bandlift::Error(bandlift::ErrorCode::device,
                        "this addon was built without CUDA: run `npm run build:cuda`, or use --device cpu");
}

static Napi::Value cuda_report(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Napi::Object result = Napi::Object::New(env);
  result.Set("built", false);
  for (const char* list : {"architectures", "devices", "libraries"}) result.Set(list, Napi::Array::New(env));
  result.Set("runtime", "");
  result.Set("driver", "");
  result.Set("reason", "this addon was built without CUDA: run `npm run build:cuda`, or use --device cpu");
  return result;
}

#endif

static Napi::Value create_device(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    BANDLIFT_CHECK(info[0].IsObject(), device, "createDevice needs options with a kind");
    const Napi::Object options = info[0].As<Napi::Object>();
    const Napi::Value kind = options.Get("kind");
    const std::string name = kind.IsString() ? kind.As<Napi::String>().Utf8Value() : "";
    BANDLIFT_CHECK(name == "cpu" || name == "cuda", device,
                   "the device's kind is '" + name + "', expected cpu or cuda");
    std::shared_ptr<bandlift::Device> device = name == "cpu" ? open_cpu(options) : open_cuda(options);
    Napi::Object object = env.GetInstanceData<AddonState>()->device.New({});
    DeviceWrap::Unwrap(object)->hold(std::move(device));
    return object;
  });
}

// Before an environment goes (process exit or a worker's end), its runs are aborted and waited for: they read and write
// the memory of its typed arrays. Here too goes the last owner of a device whose JavaScript object was disposed: on the
// device's own thread it would wait for itself.
static void finish_runs(AddonState* state) {
  for (const auto& program : state->running) program->abort();
  for (const auto& program : state->running) {
    std::mutex mutex;
    std::condition_variable reached;
    bool done = false;
    program->device()->submit([&] {
      std::lock_guard lock(mutex);
      done = true;
      reached.notify_one();
    });
    std::unique_lock lock(mutex);
    reached.wait(lock, [&] { return done; });
  }
  state->running.clear();
}

// The table of instructions, for tests that compare it with src/graph/ops.
static Napi::Array instructions(Napi::Env env) {
  Napi::Array table = Napi::Array::New(env);
  for (const bandlift::OpcodeInfo& info : bandlift::opcodes()) {
    Napi::Array operands = Napi::Array::New(env);
    for (const bandlift::Operand& operand : info.operands) {
      Napi::Object one = Napi::Object::New(env);
      one.Set("name", operand.name);
      one.Set("optional", operand.optional);
      one.Set("isImage", operand.is_image);
      operands.Set(operands.Length(), one);
    }
    Napi::Object row = Napi::Object::New(env);
    row.Set("name", info.name);
    row.Set("operands", operands);
    row.Set("params", info.params);
    table.Set(table.Length(), row);
  }
  return table;
}

static Napi::Object init(Napi::Env env, Napi::Object exports) {
  auto* state = new AddonState;
  state->device = Napi::Persistent(DeviceWrap::define(env));
  state->buffer = Napi::Persistent(BufferWrap::define(env));
  state->program = Napi::Persistent(ProgramWrap::define(env));
  state->communicator = Napi::Persistent(CommunicatorWrap::define(env));
  env.SetInstanceData(state);
  env.AddCleanupHook(finish_runs, state);

  exports.Set("version", BANDLIFT_VERSION);
  exports.Set("instructions", instructions(env));
  exports.Set("cpuFeatures", Napi::Function::New(env, cpu_features, "cpuFeatures"));
  exports.Set("cudaReport", Napi::Function::New(env, cuda_report, "cudaReport"));
  exports.Set("createDevice", Napi::Function::New(env, create_device, "createDevice"));
  exports.Set("openMpi", Napi::Function::New(env, open_mpi, "openMpi"));
  exports.Set("mpiReport", Napi::Function::New(env, mpi_report, "mpiReport"));
  exports.Set("exitNow", Napi::Function::New(env, exit_now, "exitNow"));
  return exports;
}

NODE_API_MODULE(bandlift, init)

}  // namespace bandlift_addon
