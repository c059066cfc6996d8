// Linked into every program with the emulation: how the stand-in for cuDNN, a library of its own, enqueues work on an
// emulated stream.
#include <cuda_runtime.h>

extern "C" __attribute__((visibility("default"))) int bandlift_fake_cudnn_enqueue(void* stream, void (*work)(void*),
                                                                                  void* data) {
  return static_cast<int>(cudaLaunchHostFunc(static_cast<cudaStream_t>(stream), work, data));
}
