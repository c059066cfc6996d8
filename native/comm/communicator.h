// Processes that compute together: sums, copies and waits in which every one of them takes part in the same order. All
// work runs on one thread of its own, which is also the only one that calls the library behind it. MPI is the one
// transport so far; one over GPUs (NCCL) would derive from the same class and take memory of its device.
#pragma once
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

namespace bandlift {

class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual std::string name() const = 0;

  // The rest on the communicator's thread only. Sums are in place and every rank has the same bits afterwards.
  virtual void sum(float* values, size_t count) = 0;
  // values of rank 0 + those of rank 1 + ..., from left to right, whatever the library would do.
  virtual void sum_in_order(float* values, size_t count) = 0;
  // `count` numbers of each rank, one rank after the other, to all.
  virtual void all_gather(const double* own, double* all, size_t count) = 0;
  virtual void broadcast(void* data, size_t bytes, int root) = 0;
  virtual void barrier() = 0;
  // The last call: every rank makes it.
  virtual void finish() = 0;
};

// A thread that runs what it is given in order. It is never joined: what it waits for may be a process that died, and
// then this process ends without it.
class CommThread {
 public:
  CommThread();
  ~CommThread();
  CommThread(const CommThread&) = delete;
  CommThread& operator=(const CommThread&) = delete;
  // `work` must not throw.
  void submit(std::function<void()> work);

 private:
  struct Queue {
    std::mutex mutex;
    std::condition_variable wake;
    std::deque<std::function<void()>> work;
    bool closing = false;
  };
  std::shared_ptr<Queue> queue_;  // shared with the thread, which outlives this object
};

}  // namespace bandlift
