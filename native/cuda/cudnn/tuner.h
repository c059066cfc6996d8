// Measures plans on the GPU with buffers of its own.
#pragma once
#include <string>
#include <vector>

#include "cuda/cudnn/plan.h"

namespace bandlift::cuda::cudnn {

// Bytes of a problem's image of the inputs' side, of its result's side and of its weights.
struct Sizes {
  int64_t x = 0, y = 0, w = 0;
};
Sizes sizes_of(const ConvProblem& p);

// Device memory for one problem: its tensors and a workspace, filled with small numbers.
class Bench {
 public:
  // Throws Error(out_of_memory).
  Bench(const Context& context, Handle handle, const ConvProblem& p, const Fusion& f, size_t workspace_bytes);
  ~Bench();
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  // Microseconds of one run; gives up early (and says how long it took so far) once it is clearly above `best`.
  // Throws Error(device) where the plan fails.
  double time(const Plan& plan, double best);
  // Whether it computes the same bits when its result takes the place of the tensor that it adds.
  bool adds_in_place(const Plan& plan);

 private:
  void* allocate(int64_t bytes, int fill);
  void release();
  void run(const Plan& plan, bool in_place);
  double elapsed(const Plan& plan, int runs);

  const Context& context_;
  Handle handle_;
  ConvPass pass_;
  Fusion fusion_;
  int64_t result_bytes_;
  std::vector<void*> owned_;
  void *x_ = nullptr, *w_ = nullptr, *y_ = nullptr, *bias_ = nullptr, *add_ = nullptr, *mask_ = nullptr,
       *workspace_ = nullptr;
  cudaEvent_t start_ = nullptr, end_ = nullptr;
  double warm_microseconds_ = 0;  // how long the GPU has been busy here
};

// The tensors of a graph by their names: result, operands and epilogue.
std::vector<std::pair<TensorId, void*>> bind(const ConvBuffers& b, const ConvEpilogue& e);

}  // namespace bandlift::cuda::cudnn
