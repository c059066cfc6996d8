#include "cuda/context.h"

namespace bandlift::cuda {

void check(cudaError_t error, const std::string& what) {
  if (error == cudaSuccess) return;
  const ErrorCode code = error == cudaErrorMemoryAllocation ? ErrorCode::out_of_memory : ErrorCode::device;
  throw Error(code, what + ": " + cudaGetErrorString(error) + " (" + cudaGetErrorName(error) + ")");
}

void launched(const Context& context, const char* kernel) {
  if (!context.synchronous) return;
  cudaStreamCaptureStatus capturing = cudaStreamCaptureStatusNone;
  check(cudaStreamIsCapturing(context.stream, &capturing), "asking the stream");
  if (capturing != cudaStreamCaptureStatusNone) return;
  check(cudaStreamSynchronize(context.stream), std::string("kernel '") + kernel + "'");
}

}  // namespace bandlift::cuda
