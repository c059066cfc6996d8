// Every task exactly once, all done before parallel_for returns, whatever the numbers of tasks and threads.
#include "cpu/thread_pool.h"

#include <atomic>
#include <chrono>
#include <ctime>
#include <thread>

#include "check.h"

using bandlift::ThreadPool;

TEST("thread pool: every task runs exactly once, on a thread below threads()") {
  for (int threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    REQUIRE(pool.threads() == threads);
    for (int64_t tasks : {0, 1, 2, 3, 7, 64, 1000}) {
      std::vector<std::atomic<int>> runs(static_cast<size_t>(tasks));
      std::atomic<bool> bad{false};
      pool.parallel_for(tasks, [&](int64_t task, int thread) {
        if (task < 0 || task >= tasks || thread < 0 || thread >= threads) bad = true;
        ++runs[static_cast<size_t>(task)];
      });
      REQUIRE(!bad);
      for (auto& r : runs) REQUIRE(r == 1);
    }
  }
}

// Short rounds one after another: workers arrive late, in the middle of the next round, or not at all.
TEST("thread pool: 20000 rounds of few tasks, each round sees the one before") {
  ThreadPool pool(4);
  std::vector<int64_t> values(5, 0);  // not atomic: a round's writes must be visible to the next
  for (int64_t round = 0; round < 20000; ++round) {
    const int64_t tasks = 2 + round % 4;
    std::atomic<int64_t> wrong{0};
    pool.parallel_for(tasks, [&](int64_t task, int) {
      if (values[static_cast<size_t>(task)] > round) ++wrong;
      values[static_cast<size_t>(task)] = round + 1;
    });
    REQUIRE(wrong == 0);
    for (int64_t task = 0; task < tasks; ++task) REQUIRE(values[static_cast<size_t>(task)] == round + 1);
  }
}

TEST("thread pool: workers sleep between rounds and wake up again") {
  ThreadPool pool(3);
  std::atomic<int> done{0};
  pool.parallel_for(100, [&](int64_t, int) { ++done; });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const std::clock_t before = std::clock();  // processor time of all threads
  std::this_thread::sleep_for(std::chrono::milliseconds(400));
  const double busy = static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC;
  if (busy > 0.1) check::fail("idle pool used " + std::to_string(busy) + " s of processor time in 0.4 s");
  pool.parallel_for(100, [&](int64_t, int) { ++done; });
  REQUIRE(done == 200);
}
