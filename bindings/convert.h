// Between JavaScript values and native descriptions. Everything from JavaScript is checked here.
#pragma once
#include <functional>
#include <string>

#include "core/error.h"
#include "napi_setup.h"
#include "program/program.h"

namespace bandlift_addon {

// A native error as a JavaScript Error with name 'NativeError' and a code such as 'ERR_SHAPE'.
Napi::Error to_js_error(Napi::Env env, bandlift::ErrorCode code, const std::string& message);

// Runs `body`; native errors are thrown as NativeError.
Napi::Value guarded(Napi::Env env, const std::function<Napi::Value()>& body);

bandlift::InstructionDescription to_instruction(const Napi::Value& value);
bandlift::ProgramDescription to_program(const Napi::Value& value);

// The bytes of a Float32Array, Float64Array or Uint8Array.
bandlift::HostArray to_host_array(const Napi::Value& value, const std::string& name);

// Whether `array`, which had these bytes when it was handed over, still has them: not after its buffer was transferred
// to another thread (postMessage, structuredClone), where it may be freed at any time. A reference does not prevent it.
bool still_there(Napi::Env env, const Napi::Value& array, const bandlift::HostArray& bytes);
inline constexpr const char* kTransferred =
    "the buffer of an array was transferred while it was in use: its numbers cannot be relied on; transfer it after "
    "the "
    "promise has settled";

}  // namespace bandlift_addon
