#include <cmath>

#include "wraps.h"

namespace bandlift_addon {

Napi::Function BufferWrap::define(Napi::Env env) {
  return DefineClass(env, "NativeBuffer",
                     {
                         InstanceAccessor<&BufferWrap::bytes>("bytes"),
                         InstanceMethod<&BufferWrap::write>("write"),
                         InstanceMethod<&BufferWrap::write_async>("writeAsync"),
                         InstanceMethod<&BufferWrap::read>("read"),
                         InstanceMethod<&BufferWrap::read_async>("readAsync"),
                         InstanceMethod<&BufferWrap::dispose>("dispose"),
                     });
}

// Marks the objects that wrap a BufferWrap (any random number will do).
static constexpr napi_type_tag kTag = {0x8d1f0c6ae45b4b2f, 0x91c37be2d0a64f58};

BufferWrap::BufferWrap(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  info.This().As<Napi::Object>().TypeTag(&kTag);
}

std::shared_ptr<bandlift::Buffer> BufferWrap::from(const Napi::Value& value, const std::string& name) {
  BANDLIFT_CHECK(value.IsObject() && value.As<Napi::Object>().CheckTypeTag(&kTag), shape,
                 name + " is not a buffer of this addon");
  return Unwrap(value.As<Napi::Object>())->get();
}

std::shared_ptr<bandlift::Buffer> BufferWrap::get() const {
  BANDLIFT_CHECK(buffer_, disposed, "the buffer was disposed");
  return buffer_;
}

Napi::Value BufferWrap::bytes(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return Napi::Number::New(info.Env(), static_cast<double>(get()->bytes())); });
}

// The array and where in the buffer it goes, checked against the buffer's size.
static std::pair<bandlift::HostArray, size_t> transfer(const Napi::CallbackInfo& info, const bandlift::Buffer& buffer) {
  const bandlift::HostArray array = to_host_array(info[0], "the array");
  double offset = 0;
  if (info.Length() > 1 && !info[1].IsUndefined()) {
    BANDLIFT_CHECK(info[1].IsNumber(), shape, "byteOffset must be a number");
    offset = info[1].As<Napi::Number>().DoubleValue();
  }
  BANDLIFT_CHECK(offset >= 0 && offset == std::floor(offset) &&
                     offset + static_cast<double>(array.bytes) <= static_cast<double>(buffer.bytes()),
                 shape,
                 std::to_string(array.bytes) + " bytes at offset " + std::to_string(offset) + " of a buffer of " +
                     std::to_string(buffer.bytes()) + " bytes");
  return {array, static_cast<size_t>(offset)};
}

Napi::Value BufferWrap::write(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto buffer = get();
    const auto [array, offset] = transfer(info, *buffer);
    if (array.bytes > 0) buffer->write(array.data, offset, array.bytes);
    return info.Env().Undefined();
  });
}

namespace {

// A copy on a thread of Node's pool, so that neither JavaScript nor the device's programs wait for it. Node itself
// waits for such work before an environment goes, so the array outlives the copy.
class Copy final : public Napi::AsyncWorker {
 public:
  Copy(Napi::Env env, const Napi::Value& array, bandlift::HostArray host, std::shared_ptr<bandlift::Buffer> buffer,
       size_t offset, bool reads)
      : AsyncWorker(env, "bandlift copy"),
        deferred_(Napi::Promise::Deferred::New(env)),
        array_(Napi::Persistent(array.As<Napi::Object>())),
        host_(host),
        buffer_(std::move(buffer)),
        offset_(offset),
        reads_(reads) {}
  Napi::Promise promise() const { return deferred_.Promise(); }

 private:
  void Execute() override {
    try {
      if (host_.bytes == 0) return;
      if (reads_)
        buffer_->read(host_.data, offset_, host_.bytes);
      else
        buffer_->write(host_.data, offset_, host_.bytes);
    } catch (const bandlift::Error& error) {
      code_ = error.code;
      SetError(error.what());
    }
  }
  void OnOK() override {
    if (still_there(Env(), array_.Value(), host_))
      deferred_.Resolve(Env().Undefined());
    else
      deferred_.Reject(to_js_error(Env(), bandlift::ErrorCode::shape, kTransferred).Value());
  }
  void OnError(const Napi::Error& error) override {
    deferred_.Reject(to_js_error(Env(), code_, error.Message()).Value());
  }

  Napi::Promise::Deferred deferred_;
  Napi::ObjectReference array_;  // keeps its memory
  bandlift::HostArray host_;
  std::shared_ptr<bandlift::Buffer> buffer_;
  size_t offset_;
  bool reads_;
  bandlift::ErrorCode code_ = bandlift::ErrorCode::internal;
};

}  // namespace

Napi::Value BufferWrap::copy_async(const Napi::CallbackInfo& info, bool reads) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto buffer = get();
    const auto [array, offset] = transfer(info, *buffer);
    auto* copy = new Copy(info.Env(), info[0], array, buffer, offset, reads);  // deletes itself when it has settled
    const Napi::Promise promise = copy->promise();
    copy->Queue();
    return promise;
  });
}

Napi::Value BufferWrap::write_async(const Napi::CallbackInfo& info) {
  return copy_async(info, false);
}

Napi::Value BufferWrap::read_async(const Napi::CallbackInfo& info) {
  return copy_async(info, true);
}

Napi::Value BufferWrap::read(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto buffer = get();
    const auto [array, offset] = transfer(info, *buffer);
    if (array.bytes > 0) buffer->read(array.data, offset, array.bytes);
    return info.Env().Undefined();
  });
}

// V8 learns how much hangs on this small object, so that one that nobody disposed of is collected before memory runs out.
void BufferWrap::hold(std::shared_ptr<bandlift::Buffer> buffer) {
  buffer_ = std::move(buffer);
  Napi::MemoryManagement::AdjustExternalMemory(Env(), static_cast<int64_t>(buffer_->bytes()));
}

void BufferWrap::let_go(Napi::BasicEnv env) {
  if (!buffer_) return;
  Napi::MemoryManagement::AdjustExternalMemory(env, -static_cast<int64_t>(buffer_->bytes()));
  buffer_.reset();
}

Napi::Value BufferWrap::dispose(const Napi::CallbackInfo& info) {
  let_go(info.Env());
  return info.Env().Undefined();
}

}  // namespace bandlift_addon
