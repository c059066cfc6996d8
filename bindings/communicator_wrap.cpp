// Communicators and MPI for JavaScript: every call is a promise, settled from the communicator's own thread.
#include <unistd.h>

#include <cmath>

#include "comm/mpi_communicator.h"
#include "wraps.h"

namespace bandlift_addon {

// A communicator and its thread. The thread may outlive everything (CommThread), so work holds this.
struct Connection {
  bandlift::CommThread thread;
  std::unique_ptr<bandlift::Communicator> communicator;  // made on the thread
  bool closed = false;
};

namespace {

// One call on its way.
struct Call {
  Call(Napi::Env env, std::shared_ptr<Connection> connection)
      : deferred(Napi::Promise::Deferred::New(env)), connection(std::move(connection)) {}
  Napi::Promise::Deferred deferred;
  std::shared_ptr<Connection> connection;
  std::vector<Napi::ObjectReference> arrays;  // keeps their memory
  std::vector<bandlift::HostArray> bytes;
  bool opens = false;
  bool failed = false;
  bandlift::ErrorCode code = bandlift::ErrorCode::internal;
  std::string message;
};

void settle_call(Napi::Env env, Napi::Function, Call* call) {
  std::unique_ptr<Call> owner(call);
  if (env == nullptr) {
    for (auto& array : call->arrays) array.SuppressDestruct();
    return;
  }
  Napi::HandleScope scope(env);
  for (size_t i = 0; i < call->arrays.size() && !call->failed; ++i)
    if (!still_there(env, call->arrays[i].Value(), call->bytes[i]))
      call->failed = true, call->code = bandlift::ErrorCode::shape, call->message = kTransferred;
  if (call->failed) {
    call->deferred.Reject(to_js_error(env, call->code, call->message).Value());
  } else if (call->opens) {
    Napi::Object object = env.GetInstanceData<AddonState>()->communicator.New({});
    CommunicatorWrap::Unwrap(object)->hold(call->connection);
    call->deferred.Resolve(object);
  } else {
    call->deferred.Resolve(env.Undefined());
  }
}

Napi::Promise start(Napi::Env env, std::unique_ptr<Call> call, std::function<void(Call&)> work) {
  const Napi::Promise promise = call->deferred.Promise();
  auto done = Napi::ThreadSafeFunction::New(env, Napi::Function::New(env, [](const Napi::CallbackInfo&) {}),
                                            "bandlift communicator", 0, 1);
  Call* state = call.release();
  state->connection->thread.submit([state, done, work = std::move(work)]() mutable {
    try {
      work(*state);
    } catch (const bandlift::Error& error) {
      state->failed = true, state->code = error.code, state->message = error.what();
    } catch (const std::exception& error) {
      state->failed = true, state->message = error.what();
    }
    if (done.BlockingCall(state, settle_call) == napi_ok)
      done.Release();
    else
      settle_call(Napi::Env(nullptr), Napi::Function(), state);
  });
  return promise;
}

std::vector<std::string> names_of(const Napi::Value& value) {
  BANDLIFT_CHECK(value.IsArray(), device, "the names of MPI libraries must be an array");
  const Napi::Array list = value.As<Napi::Array>();
  std::vector<std::string> names;
  for (uint32_t i = 0; i < list.Length(); ++i) {
    const Napi::Value item = list.Get(i);
    BANDLIFT_CHECK(item.IsString(), device, "the names of MPI libraries must be texts");
    names.push_back(item.As<Napi::String>().Utf8Value());
  }
  return names;
}

template <class T>
T* numbers(const bandlift::HostArray& array, size_t& count, const char* what) {
  BANDLIFT_CHECK(array.bytes % sizeof(T) == 0, shape, std::string(what) + ": not a whole number of values");
  count = array.bytes / sizeof(T);
  return static_cast<T*>(array.data);
}

}  // namespace

Napi::Function CommunicatorWrap::define(Napi::Env env) {
  return DefineClass(env, "NativeCommunicator",
                     {
                         InstanceAccessor<&CommunicatorWrap::rank>("rank"),
                         InstanceAccessor<&CommunicatorWrap::size>("size"),
                         InstanceAccessor<&CommunicatorWrap::name>("name"),
                         InstanceMethod<&CommunicatorWrap::sum>("sum"),
                         InstanceMethod<&CommunicatorWrap::sum_in_order>("sumInOrder"),
                         InstanceMethod<&CommunicatorWrap::all_gather>("allGather"),
                         InstanceMethod<&CommunicatorWrap::broadcast>("broadcast"),
                         InstanceMethod<&CommunicatorWrap::barrier>("barrier"),
                         InstanceMethod<&CommunicatorWrap::finish>("finish"),
                     });
}

CommunicatorWrap::CommunicatorWrap(const Napi::CallbackInfo& info) : ObjectWrap(info) {}

std::shared_ptr<Connection> CommunicatorWrap::get() const {
  BANDLIFT_CHECK(connection_ && !connection_->closed, disposed, "the communicator was finished");
  return connection_;
}

Napi::Value CommunicatorWrap::rank(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return Napi::Number::New(info.Env(), get()->communicator->rank()); });
}

