#include "order.h"

#include <algorithm>
#include <numeric>

namespace bandlift::emulation {
namespace {

Order current_order = Order::ascending;
uint64_t state = 1;
uint64_t epoch = 1;  // counts set_order()

}  // namespace

void set_order(Order order, uint64_t seed) {
  current_order = order;
  state = seed * 0x9e3779b97f4a7c15u + 1;
  ++epoch;
}

Order order() {
  return current_order;
}

// splitmix64
uint64_t random_bits() {
  uint64_t z = state += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

BlockOrder::BlockOrder(int64_t blocks) : blocks_(blocks) {
  const auto n = static_cast<uint64_t>(blocks);
  if (current_order == Order::descending) {
    start_ = step_ = n - 1;
  } else if (current_order == Order::shuffled) {
    start_ = random_bits() % n;
    do step_ = random_bits() % n;
    while (std::gcd(step_, n) != 1);
  }
}

void RunQueue::fill(int total) {
  head_ = 0;
  tail_ = static_cast<unsigned>(total);
  if (current_order == Order::ascending) {
    std::iota(ring_, ring_ + total, uint16_t{0});
  } else if (current_order == Order::descending) {
    for (int i = 0; i < total; ++i) ring_[i] = static_cast<uint16_t>(total - 1 - i);
  } else {
    if (shuffled_total_ != total || shuffled_epoch_ != epoch) {
      for (auto& permutation : shuffled_) {
        std::iota(permutation, permutation + total, uint16_t{0});
        for (int i = total - 1; i > 0; --i)
          std::swap(permutation[i], permutation[random_bits() % static_cast<unsigned>(i + 1)]);
      }
      shuffled_total_ = total;
      shuffled_epoch_ = epoch;
    }
    const uint16_t* chosen = shuffled_[random_bits() % 4];
    std::copy(chosen, chosen + total, ring_);
  }
}

void RunQueue::add_warp(int first, unsigned lanes) {
  if (current_order == Order::ascending) {
    for (int lane = 31; lane >= 0; --lane)
      if (lanes >> lane & 1) ring_[--head_ % kSize] = static_cast<uint16_t>(first + lane);
  } else if (current_order == Order::descending) {
    for (int lane = 0; lane < 32; ++lane)
      if (lanes >> lane & 1) ring_[--head_ % kSize] = static_cast<uint16_t>(first + lane);
  } else {
    const uint64_t random = random_bits();
    const int start = static_cast<int>(random >> 8 & 31), step = static_cast<int>(random >> 16 & 31) | 1;
    for (int i = 0; i < 32; ++i) {
      const int lane = (start + step * i) & 31;
      if (!(lanes >> lane & 1)) continue;
      if (random & 1)
        ring_[--head_ % kSize] = static_cast<uint16_t>(first + lane);
      else
        ring_[tail_++ % kSize] = static_cast<uint16_t>(first + lane);
    }
  }
}

}  // namespace bandlift::emulation
