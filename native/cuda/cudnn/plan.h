// Engines: what cuDNN proposes for an operation graph, which of them may be used, and one of them made ready to run.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cuda/cudnn/graph.h"

namespace bandlift::cuda::cudnn {

// An engine with the values of its knobs: enough to make the same plan again with the same version of cuDNN.
struct Engine {
  int64_t id = 0;
  std::vector<std::pair<int, int64_t>> knobs;
  std::string text() const;  // "12:2=4,24=7", or "12"
  static std::optional<Engine> parse(const std::string& text);
};

// What an engine may do.
struct Rules {
  DType type = DType::f32;
  bool tf32 = false;           // f32 operands may be rounded to tf32
  bool deterministic = true;   // the same bits in every run
  int64_t workspace_most = 0;  // bytes
};

class Plan {
 public:
  const Engine& engine() const { return engine_; }
  size_t workspace_bytes() const { return workspace_bytes_; }
  bool compiled_at_run_time() const { return compiled_at_run_time_; }
  // Enqueues on the handle's stream.
  void execute(Handle handle, const std::vector<std::pair<TensorId, void*>>& tensors, void* workspace) const;

 private:
  friend std::optional<Plan> make_plan(const Target&, std::shared_ptr<Graph>, Descriptor config, const Rules&,
                                       std::string& why);
  Plan(const Api& api, std::shared_ptr<Graph> graph, Descriptor config, Descriptor plan)
      : api_(&api), graph_(std::move(graph)), config_(std::move(config)), plan_(std::move(plan)) {}

  const Api* api_;
  std::shared_ptr<Graph> graph_;
  Descriptor config_, plan_;
  Engine engine_;
  size_t workspace_bytes_ = 0;
  bool compiled_at_run_time_ = false;
};

// Engine configurations as the heuristics order them (mode A, then the fallbacks); empty where the graph is not
// supported at all, which `why` then explains.
std::vector<Descriptor> propose(const Target& target, const Graph& graph, std::string& why);
// The configuration of a known engine; empty where this cuDNN does not take it.
std::optional<Descriptor> configure(const Target& target, const Graph& graph, const Engine& engine);
// A plan as it is written down, with the code that cuDNN compiled for it; and one made of that, which compiles nothing.
// Empty where this cuDNN does not write, or does not take it.
std::string write_plan(const Descriptor& plan);
std::optional<Descriptor> read_plan(const Target& target, const std::string& json);
// Nothing where the rules or cuDNN refuse it; `why` says which. Plans that are compiled at run time are looked for in
// the target's store first, and left there.
std::optional<Plan> make_plan(const Target& target, std::shared_ptr<Graph> graph, Descriptor config, const Rules& rules,
                              std::string& why);

}  // namespace bandlift::cuda::cudnn
