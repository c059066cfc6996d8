// Runs the blocks of a launch, one after another; the threads of a block are fibers that give way only where they wait.
// A fiber that finishes a thread starts the next one on its own stack, so threads that never wait cost no switch.
#include "engine.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>

#include "machine.h"

namespace bandlift::emulation {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr size_t kStack = size_t{512} << 10;
constexpr size_t kCanary = 0;  // exactly its bytes: every access beside them is reported
#else
constexpr size_t kStack = size_t{128} << 10;
constexpr size_t kCanary = 128;  // bytes before and behind dynamic shared memory
#endif
constexpr unsigned char kCanaryByte = 0xc5;
constexpr size_t kPage = 4096;

// Tops of stacks lie a few cache lines apart modulo a page, or they would all share the same sets of the cache.
size_t stack_bytes(size_t number) {
  return kStack - number * 320 % kPage;
}

}  // namespace

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
    fresh.fiber.prepare(fresh.stack, stack_bytes(workers_.size()), work, &fresh);
    idle_.push_back(&fresh);
  }
  Worker& worker = *idle_.back();
  idle_.pop_back();
  return worker;
}

// ---- dynamic shared memory: exactly its bytes ----
void Machine::allocate_shared(size_t bytes) {
  void* memory = nullptr;
  if (posix_memalign(&memory, 128, bytes + 2 * kCanary) != 0) std::abort();
  shared_memory_.reset(memory);
  shared_ = static_cast<unsigned char*>(memory) + kCanary;
  std::memset(memory, kCanaryByte, bytes + 2 * kCanary);
}

void Machine::check_shared() {
  const size_t bytes = launch_->shared;
  for (size_t i = 0; i < kCanary; ++i) {
    if (shared_[bytes + i] != kCanaryByte)
      fault_ = block_text() + ": a thread wrote " + std::to_string(i) + " bytes behind the " + std::to_string(bytes) +
               " bytes of dynamic shared memory";
    if (shared_[-1 - static_cast<ptrdiff_t>(i)] != kCanaryByte)
      fault_ = block_text() + ": a thread wrote before the dynamic shared memory";
    if (!fault_.empty()) return;
  }
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
  for (const Bytes& bytes : launch_->static_shared) std::memset(bytes.start, 0xff, bytes.count);
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
      workers_[i]->fiber.prepare(workers_[i]->stack, stack_bytes(i + 1), work, workers_[i].get());
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
