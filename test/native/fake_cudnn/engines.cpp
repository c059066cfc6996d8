#include "engines.h"

#include <algorithm>

namespace fake_cudnn {

using namespace api;

namespace {

constexpr int64_t kMiB = 1 << 20;

bool adds_image(const Problem& p) {
  return std::any_of(p.steps.begin(), p.steps.end(),
                     [](const Step& s) { return s.mode == kPointwiseAdd && !s.per_channel; });
}

// As cuDNN 9.10 and 9.14 do: what follows a gradient is fused in 16 bits only.
bool supported(const Problem& p) {
  return p.steps.empty() || p.type != kFloat || p.convolution == kOperationForwardDescriptor;
}

}  // namespace

EngineFacts facts(int64_t id, const Problem& p) {
  require(supported(p), kNotSupported, "no engine for this graph");
  const bool f32 = p.type == kFloat;
  switch (id) {
    case kPlain:
      return {id, {}, 0, 2, {}, {}};
    case kNondeterministic:
      return {id, {kNoteNondeterministic}, 4096, 0, {}, {}};
    case kRefuses:
      return {id, {}, 0, 0, {}, {}};
    case kSlow:
      return {id, {}, kMiB, 4, {}, {}, !p.steps.empty()};
    case kHuge:
      return {id, {}, 1024 * kMiB, 0, {}, {}};
    case kUnnamed:
      return {id, {}, 0, 0.5, {}, {}};
    case kTensorCore:
      return {id, {kNoteTensorCore}, 256, 1, {f32, false}, {{2, 4}, {24, -1}}, true};
    case kClobbers:
      require(adds_image(p), kNotSupported, "engine 6 only adds");
      return {id, {}, 0, 0, {false, true}, {}};
    default:
      throw Failure{kNotSupported, "no engine " + std::to_string(id)};
  }
}

std::vector<int64_t> propose(const Problem& p, HeuristicMode mode) {
  if (!supported(p)) return {};
  if (mode == kHeuristicFallback) return {kPlain};
  std::vector<int64_t> ids = {kSlow, kRefuses, kNondeterministic, kClobbers, kUnnamed, kTensorCore, kHuge};
  if (!adds_image(p)) ids.erase(std::find(ids.begin(), ids.end(), kClobbers));
  return ids;
}

}  // namespace fake_cudnn
