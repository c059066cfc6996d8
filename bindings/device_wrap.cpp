#include <cmath>

#include "wraps.h"

namespace bandlift_addon {

Napi::Function DeviceWrap::define(Napi::Env env) {
  return DefineClass(env, "NativeDevice",
                     {
                         InstanceMethod<&DeviceWrap::info>("info"),
                         InstanceMethod<&DeviceWrap::memory>("memory"),
                         InstanceMethod<&DeviceWrap::allocate>("allocate"),
                         InstanceMethod<&DeviceWrap::workspace_bytes>("workspaceBytes"),
                         InstanceMethod<&DeviceWrap::compile>("compile"),
                         InstanceMethod<&DeviceWrap::dispose>("dispose"),
                     });
}

DeviceWrap::DeviceWrap(const Napi::CallbackInfo& info) : ObjectWrap(info) {}

std::shared_ptr<bandlift::Device> DeviceWrap::get() const {
  BANDLIFT_CHECK(device_, disposed, "the device was disposed");
  return device_;
}

Napi::Value DeviceWrap::info(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  return guarded(env, [&]() -> Napi::Value {
    const bandlift::DeviceInfo info = get()->info();
    Napi::Object result = Napi::Object::New(env);
    result.Set("kind", info.kind);
    result.Set("name", info.name);
    result.Set("threads", info.threads);
    result.Set("isa", info.isa);
    result.Set("rowBytes", info.row_bytes);
    result.Set("memoryBytes", static_cast<double>(info.memory_bytes));
    result.Set("convolutions", info.convolutions);
    return result;
  });
}

Napi::Value DeviceWrap::memory(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  return guarded(env, [&]() -> Napi::Value {
    const bandlift::MemoryStats& stats = get()->memory();
    Napi::Object result = Napi::Object::New(env);
    result.Set("buffers", static_cast<double>(stats.buffers()));
    result.Set("bytes", static_cast<double>(stats.bytes()));
    result.Set("peakBytes", static_cast<double>(stats.peak()));
    return result;
  });
}

Napi::Value DeviceWrap::allocate(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  return guarded(env, [&]() -> Napi::Value {
    BANDLIFT_CHECK(call[0].IsNumber(), shape, "bytes must be a number");
    const double bytes = call[0].As<Napi::Number>().DoubleValue();
    BANDLIFT_CHECK(bytes >= 0 && bytes == std::floor(bytes) && bytes <= 9007199254740991.0, shape,
                   "bytes must be a whole number from 0");
    auto buffer = get()->allocate(static_cast<size_t>(bytes));
    Napi::Object object = env.GetInstanceData<AddonState>()->buffer.New({});
    BufferWrap::Unwrap(object)->hold(std::move(buffer));
    return object;
  });
}

Napi::Value DeviceWrap::workspace_bytes(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  return guarded(env, [&]() -> Napi::Value {
    return Napi::Number::New(env,
                             static_cast<double>(bandlift::workspace_bytes(get()->backend(), to_instruction(call[0]))));
  });
}

Napi::Value DeviceWrap::compile(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  return guarded(env, [&]() -> Napi::Value {
    BANDLIFT_CHECK(call[1].IsArray(), shape, "buffers must be an array");
    const Napi::Array list = call[1].As<Napi::Array>();
    std::vector<std::shared_ptr<bandlift::Buffer>> buffers;
    for (uint32_t i = 0; i < list.Length(); ++i)
      buffers.push_back(BufferWrap::from(list.Get(i), "buffer " + std::to_string(i)));
    auto program = std::make_shared<bandlift::Program>(get(), std::move(buffers), to_program(call[0]));
    Napi::Object object = env.GetInstanceData<AddonState>()->program.New({});
    ProgramWrap::Unwrap(object)->hold(std::move(program));
    return object;
  });
}

Napi::Value DeviceWrap::dispose(const Napi::CallbackInfo& call) {
  device_.reset();
  return call.Env().Undefined();
}

}  // namespace bandlift_addon
