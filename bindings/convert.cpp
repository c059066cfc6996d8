#include "convert.h"

#include <cmath>

namespace bandlift_addon {

using bandlift::Error;
using bandlift::ErrorCode;

static const char* code_name(ErrorCode code) {
  switch (code) {
    case ErrorCode::shape:
      return "ERR_SHAPE";
    case ErrorCode::dtype:
      return "ERR_DTYPE";
    case ErrorCode::device:
      return "ERR_DEVICE";
    case ErrorCode::out_of_memory:
      return "ERR_OUT_OF_MEMORY";
    case ErrorCode::aborted:
      return "ERR_ABORTED";
    case ErrorCode::disposed:
      return "ERR_DISPOSED";
    case ErrorCode::internal:
      break;
  }
  return "ERR_INTERNAL";
}

Napi::Error to_js_error(Napi::Env env, ErrorCode code, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("name", Napi::String::New(env, "NativeError"));
  error.Set("code", Napi::String::New(env, code_name(code)));
  return error;
}

Napi::Value guarded(Napi::Env env, const std::function<Napi::Value()>& body) {
  try {
    return body();
  } catch (const Error& error) {
    throw to_js_error(env, error.code, error.what());
  } catch (const std::bad_alloc&) {
    throw to_js_error(env, ErrorCode::out_of_memory, "out of memory");
  }
}

static Napi::Object object(const Napi::Value& value, const std::string& name) {
  BANDLIFT_CHECK(value.IsObject(), shape, name + " must be an object");
  return value.As<Napi::Object>();
}

static Napi::Array array(const Napi::Value& value, const std::string& name) {
  BANDLIFT_CHECK(value.IsArray(), shape, name + " must be an array");
  return value.As<Napi::Array>();
}

static std::string text(const Napi::Value& value, const std::string& name) {
  BANDLIFT_CHECK(value.IsString(), shape, name + " must be a string");
  return value.As<Napi::String>().Utf8Value();
}

static double number(const Napi::Value& value, const std::string& name) {
  BANDLIFT_CHECK(value.IsNumber(), shape, name + " must be a number");
  return value.As<Napi::Number>().DoubleValue();
}

static int64_t integer(const Napi::Value& value, const std::string& name) {
  const double v = number(value, name);
  BANDLIFT_CHECK(v == std::floor(v) && std::abs(v) <= 9007199254740991.0, shape, name + " must be a whole number");
  return static_cast<int64_t>(v);
}

static bandlift::DType to_dtype(const std::string& text, const std::string& name) {
  if (text == "f32") return bandlift::DType::f32;
  if (text == "f64") return bandlift::DType::f64;
  if (text == "f16") return bandlift::DType::f16;
  if (text == "bf16") return bandlift::DType::bf16;
  throw Error(ErrorCode::dtype, name + ".dtype is '" + text + "', expected 'f32', 'f64', 'f16' or 'bf16'");
}

static bandlift::TensorRef to_tensor(const Napi::Value& value, const std::string& name) {
  bandlift::TensorRef ref;
  if (value.IsNull() || value.IsUndefined()) return ref;
  const Napi::Object o = object(value, name);
  ref.present = true;
  ref.buffer = integer(o.Get("buffer"), name + ".buffer");
  ref.offset = integer(o.Get("offset"), name + ".offset");
  const std::string dtype = text(o.Get("dtype"), name + ".dtype");
  ref.dtype = to_dtype(dtype, name);
  const Napi::Array shape = array(o.Get("shape"), name + ".shape");
  BANDLIFT_CHECK(shape.Length() == 4, shape, name + ".shape must have 4 sizes");
  for (uint32_t i = 0; i < 4; ++i) ref.shape[i] = integer(shape.Get(i), name + ".shape");
  ref.pitch = integer(o.Get("pitch"), name + ".pitch");
  return ref;
}

bandlift::InstructionDescription to_instruction(const Napi::Value& value) {
  const Napi::Object o = object(value, "instruction");
  bandlift::InstructionDescription d;
  d.op = text(o.Get("op"), "instruction.op");
  d.label = text(o.Get("label"), d.op + ".label");
  const std::string where = "'" + d.label + "' (" + d.op + ")";
  const Napi::Array tensors = array(o.Get("tensors"), where + ": tensors");
  for (uint32_t i = 0; i < tensors.Length(); ++i)
    d.tensors.push_back(to_tensor(tensors.Get(i), where + ": operand " + std::to_string(i)));
  const Napi::Array params = array(o.Get("params"), where + ": params");
  for (uint32_t i = 0; i < params.Length(); ++i)
    d.params.push_back(number(params.Get(i), where + ": parameter " + std::to_string(i)));
  return d;
}

bandlift::ProgramDescription to_program(const Napi::Value& value) {
  const Napi::Object o = object(value, "program");
  bandlift::ProgramDescription d;
  const Napi::Array instructions = array(o.Get("instructions"), "program.instructions");
  for (uint32_t i = 0; i < instructions.Length(); ++i) d.instructions.push_back(to_instruction(instructions.Get(i)));
  for (const char* side : {"inputs", "outputs"}) {
    auto& ports = side[0] == 'i' ? d.inputs : d.outputs;
    const Napi::Array list = array(o.Get(side), std::string("program.") + side);
    for (uint32_t i = 0; i < list.Length(); ++i) {
      const Napi::Object port = object(list.Get(i), std::string("program.") + side);
      const std::string name = text(port.Get("name"), std::string("program.") + side + ".name");
      ports.emplace_back(name, to_tensor(port.Get("tensor"), "'" + name + "'"));
    }
  }
  return d;
}

bandlift::HostArray to_host_array(const Napi::Value& value, const std::string& name) {
  BANDLIFT_CHECK(value.IsTypedArray(), dtype, name + " must be a Float32Array, Float64Array or Uint8Array");
  const Napi::TypedArray typed = value.As<Napi::TypedArray>();
  const napi_typedarray_type type = typed.TypedArrayType();
  BANDLIFT_CHECK(type == napi_float32_array || type == napi_float64_array || type == napi_uint8_array, dtype,
                 name + " must be a Float32Array, Float64Array or Uint8Array");
  // read through the C call: a typed array over a SharedArrayBuffer has no Napi::ArrayBuffer
  void* data = nullptr;
  size_t length = 0;
  napi_typedarray_type ignored;
  const napi_status status = napi_get_typedarray_info(typed.Env(), typed, &ignored, &length, &data, nullptr, nullptr);
  BANDLIFT_CHECK(status == napi_ok && (data != nullptr || length == 0), dtype,
                 name + " has no memory (was it transferred?)");
  return {data, typed.ByteLength()};
}

bool still_there(Napi::Env env, const Napi::Value& array, const bandlift::HostArray& bytes) {
  void* data = nullptr;
  size_t length = 0;
  napi_typedarray_type type;
  const napi_status status = napi_get_typedarray_info(env, array, &type, &length, &data, nullptr, nullptr);
  return bytes.bytes == 0 || (status == napi_ok && data == bytes.data);
}

}  // namespace bandlift_addon
