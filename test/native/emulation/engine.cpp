// Runs the blocks of a launch, one after another; the threads of a block are fibers that give way only where they wait.
// A fiber that finishes a thread starts the next one on its own stack, so threads that never wait cost no switch.
#include "engine.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <vector>

#include "fiber.h"
#include "order.h"

#if defined(__SANITIZE_ADDRESS__)
constexpr size_t kStack = size_t{512} << 10;
#else
constexpr size_t kStack = size_t{128} << 10;
#endif

namespace bandlift::emulation {
namespace {

constexpr size_t kPage = 4096;
constexpr int kMostThreads = 1024;
constexpr size_t kCanary = 128;  // bytes before and behind dynamic shared memory
constexpr unsigned char kCanaryByte = 0xc5;

enum class Wait : unsigned char { no, block, warp };

struct Fault {
  std::string message;
};

struct Worker {
  Fiber fiber;
  char* stack = nullptr;
};

struct Thread {
  Worker* worker = nullptr;  // null: not started
  Wait wait = Wait::no;
  bool returned = false;
  unsigned mask = 0;
  Complete complete = nullptr;
  void* payload = nullptr;
  Site site = {"", 0};
  uint3 index = {0, 0, 0};
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

// Never destroyed: a stack must not vanish below a fiber.
Machine& machine() {
  static Machine* m = new Machine;
  return *m;
}

// ---- stacks ----
void Machine::new_stack(Worker& worker) {
  void* memory =
      mmap(nullptr, kStack + kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED || mprotect(memory, kPage, PROT_NONE) != 0) {
    std::perror("emulation: stack of a fiber");
    std::abort();
  }
  worker.stack = static_cast<char*>(memory) + kPage;
}

Worker& Machine::idle_worker() {
  if (idle_.empty()) {
    workers_.push_back(std::make_unique<Worker>());
    Worker& fresh = *workers_.back();
    new_stack(fresh);
    // tops of stacks lie a few cache lines apart modulo a page, or they would all share the same sets of the cache
    fresh.fiber.prepare(fresh.stack, kStack - workers_.size() * 320 % kPage, work, &fresh);
    idle_.push_back(&fresh);
  }
  Worker& worker = *idle_.back();
  idle_.pop_back();
  return worker;
}

// ---- dynamic shared memory: exactly its bytes ----
void Machine::allocate_shared(size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  constexpr size_t margin = 0;
#else
  constexpr size_t margin = kCanary;
#endif
  void* memory = nullptr;
  if (posix_memalign(&memory, 128, bytes + 2 * margin + (bytes + margin == 0)) != 0) std::abort();
  shared_memory_.reset(memory);
  shared_ = static_cast<unsigned char*>(memory) + margin;
  std::memset(memory, kCanaryByte, bytes + 2 * margin);
}

void Machine::check_shared() {
#if !defined(__SANITIZE_ADDRESS__)
  for (size_t i = 0; i < kCanary; ++i) {
    if (shared_[launch_->shared + i] != kCanaryByte)
      return record_fault("something wrote " + std::to_string(i) + " bytes behind the " +
                          std::to_string(launch_->shared) + " bytes of dynamic shared memory");
    if (shared_[-1 - static_cast<ptrdiff_t>(i)] != kCanaryByte)
      return record_fault("something wrote before the dynamic shared memory");
  }
#endif
}

// ---- blocks ----
std::string Machine::run(const Launch& launch) {
  launch_ = &launch;
  gridDim = launch.grid;
  blockDim = launch.block;
  total_ = static_cast<int>(launch.block.x * launch.block.y * launch.block.z);
  if (shape_.x != launch.block.x || shape_.y != launch.block.y || shape_.z != launch.block.z) {
    shape_ = launch.block;
    for (unsigned i = 0; i < static_cast<unsigned>(total_); ++i)
      threads_[i].index = {i % shape_.x, i / shape_.x % shape_.y, i / shape_.x / shape_.y};
  }
  allocate_shared(launch.shared);
  fault_.clear();
  running_ = true;
  const int64_t blocks = int64_t{launch.grid.x} * launch.grid.y * launch.grid.z;
  const BlockOrder order(blocks);
  for (int64_t i = 0; i < blocks && fault_.empty(); ++i) {
    start_block(order[i]);
    if (fault_.empty()) check_shared();
  }
  running_ = false;
  shared_memory_.reset();
  return fault_;
}

void Machine::start_block(int64_t number) {
  blockIdx = {static_cast<unsigned>(number % gridDim.x), static_cast<unsigned>(number / gridDim.x % gridDim.y),
              static_cast<unsigned>(number / gridDim.x / gridDim.y)};
  std::memset(shared_, 0xff, launch_->shared);
  live_ = total_;
  arrived_ = 0;
  votes_ = 0;
  for (int w = 0; w * 32 < total_; ++w) {
    const int lanes = total_ - w * 32;
    warps_[w] = {lanes >= 32 ? 0xffffffffu : (1u << lanes) - 1, 0};
  }
  queue_.fill(total_);
  const int first = queue_.pop();
  Worker& worker = idle_worker();
  threads_[first].worker = &worker;
  become(first);
  host_.switch_to(worker.fiber);
  if (!fault_.empty()) {  // whoever slept in the block never wakes
    idle_.clear();
    for (size_t i = 0; i < workers_.size(); ++i) {
      workers_[i]->fiber.prepare(workers_[i]->stack, kStack - (i + 1) * 320 % kPage, work, workers_[i].get());
      idle_.push_back(workers_[i].get());
    }
  }
  for (int i = 0; i < total_; ++i) {
    threads_[i].worker = nullptr;
    threads_[i].wait = Wait::no;
    threads_[i].returned = false;
  }
}

// ---- threads ----
void Machine::become(int thread) {
  current = thread;
  threadIdx = threads_[thread].index;
}

// A worker's life: it is woken with `current` set to a thread to start on it.
void Machine::work(void* self) {
  Machine& m = machine();
  Worker& worker = *static_cast<Worker*>(self);
  for (;;) {
    int next = -1;
    try {
      m.launch_->invoke(m.launch_->closure);
      m.finish_thread();
      if (m.live_ > 0) next = m.next_thread();
    } catch (const Fault& fault) {
      m.record_fault(fault.message);
    } catch (const std::exception& e) {
      m.record_fault(std::string("exception in a kernel: ") + e.what());
    }
    if (!m.fault_.empty()) worker.fiber.switch_to(m.host_, true);
    if (next < 0) {
      m.idle_.push_back(&worker);
      worker.fiber.switch_to(m.host_);
    } else if (Worker* other = m.threads_[next].worker) {
      m.idle_.push_back(&worker);
      m.become(next);
      worker.fiber.switch_to(other->fiber);
    } else {
      m.threads_[next].worker = &worker;
      m.become(next);
    }
  }
}

void Machine::finish_thread() {
  Thread& thread = threads_[current];
  thread.returned = true;
  --live_;
  Warp& warp = warps_[current / 32];
  warp.alive &= ~(1u << lane_id());
  // lanes that waited for this one
  for (unsigned rest = warp.waiting; rest != 0;) {
    const unsigned mask = threads_[current / 32 * 32 + __builtin_ctz(rest)].mask;
    if (release_warp(current / 32, mask)) rest = warp.waiting;
    rest &= ~mask;
  }
}

int Machine::next_thread() {
  if (queue_.empty()) stuck();
  return queue_.pop();
}

void Machine::wait_here() {
  const int self = current, next = next_thread();
  if (next == self) return;
  Worker* to = threads_[next].worker;
  if (to == nullptr) threads_[next].worker = to = &idle_worker();
  become(next);
  threads_[self].worker->fiber.switch_to(to->fiber);
}

// ---- barriers ----
unsigned Machine::barrier(bool predicate, Site site) {
  Thread& self = threads_[current];
  self.wait = Wait::block;
  self.site = site;
  if (arrived_ == 0) {
    first_ = current;
  } else if (const Site other = threads_[first_].site;
             site.line != other.line || (site.file != other.file && std::strcmp(site.file, other.file) != 0)) {
    throw Fault{"divergent __syncthreads: " + thread_text(first_) + ", " + thread_text(current)};
  }
  votes_ += predicate;
  if (++arrived_ == total_) {
    ballot_ = votes_;
    votes_ = 0;
    arrived_ = 0;
    queue_.fill(total_);
  }
  wait_here();
  self.wait = Wait::no;
  return ballot_;
}

void Machine::meet(unsigned mask, Complete complete, void* payload, Site site) {
  Thread& self = threads_[current];
  const unsigned bit = 1u << lane_id();
  self.wait = Wait::warp;
  self.site = site;
  if (!(mask & bit)) fault("a lane calls a warp operation whose mask leaves it out: " + thread_text(current));
  self.mask = mask;
  self.complete = complete;
  self.payload = payload;
  warps_[current / 32].waiting |= bit;
  release_warp(current / 32, mask);
  wait_here();
  self.wait = Wait::no;
}

// Lets the lanes of mask go if all that still run have come.
bool Machine::release_warp(int warp, unsigned mask) {
  Warp& w = warps_[warp];
  const unsigned lanes = mask & w.alive;
  if (lanes == 0 || (w.waiting & lanes) != lanes) return false;
  Thread* const first = threads_ + warp * 32;
  void* payloads[32];
  const Complete complete = first[__builtin_ctz(lanes)].complete;
  for (unsigned rest = lanes; rest != 0; rest &= rest - 1) {
    Thread& thread = first[__builtin_ctz(rest)];
    if (thread.mask != mask) return false;
    if (thread.complete != complete)
      fault("lanes of a warp meet in different operations: " + thread_text(warp * 32 + __builtin_ctz(lanes)) + ", " +
            thread_text(warp * 32 + __builtin_ctz(rest)));
    payloads[__builtin_ctz(rest)] = thread.payload;
  }
  complete(payloads, lanes);
  w.waiting &= ~lanes;
  queue_.add_warp(warp * 32, lanes);
  return true;
}

// ---- faults ----
std::string Machine::thread_text(int thread) const {
  const Thread& t = threads_[thread];
  std::string text =
      "thread (" + std::to_string(t.index.x) + "," + std::to_string(t.index.y) + "," + std::to_string(t.index.z) + ")";
  if (t.returned) return text + " has returned";
  if (t.wait == Wait::no) return text;
  const std::string place = std::string(" at ") + t.site.file + ":" + std::to_string(t.site.line);
  if (t.wait == Wait::block) return text + " waits for the block" + place;
  char mask[16];
  std::snprintf(mask, sizeof mask, "0x%08x", t.mask);
  return text + " waits for lanes " + mask + " of its warp" + place;
}

// Every thread waits or has returned, and none can go on: say who waits where, one thread for each kind.
void Machine::stuck() {
  std::vector<std::string> seen;
  std::string text = "threads wait for ever: ";
  for (int i = 0; i < total_; ++i) {
    const std::string one = thread_text(i), kind = one.substr(one.find(')'));
    bool known = false;
    for (const std::string& other : seen) known = known || other == kind;
    if (known || seen.size() == 6) continue;
    text += (seen.empty() ? "" : "; ") + one;
    seen.push_back(kind);
  }
  fault(text);
}

void Machine::record_fault(const std::string& message) {
  fault_ = "kernel " + (launch_->name.empty() ? std::string("(no name)") : "'" + launch_->name + "'") + ", block (" +
           std::to_string(blockIdx.x) + "," + std::to_string(blockIdx.y) + "," + std::to_string(blockIdx.z) +
           "), thread (" + std::to_string(threadIdx.x) + "," + std::to_string(threadIdx.y) + "," +
           std::to_string(threadIdx.z) + "): " + message;
}

}  // namespace

std::string run(const Launch& launch) {
  return machine().run(launch);
}
unsigned barrier(bool predicate, Site site) {
  return machine().barrier(predicate, site);
}
void meet(unsigned mask, Complete complete, void* payload, Site site) {
  machine().meet(mask, complete, payload, site);
}
void fault(const std::string& message) {
  if (machine().running()) throw Fault{message};
  std::fprintf(stderr, "emulation: device code called by the host: %s\n", message.c_str());
  std::abort();
}

}  // namespace bandlift::emulation

void* bandlift_emulated_shared() {
  return bandlift::emulation::machine().shared();
}
