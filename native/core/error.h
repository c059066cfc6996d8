// The one error type of native/. Bindings convert it to a JavaScript NativeError with the same code.
#pragma once
#include <stdexcept>
#include <string>

namespace bandlift {

enum class ErrorCode { shape, dtype, device, out_of_memory, aborted, disposed, internal };

class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code(code) {}
  ErrorCode code;
};

}  // namespace bandlift

// BANDLIFT_CHECK(cond, shape, "conv2d_forward: x has " + std::to_string(c) + " channels, w expects 7")
#define BANDLIFT_CHECK(condition, error_code, message)                                     \
  do {                                                                                     \
    if (!(condition)) throw ::bandlift::Error(::bandlift::ErrorCode::error_code, message); \
  } while (0)
