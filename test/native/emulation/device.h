// The device language as C++: qualifiers, barriers, warp operations, atomics and intrinsics that kernels may use.
#pragma once
#include <math.h>

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <type_traits>

#include "engine.h"

#define __global__
#define __device__
#define __host__
#define __constant__ static
#define __grid_constant__
// Blocks run one after another, so a static is shared by the threads of one; not thread_local, which AddressSanitizer
// does not guard.
#define __shared__ static
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))

#define BANDLIFT_SITE const char *file = __builtin_FILE(), int line = __builtin_LINE()

// ---- barriers ----
inline void __syncthreads(BANDLIFT_SITE) {
  bandlift::emulation::barrier(false, {file, line});
}
inline int __syncthreads_count(int predicate, BANDLIFT_SITE) {
  return static_cast<int>(bandlift::emulation::barrier(predicate != 0, {file, line}));
}
inline int __syncthreads_or(int predicate, BANDLIFT_SITE) {
  return bandlift::emulation::barrier(predicate != 0, {file, line}) != 0;
}
inline int __syncthreads_and(int predicate, BANDLIFT_SITE) {
  return bandlift::emulation::barrier(predicate == 0, {file, line}) == 0;
}
inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __threadfence_system() {}

// ---- warps ----
namespace bandlift::emulation {

template <typename T>
struct Shuffle {
  T value;
  int source;  // lane to read
  T result;
};

template <typename T>
void complete_shuffle(void* const payloads[32], unsigned lanes) {
  for (int lane = 0; lane < 32; ++lane) {
    if (!(lanes >> lane & 1)) continue;
    auto* mine = static_cast<Shuffle<T>*>(payloads[lane]);
    if (lanes >> mine->source & 1)
      mine->result = static_cast<const Shuffle<T>*>(payloads[mine->source])->value;
    else  // undefined in CUDA: NaN here
      std::memset(static_cast<void*>(&mine->result), 0xff, sizeof(T));
  }
}

template <typename T>
T shuffle(unsigned mask, T value, int source, Site site) {
  static_assert(std::is_trivially_copyable_v<T> && (sizeof(T) == 2 || sizeof(T) == 4 || sizeof(T) == 8));
  Shuffle<T> mine{value, source, value};
  meet(mask, complete_shuffle<T>, &mine, site);
  return mine.result;
}

// What __shfl_down_sync(v, 1) reads: own value where the source lies outside of the lane's part of `width` lanes.
inline int shuffle_source(int wanted, int width) {
  const int lane = lane_id();
  return wanted / width == lane / width && wanted >= 0 && wanted < 32 ? wanted : lane;
}

struct Vote {
  bool predicate;
  unsigned ballot;
};
inline void complete_vote(void* const payloads[32], unsigned lanes) {
  unsigned ballot = 0;
  for (int lane = 0; lane < 32; ++lane)
    if (lanes >> lane & 1) ballot |= static_cast<unsigned>(static_cast<Vote*>(payloads[lane])->predicate) << lane;
  for (int lane = 0; lane < 32; ++lane)
    if (lanes >> lane & 1) static_cast<Vote*>(payloads[lane])->ballot = ballot;
}
// Which lanes of mask say yes; those that have returned say nothing.
inline unsigned vote(unsigned mask, bool predicate, Site site) {
  Vote mine{predicate, 0};
  meet(mask, complete_vote, &mine, site);
  return mine.ballot;
}

inline void complete_nothing(void* const*, unsigned) {}

}  // namespace bandlift::emulation

