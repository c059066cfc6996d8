// Errors and versions: the last error of each thread, names, and the fault that stays.
#include "emulation.h"
#include "state.h"

using namespace bandlift::emulation;

namespace {

thread_local cudaError_t last_error = cudaSuccess;

struct Name {
  cudaError_t error;
  const char* name;
  const char* text;
};
#define BANDLIFT_NAME(error, text) \
  { error, #error, text }
constexpr Name kNames[] = {
    BANDLIFT_NAME(cudaSuccess, "no error"),
    BANDLIFT_NAME(cudaErrorInvalidValue, "invalid argument"),
    BANDLIFT_NAME(cudaErrorMemoryAllocation, "out of memory"),
    BANDLIFT_NAME(cudaErrorInitializationError, "initialization error"),
    BANDLIFT_NAME(cudaErrorInvalidConfiguration, "invalid configuration argument"),
    BANDLIFT_NAME(cudaErrorInvalidMemcpyDirection, "invalid copy direction for memcpy"),
    BANDLIFT_NAME(cudaErrorInsufficientDriver, "CUDA driver version is insufficient for CUDA runtime version"),
    BANDLIFT_NAME(cudaErrorInvalidDeviceFunction, "invalid device function"),
    BANDLIFT_NAME(cudaErrorNoDevice, "no CUDA-capable device is detected"),
    BANDLIFT_NAME(cudaErrorInvalidDevice, "invalid device ordinal"),
    BANDLIFT_NAME(cudaErrorNoKernelImageForDevice, "no kernel image is available for execution on the device"),
    BANDLIFT_NAME(cudaErrorInvalidResourceHandle, "invalid resource handle"),
    BANDLIFT_NAME(cudaErrorNotReady, "device not ready"),
    BANDLIFT_NAME(cudaErrorIllegalAddress, "an illegal memory access was encountered"),
    BANDLIFT_NAME(cudaErrorLaunchFailure, "unspecified launch failure"),
    BANDLIFT_NAME(cudaErrorNotSupported, "operation not supported"),
    BANDLIFT_NAME(cudaErrorStreamCaptureUnsupported, "operation not permitted when stream is capturing"),
    BANDLIFT_NAME(cudaErrorStreamCaptureInvalidated, "operation failed due to a previous error during capture"),
    BANDLIFT_NAME(cudaErrorStreamCaptureMerge, "operation would result in a merge of separate capture sequences"),
    BANDLIFT_NAME(cudaErrorStreamCaptureUnmatched, "capture was not ended in the same stream as it began"),
    BANDLIFT_NAME(cudaErrorStreamCaptureUnjoined, "capturing stream has unjoined work"),
    BANDLIFT_NAME(cudaErrorStreamCaptureIsolation, "dependency created on uncaptured work in another stream"),
    BANDLIFT_NAME(cudaErrorStreamCaptureImplicit,
                  "operation would make the legacy stream depend on a capturing stream"),
    BANDLIFT_NAME(cudaErrorCapturedEvent, "operation not permitted on an event last recorded in a capturing stream"),
    BANDLIFT_NAME(cudaErrorStreamCaptureWrongThread,
                  "attempt to terminate a thread-local capture sequence from another thread"),
};

const Name* find(cudaError_t error) {
  for (const Name& name : kNames)
    if (name.error == error) return &name;
  return nullptr;
}

}  // namespace

namespace bandlift::emulation {

cudaError_t fail(cudaError_t error) {
  if (error != cudaSuccess && error != cudaErrorNotReady) last_error = error;
  return error;
}

void forget_error() {
  last_error = cudaSuccess;
}

void set_fault(cudaError_t error, const std::string& text) {
  if (state().sticky != cudaSuccess) return;
  state().sticky = error;
  state().fault = text;
}

std::string last_fault() {
  const std::lock_guard<std::recursive_mutex> lock(state().mutex);
  return state().fault;
}

}  // namespace bandlift::emulation

cudaError_t cudaDriverGetVersion(int* version) {
  *version = state().settings.no_driver ? 0 : 12040;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}
cudaError_t cudaGetLastError() {
  const cudaError_t error = cudaPeekAtLastError();
  last_error = cudaSuccess;
  return error;
}
cudaError_t cudaPeekAtLastError() {
  const std::lock_guard<std::recursive_mutex> lock(state().mutex);
  return last_error != cudaSuccess ? last_error : state().sticky;
}
const char* cudaGetErrorName(cudaError_t error) {
  const Name* name = find(error);
  return name ? name->name : "unrecognized error code";
}
const char* cudaGetErrorString(cudaError_t error) {
  const Name* name = find(error);
  return name ? name->text : "unrecognized error code";
}
