// Loops over pixels with a fixed partition: the chunks depend on the tensor alone, never on the number of threads.
#pragma once
#include "core/tensor.h"
#include "cpu/simd.h"
#include "cpu/thread_pool.h"

namespace bandlift::BANDLIFT_ISA {

// Pixels of one task: about 64 KiB of a tensor with c channels, so that a task's data stays in cache between its
// passes.
inline int64_t pixels_per_task(int64_t c) {
  return most(1, 16384 / most(1, c));
}
inline int64_t task_count(int64_t pixels, int64_t per_task) {
  return (pixels + per_task - 1) / per_task;
}

// f(first, last, task) over all pixels of a tensor with c channels.
template <typename F>
void for_pixels(ThreadPool& pool, int64_t pixels, int64_t c, const F& f) {
  const int64_t per_task = pixels_per_task(c);
  pool.parallel_for(task_count(pixels, per_task),
                    [&](int64_t task, int) { f(task * per_task, least(pixels, (task + 1) * per_task), task); });
}

// One contiguous run of numbers for each pixel, or a single one for the whole range when no tensor is padded:
// f(offsets..., count). `contiguous` says that every tensor involved has pitch == c.
template <typename F>
void for_runs(ThreadPool& pool, int64_t pixels, int64_t c, bool contiguous, const F& f) {
  for_pixels(pool, pixels, c, [&](int64_t first, int64_t last, int64_t) {
    if (contiguous)
      f(first, (last - first) * c);
    else
      for (int64_t p = first; p < last; ++p) f(p, c);
  });
}

}  // namespace bandlift::BANDLIFT_ISA
