// The machine that runs a kernel: threads as fibers, who waits for whom, dynamic shared memory.
// engine.cpp runs blocks and threads; meeting.cpp holds barriers, warp operations and what is told when they fail.
#pragma once
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "engine.h"
#include "fiber.h"
#include "order.h"

namespace bandlift::emulation {

constexpr int kMostThreads = 1024;

enum class Wait : unsigned char { no, block, warp };

struct Fault {
  std::string message;
};

struct alignas(64) Worker {
  Fiber fiber;
  char* stack = nullptr;
};

// One cache line: every switch touches it.
struct alignas(64) Thread {
  Worker* worker = nullptr;  // null: not started
  uint3 index = {0, 0, 0};
  Wait wait = Wait::no;
  bool returned = false;
  Site site = {"", 0};  // what it waits for
  void* payload = nullptr;
  Complete complete = nullptr;
  unsigned mask = 0;
};

struct Warp {
  unsigned alive = 0, waiting = 0;
};

class Machine {
 public:
  std::string run(const Launch& launch);
  unsigned barrier(bool predicate, Site site);
  void meet(unsigned mask, Complete complete, void* payload, Site site);
  bool running() const { return running_; }
  void* shared() const { return shared_; }

 private:
  static void work(void* self);
  void new_stack(Worker& worker);
  void start_block(int64_t number);
  void allocate_shared(size_t bytes);
  void check_shared();
  Worker& idle_worker();
  void wait_here();
  int next_thread();
  void become(int thread);
  void finish_thread();
  bool release_warp(int warp, unsigned mask);
  [[noreturn]] void stuck();
  void record_fault(const std::string& message);
  std::string block_text() const;
  std::string thread_text(int thread) const;

  const Launch* launch_ = nullptr;
  bool running_ = false;
  int total_ = 0, live_ = 0;
  int arrived_ = 0, first_ = 0;  // at the block's barrier: how many, and who came first
  unsigned votes_ = 0, ballot_ = 0;
  Thread threads_[kMostThreads];
  Warp warps_[kMostThreads / 32];
  RunQueue queue_;
  uint3 shape_ = {0, 0, 0};  // of the block that threads_[].index fits

  Fiber host_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<Worker*> idle_;
  std::string fault_;
  std::unique_ptr<void, decltype(&std::free)> shared_memory_{nullptr, std::free};
  unsigned char* shared_ = nullptr;
};

Machine& machine();

}  // namespace bandlift::emulation
