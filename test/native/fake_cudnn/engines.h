// The engines on offer, each with a way of going wrong or right that the provider must deal with.
#pragma once
#include <vector>

#include "compute.h"

namespace fake_cudnn {

// Ids as tests name them. In the order in which the heuristics propose them; kPlain is the fallback.
enum EngineId : int64_t {
  kSlow = 3,              // a mebibyte of workspace, which it writes; compiled at run time where anything is fused
  kRefuses = 2,           // fails when it is executed
  kNondeterministic = 1,  // fastest
  kClobbers = 6,          // as fast, but cannot add in place; only proposed where something is added
  kTensorCore = 5,        // rounds f32 operands; proposed with knobs; compiled at run time
  kHuge = 4,              // wants more workspace than anyone gives
  kUnnamed = 7,           // fast, but refused when it is asked for by its id
  kPlain = 0
};

struct EngineFacts {
  int64_t id;
  std::vector<int> notes;
  int64_t workspace;
  double delay;  // how much slower than the fastest, in units of BANDLIFT_FAKE_CUDNN_DELAY milliseconds (default 0)
  Manner manner;
  std::vector<std::pair<int, int64_t>> knobs;
  bool compiled = false;  // at run time, when a plan is made
};
// Throws Failure(not supported) for an id that is not on offer for p.
EngineFacts facts(int64_t id, const Problem& p);
// Empty where no engine supports the graph.
std::vector<int64_t> propose(const Problem& p, api::HeuristicMode mode);

}  // namespace fake_cudnn
