// Where threads meet: barriers of a block, operations of a warp; and the texts of faults.
#include <cstdio>
#include <cstring>

#include "machine.h"

namespace bandlift::emulation {

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

std::string Machine::block_text() const {
  return "kernel '" + launch_->name + "', block (" + std::to_string(blockIdx.x) + "," + std::to_string(blockIdx.y) +
         "," + std::to_string(blockIdx.z) + ")";
}

void Machine::record_fault(const std::string& message) {
  fault_ = block_text() + ", thread (" + std::to_string(threadIdx.x) + "," + std::to_string(threadIdx.y) + "," +
           std::to_string(threadIdx.z) + "): " + message;
}

}  // namespace bandlift::emulation
