#include "cpu/thread_pool.h"

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace bandlift {

namespace {

// Long enough to bridge the gap between two operators of a step, short enough that an idle engine sleeps at once.
constexpr auto kSpin = std::chrono::microseconds(50);

inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// Spins, then sleeps in the kernel, until `value` is no longer `old`.
void wait_for_change(const std::atomic<uint32_t>& value, uint32_t old) {
  const auto end = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < 64; ++i) {
      if (value.load(std::memory_order_acquire) != old) return;
      relax();
    }
  } while (std::chrono::steady_clock::now() < end);
  value.wait(old, std::memory_order_acquire);
}

// A ticket is (round << kCountBits | tasks not yet claimed). A thread claims by compare-and-swap, so one that slept
// through a round can never take a task of the next one with the old function: the round in the ticket differs.
constexpr int kCountBits = 40;
constexpr uint64_t kCountMask = (uint64_t{1} << kCountBits) - 1;

}  // namespace

struct ThreadPool::State {
  std::atomic<uint64_t> ticket{0};
  std::atomic<Task> fn{nullptr};
  std::atomic<const void*> context{nullptr};
  std::atomic<int64_t> tasks{0};
  std::atomic<int64_t> unfinished{0};
  std::atomic<uint32_t> round{0};     // changes when a round starts: workers wait for it
  std::atomic<uint32_t> finished{0};  // number of the last finished round: the caller waits for it
  std::atomic<bool> stop{false};
  std::vector<std::thread> workers;

  void run_tasks(int thread) {
    uint64_t ticket_now = ticket.load(std::memory_order_acquire);
    for (;;) {
      const int64_t left = static_cast<int64_t>(ticket_now & kCountMask);
      if (left == 0) return;
      const Task f = fn.load(std::memory_order_relaxed);
      const void* c = context.load(std::memory_order_relaxed);
      const int64_t task = tasks.load(std::memory_order_relaxed) - left;
      // On success the round is still the ticket's, hence f, c and task belong to it.
      if (!ticket.compare_exchange_weak(ticket_now, ticket_now - 1, std::memory_order_acq_rel,
                                        std::memory_order_acquire))
        continue;
      f(c, task, thread);
      const uint32_t this_round = static_cast<uint32_t>(ticket_now >> kCountBits);
      if (unfinished.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        finished.store(this_round, std::memory_order_release);
        finished.notify_one();
      }
      ticket_now = ticket.load(std::memory_order_acquire);
    }
  }

  void work(int thread) {
    uint32_t seen = 0;
    for (;;) {
      wait_for_change(round, seen);
      seen = round.load(std::memory_order_acquire);
      if (stop.load(std::memory_order_acquire)) return;
      run_tasks(thread);
    }
  }
};

ThreadPool::ThreadPool(int threads) : state_(new State), threads_(threads < 1 ? 1 : threads) {
  for (int i = 1; i < threads_; ++i) state_->workers.emplace_back([state = state_, i] { state->work(i); });
}

ThreadPool::~ThreadPool() {
  state_->stop.store(true, std::memory_order_release);
  state_->round.fetch_add(1, std::memory_order_acq_rel);
  state_->round.notify_all();
  for (std::thread& worker : state_->workers) worker.join();
  delete state_;
}

void ThreadPool::parallel_for(int64_t tasks, Task fn, const void* context) {
  if (tasks <= 0) return;
  if (threads_ == 1 || tasks == 1) {
    for (int64_t task = 0; task < tasks; ++task) fn(context, task, 0);
    return;
  }
  State& s = *state_;
  const uint32_t before = s.finished.load(std::memory_order_relaxed);
  const uint32_t number =
      (before + 1) & static_cast<uint32_t>(~uint64_t{0} >> kCountBits);  // as many bits as the ticket holds
  s.fn.store(fn, std::memory_order_relaxed);
  s.context.store(context, std::memory_order_relaxed);
  s.tasks.store(tasks, std::memory_order_relaxed);
  s.unfinished.store(tasks, std::memory_order_relaxed);
  s.ticket.store(static_cast<uint64_t>(number) << kCountBits | static_cast<uint64_t>(tasks), std::memory_order_release);
  s.round.store(number, std::memory_order_release);
  s.round.notify_all();
  s.run_tasks(0);
  wait_for_change(s.finished, before);
}

}  // namespace bandlift
