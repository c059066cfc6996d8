// A convolution with its epilogue as cuDNN's operation graph: NHWC tensors, packed [co, kh, kw, ci] weights, everything
// between the operations in f32.
#pragma once
#include <string>
#include <vector>

#include "cuda/conv_provider.h"
#include "cuda/cudnn/descriptor.h"

namespace bandlift::cuda::cudnn {

class PlanStore;

// Whom plans are made for: the handle's GPU or, where there is none, described properties (cuDNN 9.8 and up; such plans
// cannot run). And where those that are compiled at run time are kept; null: nowhere.
struct Target {
  const Api* api = nullptr;
  Handle handle = nullptr;
  const Descriptor* properties = nullptr;
  const PlanStore* plans = nullptr;
};

// What tensors are declared to start at, in bytes.
inline constexpr int64_t kAlignment = 16;

// Which parts of a ConvEpilogue an operation graph holds.
struct Fusion {
  bool bias = false, add = false, mask = false, relu = false;
  bool any() const { return bias || add || mask || relu; }
};
Fusion fusion_of(const ConvEpilogue& e);

// "forward 3x3 f16 4x256x256 340->340 +bias +relu", for messages and as a key.
std::string describe(const ConvProblem& p, const Fusion& f);

// Names of the graph's tensors when it is executed.
enum TensorId : int64_t { kX = 1, kW, kY, kBias, kAdd, kMask, kFirstVirtual };

// y = relu(conv(x, w) + add + bias); dx = (conv_transposed(dy, w) + add) * (mask > 0); dw in `weight_gradient` type.
class Graph {
 public:
  Graph(const Target& target, const ConvProblem& p, const Fusion& f, DType weight_gradient);
  const Descriptor& descriptor() const { return graph_; }
  // Everything that it depends on, as a key of what is kept of it.
  const std::string& text() const { return text_; }

 private:
  Descriptor tensor(int64_t id, DType type, const std::vector<int64_t>& shape, bool is_virtual);
  void convolve(const ConvProblem& p, const Descriptor& result);
  void pointwise(PointwiseMode mode, const Descriptor& from, const Descriptor* other, const Descriptor& to);

  const Api& api_;
  std::vector<Descriptor> parts_, operations_;
  Descriptor graph_;
  std::string text_;
};

}  // namespace bandlift::cuda::cudnn
