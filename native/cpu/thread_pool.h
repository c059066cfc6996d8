// A fixed set of threads for data-parallel loops. Compiled once (not per instruction set).
//
// parallel_for(tasks, fn, context): calls fn(context, task, thread) for every task in [0, tasks), each exactly once,
// and returns when all are done. Which thread takes which task is not fixed; results must not depend on it: tasks own
// their outputs, and reductions go through per-task partial results added in task order. `thread` < threads() may be
// used for scratch memory only. The calling thread takes part. Not reentrant. An exception in fn is not allowed.
#pragma once
#include <cstdint>

namespace bandlift {

class ThreadPool {
 public:
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return threads_; }
  using Task = void (*)(const void* context, int64_t task, int thread);
  void parallel_for(int64_t tasks, Task fn, const void* context);

  // The same for a lambda: pool.parallel_for(n, [&](int64_t task, int thread) { ... });
  template <typename F>
  void parallel_for(int64_t tasks, const F& f) {
    parallel_for(
        tasks, [](const void* context, int64_t task, int thread) { (*static_cast<const F*>(context))(task, thread); },
        &f);
  }

 private:
  struct State;
  State* state_;
  int threads_;
};

}  // namespace bandlift
