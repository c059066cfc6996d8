#include "cuda/context.h"

#include "program/device.h"

namespace bandlift::cuda {

namespace {

std::string text_of(cudaError_t error) {
  return std::string(cudaGetErrorString(error)) + " (" + cudaGetErrorName(error) + ")";
}

// Errors of a kernel that is running: the call that returns one came later, and so does every call after it.
bool stays(cudaError_t error) {
  switch (error) {
    case cudaErrorIllegalAddress:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorIllegalInstruction:
    case cudaErrorHardwareStackError:
    case cudaErrorAssert:
    case cudaErrorLaunchTimeout:
    case cudaErrorLaunchFailure:
    case cudaErrorECCUncorrectable:
    case cudaErrorContextIsDestroyed:
      return true;
    default:
      return false;
  }
}

}  // namespace

std::string lost_context(cudaError_t error) {
  return text_of(error) + "; the GPU's context is lost: start again, with BANDLIFT_SYNC=1 to learn which kernel failed";
}

void check(cudaError_t error, const std::string& what) {
  if (error == cudaSuccess) return;
  if (stays(error))
    throw DeviceFault(ErrorCode::device, -1, "the GPU failed earlier, noticed at " + what + ": " + lost_context(error));
  const ErrorCode code = error == cudaErrorMemoryAllocation ? ErrorCode::out_of_memory : ErrorCode::device;
  throw Error(code, what + ": " + text_of(error));
}

void launched(const Context& context, const char* kernel) {
  if (!context.synchronous) return;
  cudaStreamCaptureStatus capturing = cudaStreamCaptureStatusNone;
  check(cudaStreamIsCapturing(context.stream, &capturing), "asking the stream");
  if (capturing != cudaStreamCaptureStatusNone) return;
  const cudaError_t error = cudaStreamSynchronize(context.stream);  // this kernel's own
  BANDLIFT_CHECK(error == cudaSuccess, device, std::string("kernel '") + kernel + "': " + text_of(error));
}

}  // namespace bandlift::cuda