Napi::Value CommunicatorWrap::size(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return Napi::Number::New(info.Env(), get()->communicator->size()); });
}

Napi::Value CommunicatorWrap::name(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return Napi::String::New(info.Env(), get()->communicator->name()); });
}

static std::unique_ptr<Call> with_arrays(const Napi::CallbackInfo& info, std::shared_ptr<Connection> connection,
                                         size_t count) {
  auto call = std::make_unique<Call>(info.Env(), std::move(connection));
  for (size_t i = 0; i < count; ++i) {
    call->bytes.push_back(to_host_array(info[i], "array " + std::to_string(i)));
    call->arrays.push_back(Napi::Persistent(info[i].As<Napi::Object>()));
  }
  return call;
}

Napi::Value CommunicatorWrap::sum_of(const Napi::CallbackInfo& info, bool ordered) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    auto connection = get();
    BANDLIFT_CHECK(info[0].IsTypedArray() && info[0].As<Napi::TypedArray>().TypedArrayType() == napi_float32_array,
                   dtype, "sum wants a Float32Array");
    return start(info.Env(), with_arrays(info, connection, 1), [ordered](Call& call) {
      size_t count = 0;
      float* values = numbers<float>(call.bytes[0], count, "sum");
      bandlift::Communicator& ranks = *call.connection->communicator;
      ordered ? ranks.sum_in_order(values, count) : ranks.sum(values, count);
    });
  });
}

Napi::Value CommunicatorWrap::sum(const Napi::CallbackInfo& info) {
  return sum_of(info, false);
}

Napi::Value CommunicatorWrap::sum_in_order(const Napi::CallbackInfo& info) {
  return sum_of(info, true);
}

Napi::Value CommunicatorWrap::all_gather(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    auto connection = get();
    for (size_t i = 0; i < 2; ++i)
      BANDLIFT_CHECK(info[i].IsTypedArray() && info[i].As<Napi::TypedArray>().TypedArrayType() == napi_float64_array,
                     dtype, "allGather wants two Float64Arrays");
    auto call = with_arrays(info, connection, 2);
    const size_t size = static_cast<size_t>(connection->communicator->size());
    BANDLIFT_CHECK(call->bytes[1].bytes == call->bytes[0].bytes * size, shape,
                   "the second array must hold the first of each rank");
    return start(info.Env(), std::move(call), [](Call& call) {
      size_t count = 0;
      const double* own = numbers<double>(call.bytes[0], count, "allGather");
      call.connection->communicator->all_gather(own, static_cast<double*>(call.bytes[1].data), count);
    });
  });
}

Napi::Value CommunicatorWrap::broadcast(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    auto connection = get();
    return start(info.Env(), with_arrays(info, connection, 1), [](Call& call) {
      call.connection->communicator->broadcast(call.bytes[0].data, call.bytes[0].bytes, 0);
    });
  });
}

Napi::Value CommunicatorWrap::barrier(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    return start(info.Env(), with_arrays(info, get(), 0), [](Call& call) { call.connection->communicator->barrier(); });
  });
}

Napi::Value CommunicatorWrap::finish(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    auto connection = get();
    const Napi::Promise promise = start(info.Env(), with_arrays(info, connection, 0),
                                        [](Call& call) { call.connection->communicator->finish(); });
    connection->closed = true;
    return promise;
  });
}

Napi::Value open_mpi(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    auto names = names_of(info[0]);
    auto call = std::make_unique<Call>(info.Env(), std::make_shared<Connection>());
    call->opens = true;
    return start(info.Env(), std::move(call), [names = std::move(names)](Call& call) {
      std::vector<bandlift::mpi::Tried> tried;
      call.connection->communicator =
          std::make_unique<bandlift::mpi::MpiCommunicator>(bandlift::mpi::open(names, tried));
    });
  });
}

Napi::Value mpi_report(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    const std::vector<std::string> names = names_of(info[0]);
    std::vector<bandlift::mpi::Tried> tried;
    Napi::Object result = Napi::Object::New(env);
    std::string path, version, abi, problem;
    try {
      const bandlift::mpi::Library library = bandlift::mpi::open(names, tried);
      path = library.path, version = library.version, abi = bandlift::mpi::abi_name(library.abi);
    } catch (const bandlift::Error& error) {
      problem = error.what();
    }
    result.Set("path", path);
    result.Set("version", version);
    result.Set("abi", abi);
    result.Set("problem", problem);
    return result;
  });
}

Napi::Value exit_now(const Napi::CallbackInfo& info) {
  _exit(info[0].IsNumber() ? info[0].As<Napi::Number>().Int32Value() : 1);
}

}  // namespace bandlift_addon
