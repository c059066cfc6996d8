// In which order blocks and threads run (emulation.h's Order), and the queue of threads that can run.
#pragma once
#include <cstdint>

#include "emulation.h"

namespace bandlift::emulation {

Order order();
uint64_t random_bits();  // a fixed sequence after set_order()

// A permutation of [0, blocks).
class BlockOrder {
 public:
  explicit BlockOrder(int64_t blocks);
  int64_t operator[](int64_t i) const {
    return static_cast<int64_t>((static_cast<unsigned __int128>(i) * step_ + start_) % static_cast<uint64_t>(blocks_));
  }

 private:
  int64_t blocks_;
  uint64_t start_ = 0, step_ = 1;
};

// Threads of a block that can run, each at most once.
class RunQueue {
 public:
  // All of [0, total), in a new order; the queue is empty before.
  void fill(int total);
  // Lanes of the warp that starts at thread `first`: they run before the others (or after, when shuffled).
  void add_warp(int first, unsigned lanes);
  bool empty() const { return head_ == tail_; }
  int pop() { return ring_[head_++ % kSize]; }

 private:
  static constexpr unsigned kSize = 2048;
  unsigned head_ = 0, tail_ = 0;
  uint16_t ring_[kSize];
  uint16_t shuffled_[4][1024];  // four permutations of [0, shuffled_total_), drawn from after each other
  int shuffled_total_ = 0;
  uint64_t shuffled_epoch_ = 0;
};

}  // namespace bandlift::emulation