inline void __syncwarp(unsigned mask = 0xffffffffu, BANDLIFT_SITE) {
  bandlift::emulation::meet(mask, bandlift::emulation::complete_nothing, nullptr, {file, line});
}
template <typename T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32, BANDLIFT_SITE) {
  const int lane = bandlift::emulation::lane_id();
  return bandlift::emulation::shuffle(mask, value, lane / width * width + (source & (width - 1)), {file, line});
}
template <typename T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, BANDLIFT_SITE) {
  const int wanted = bandlift::emulation::lane_id() - static_cast<int>(delta);
  const int source = wanted < 0 ? bandlift::emulation::lane_id() : bandlift::emulation::shuffle_source(wanted, width);
  return bandlift::emulation::shuffle(mask, value, source, {file, line});
}
template <typename T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, BANDLIFT_SITE) {
  const int wanted = bandlift::emulation::lane_id() + static_cast<int>(delta);
  return bandlift::emulation::shuffle(mask, value, bandlift::emulation::shuffle_source(wanted, width), {file, line});
}
// May read a lower part of `width` lanes, but not a higher one.
template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32, BANDLIFT_SITE) {
  const int lane = bandlift::emulation::lane_id(), wanted = lane ^ lane_mask;
  const int source = wanted < 32 && wanted / width <= lane / width ? wanted : lane;
  return bandlift::emulation::shuffle(mask, value, source, {file, line});
}
inline unsigned __ballot_sync(unsigned mask, int predicate, BANDLIFT_SITE) {
  return bandlift::emulation::vote(mask, predicate != 0, {file, line});
}
inline int __any_sync(unsigned mask, int predicate, BANDLIFT_SITE) {
  return bandlift::emulation::vote(mask, predicate != 0, {file, line}) != 0;
}
inline int __all_sync(unsigned mask, int predicate, BANDLIFT_SITE) {
  return bandlift::emulation::vote(mask, predicate == 0, {file, line}) == 0;
}
// Only the caller itself: CUDA promises no more.
inline unsigned __activemask() {
  return 1u << bandlift::emulation::lane_id();
}

// ---- atomics: fibers are switched at barriers only ----
template <typename T>
using bandlift_same = std::type_identity_t<T>;
template <typename T>
T atomicAdd(T* p, bandlift_same<T> v) {
  static_assert(std::is_same_v<T, int> || std::is_same_v<T, unsigned> || std::is_same_v<T, unsigned long long> ||
                std::is_same_v<T, float> || std::is_same_v<T, double>);
  const T old = *p;
  *p = old + v;
  return old;
}
template <typename T>
T atomicSub(T* p, bandlift_same<T> v) {
  static_assert(std::is_same_v<T, int> || std::is_same_v<T, unsigned>);
  const T old = *p;
  *p = old - v;
  return old;
}
template <typename T>
concept BandliftAtomic = std::is_same_v<T, int> || std::is_same_v<T, unsigned> || std::is_same_v<T, long long> ||
    std::is_same_v<T, unsigned long long>;
template <BandliftAtomic T>
T atomicMax(T* p, bandlift_same<T> v) {
  const T old = *p;
  *p = old > v ? old : v;
  return old;
}
template <BandliftAtomic T>
T atomicMin(T* p, bandlift_same<T> v) {
  const T old = *p;
  *p = old < v ? old : v;
  return old;
}
template <BandliftAtomic T>
T atomicAnd(T* p, bandlift_same<T> v) {
  const T old = *p;
  *p = old & v;
  return old;
}
template <BandliftAtomic T>
T atomicOr(T* p, bandlift_same<T> v) {
  const T old = *p;
  *p = old | v;
  return old;
}
template <typename T>
T atomicExch(T* p, bandlift_same<T> v) {
  static_assert(BandliftAtomic<T> || std::is_same_v<T, float>);
  const T old = *p;
  *p = v;
  return old;
}
template <typename T>
T atomicCAS(T* p, bandlift_same<T> compare, bandlift_same<T> v) {
  static_assert(BandliftAtomic<T> || std::is_same_v<T, unsigned short>);
  const T old = *p;
  if (old == compare) *p = v;
  return old;
}
inline unsigned atomicInc(unsigned* p, unsigned limit) {
  const unsigned old = *p;
  *p = old >= limit ? 0 : old + 1;
  return old;
}

#include "intrinsics.h"
