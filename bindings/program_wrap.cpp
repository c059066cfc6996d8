#include "wraps.h"

namespace bandlift_addon {

namespace {

// One run on its way: made on the JavaScript thread, executed on the device's, settled on the JavaScript thread again.
struct Run {
  Run(Napi::Env env, std::shared_ptr<bandlift::Program> program)
      : deferred(Napi::Promise::Deferred::New(env)), program(std::move(program)) {}

  Napi::Promise::Deferred deferred;
  std::shared_ptr<bandlift::Program> program;
  std::vector<Napi::ObjectReference> arrays;  // keeps the memory of inputs and outputs alive
  std::vector<bandlift::HostArray> inputs, outputs;
  int64_t asked = 0;
  bool failed = false;
  bandlift::ErrorCode code = bandlift::ErrorCode::internal;
  std::string message;
};

// Arrays of inputs, then of outputs, as collect() kept them.
bool all_there(Napi::Env env, const Run& run) {
  for (size_t i = 0; i < run.arrays.size(); ++i) {
    const bool input = i < run.inputs.size();
    const bandlift::HostArray& bytes = input ? run.inputs[i] : run.outputs[i - run.inputs.size()];
    if (!still_there(env, run.arrays[i].Value(), bytes)) return false;
  }
  return true;
}

void settle(Napi::Env env, Napi::Function, Run* run) {
  std::unique_ptr<Run> owner(run);
  if (env == nullptr) {
    // the environment is going: its references may not be touched any more
    for (auto& array : run->arrays) array.SuppressDestruct();
    return;
  }
  Napi::HandleScope scope(env);
  auto& running = env.GetInstanceData<AddonState>()->running;
  running.erase(running.find(run->program));
  if (!run->failed && !all_there(env, *run))
    run->failed = true, run->code = bandlift::ErrorCode::shape, run->message = kTransferred;
  if (run->failed)
    run->deferred.Reject(to_js_error(env, run->code, run->message).Value());
  else
    run->deferred.Resolve(env.Undefined());
}

void collect(const Napi::Value& value, const char* side, size_t expected, Run& run,
             std::vector<bandlift::HostArray>& to) {
  BANDLIFT_CHECK(value.IsArray(), shape, std::string("the ") + side + " must be an array of typed arrays");
  const Napi::Array list = value.As<Napi::Array>();
  BANDLIFT_CHECK(list.Length() == expected, shape,
                 std::to_string(list.Length()) + " " + side + ", expected " + std::to_string(expected));
  for (uint32_t i = 0; i < list.Length(); ++i) {
    const Napi::Value item = list.Get(i);
    to.push_back(to_host_array(item, std::string(side) + " " + std::to_string(i)));
    run.arrays.push_back(Napi::Persistent(item.As<Napi::Object>()));
  }
}

}  // namespace

Napi::Function ProgramWrap::define(Napi::Env env) {
  return DefineClass(env, "NativeProgram",
                     {
                         InstanceMethod<&ProgramWrap::run>("run"),
                         InstanceMethod<&ProgramWrap::abort>("abort"),
                         InstanceMethod<&ProgramWrap::profile>("profile"),
                         InstanceMethod<&ProgramWrap::unrecorded>("unrecorded"),
                         InstanceMethod<&ProgramWrap::dispose>("dispose"),
                     });
}

ProgramWrap::ProgramWrap(const Napi::CallbackInfo& info) : ObjectWrap(info) {}

std::shared_ptr<bandlift::Program> ProgramWrap::get() const {
  BANDLIFT_CHECK(program_, disposed, "the program was disposed");
  return program_;
}

Napi::Value ProgramWrap::run(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    const auto program = get();
    auto run = std::make_unique<Run>(env, program);
    collect(info[0], "inputs", program->input_count(), *run, run->inputs);
    collect(info[1], "outputs", program->output_count(), *run, run->outputs);
    for (size_t i = 0; i < run->inputs.size(); ++i) program->check_input(i, run->inputs[i].bytes);
    for (size_t i = 0; i < run->outputs.size(); ++i) program->check_output(i, run->outputs[i].bytes);
    run->asked = program->aborts();
    const Napi::Promise promise = run->deferred.Promise();
    // settles the promise and is released with the run; finish_runs (addon.cpp) waits for the device
    auto done = Napi::ThreadSafeFunction::New(env, Napi::Function::New(env, [](const Napi::CallbackInfo&) {}),
                                              "bandlift run", 0, 1);
    env.GetInstanceData<AddonState>()->running.insert(program);
    Run* state = run.release();
    program->device()->submit([state, done]() mutable {
      try {
        state->program->run(state->inputs, state->outputs, state->asked);
      } catch (const bandlift::Error& error) {
        state->failed = true, state->code = error.code, state->message = error.what();
      } catch (const std::exception& error) {
        state->failed = true, state->message = error.what();
      }
      if (done.BlockingCall(state, settle) == napi_ok)
        done.Release();
      else  // the environment is going; a function that refuses a call has released this thread
        settle(Napi::Env(nullptr), Napi::Function(), state);
    });
    return promise;
  });
}

Napi::Value ProgramWrap::abort(const Napi::CallbackInfo& info) {
  if (program_) program_->abort();
  return info.Env().Undefined();
}

Napi::Value ProgramWrap::unrecorded(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value { return Napi::String::New(env, get()->unrecorded()); });
}

Napi::Value ProgramWrap::profile(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    Napi::Array list = Napi::Array::New(env);
    for (const auto& timing : get()->profile()) {
      Napi::Object item = Napi::Object::New(env);
      item.Set("label", timing.label);
      item.Set("op", timing.op);
      item.Set("seconds", timing.seconds);
      list.Set(list.Length(), item);
    }
    return list;
  });
}

Napi::Value ProgramWrap::dispose(const Napi::CallbackInfo& info) {
  program_.reset();
  return info.Env().Undefined();
}

}  // namespace bandlift_addon
