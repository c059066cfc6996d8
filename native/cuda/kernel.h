// What kernels share: numbers of any storage type read and written as float, 16 bytes at a time where they lie so, and
// sums over a warp or block in a fixed order. Included by .cu files only.
#pragma once
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdint>

#include "core/tensor.h"
#include "cuda/context.h"

#ifdef BANDLIFT_EMULATED
void* bandlift_emulated_shared();
#endif

namespace bandlift::cuda {

inline constexpr int kWarp = 32;

// ---- shared memory whose size is given at launch; one block of it per kernel ----
template <typename T>
__device__ T* dynamic_shared() {
#ifdef BANDLIFT_EMULATED
  return static_cast<T*>(bandlift_emulated_shared());
#else
  extern __shared__ __align__(128) unsigned char shared_memory[];
  return reinterpret_cast<T*>(shared_memory);
#endif
}

// ---- numbers ----
__device__ __forceinline__ float to_float(float v) {
  return v;
}
__device__ __forceinline__ float to_float(__half v) {
  return __half2float(v);
}
__device__ __forceinline__ float to_float(__nv_bfloat16 v) {
  return __bfloat162float(v);
}

template <typename T>
__device__ __forceinline__ T from_float(float v);
template <>
__device__ __forceinline__ float from_float<float>(float v) {
  return v;
}
template <>
__device__ __forceinline__ __half from_float<__half>(float v) {
  return __float2half_rn(v);
}
template <>
__device__ __forceinline__ __nv_bfloat16 from_float<__nv_bfloat16>(float v) {
  return __float2bfloat16_rn(v);
}

// 16 bytes of numbers: 4 floats or 8 halves.
template <typename T>
struct alignas(16) Pack {
  static constexpr int kSize = 16 / static_cast<int>(sizeof(T));
  T v[kSize];
};

// A tensor as a kernel takes it: element k of pixel p is at data[p * pitch + k].
template <typename T>
struct View {
  T* data;
  int64_t pitch;
  __device__ __forceinline__ float get(int64_t p, int64_t k) const { return to_float(data[p * pitch + k]); }
  __device__ __forceinline__ void put(int64_t p, int64_t k, float v) const { data[p * pitch + k] = from_float<T>(v); }
};

template <typename T>
View<T> view(const Tensor& t) {
  return {static_cast<T*>(t.data), t.pitch};
}

inline bool aligned16(const void* data) {
  return reinterpret_cast<uintptr_t>(data) % 16 == 0;
}

// Whether every pixel of t starts on 16 bytes and ends on them (an absent tensor does).
template <typename T>
bool packed(const Tensor& t) {
  return !t || (t.pitch % Pack<T>::kSize == 0 && aligned16(t.data));
}

// ---- sums and greatest: the same order in every run ----
template <typename T>
__device__ __forceinline__ T warp_sum(T v) {
  for (int step = kWarp / 2; step > 0; step /= 2) v += __shfl_xor_sync(0xffffffffu, v, step);
  return v;
}

__device__ __forceinline__ float warp_max(float v) {
  for (int step = kWarp / 2; step > 0; step /= 2) v = fmaxf(v, __shfl_xor_sync(0xffffffffu, v, step));
  return v;
}

// Sum over a block of whole warps, given to every thread; `scratch` has room for one T per warp. Synchronises the
// block.
template <typename T>
__device__ T block_sum(T v, T* scratch) {
  const int warp = static_cast<int>(threadIdx.x) / kWarp, warps = static_cast<int>(blockDim.x) / kWarp;
  v = warp_sum(v);
  __syncthreads();  // scratch may still be read from a sum before
  if (threadIdx.x % kWarp == 0) scratch[warp] = v;
  __syncthreads();
  T sum = scratch[0];
  for (int i = 1; i < warps; ++i) sum += scratch[i];
  return sum;
}

// ---- faults: the first one of a run stays ----
__device__ __forceinline__ void report(const Faults& faults, StatusCode code) {
  if (atomicCAS(&faults.status->code, static_cast<int>(kStatusOk), static_cast<int>(code)) == kStatusOk)
    faults.status->instruction = faults.instruction;
}

// ---- host: from a tensor's type to a template's ----
template <typename T>
struct Type {
  using type = T;
};

// body(Type<float>{}) or body(Type<__half>{}) or body(Type<__nv_bfloat16>{}), by the tensor's storage type.
template <typename Body>
void by_type(DType type, const char* what, const Body& body) {
  switch (type) {
    case DType::f32:
      return body(Type<float>{});
    case DType::f16:
      return body(Type<__half>{});
    case DType::bf16:
      return body(Type<__nv_bfloat16>{});
    case DType::f64:
      break;
  }
  throw Error(ErrorCode::dtype, std::string(what) + ": images are f32, f16 or bf16, not f64");
}

}  // namespace bandlift::cuda
