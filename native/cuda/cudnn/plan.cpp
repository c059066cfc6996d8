#include "cuda/cudnn/plan.h"

#include <algorithm>
#include <charconv>

#include "cuda/cudnn/plan_store.h"

namespace bandlift::cuda::cudnn {

namespace {

constexpr int64_t kMostNotes = 32, kMostKnobs = 64;

bool has(const std::vector<int>& notes, int note) {
  return std::find(notes.begin(), notes.end(), note) != notes.end();
}

// Why an engine with these notes must not compute this, or null.
const char* forbidden(const std::vector<int>& notes, const Rules& rules) {
  if (rules.deterministic && has(notes, kNoteNondeterministic)) return "its results vary from run to run";
  if (has(notes, kNoteReducedPrecisionReduction)) return "it sums in less than f32";
  const bool f32 = rules.type == DType::f32;
  if (f32 && has(notes, kNoteDownConvertInputs)) return "it rounds f32 operands";
  if (f32 && !rules.tf32 && has(notes, kNoteTensorCore)) return "it rounds f32 operands to tf32";
  // Winograd transforms operands before the products: in 16 bits, or with large tiles, digits are lost.
  if (!f32 && has(notes, kNoteWinograd)) return "it transforms 16-bit operands (Winograd)";
  if (has(notes, kNoteWinograd6x6) || has(notes, kNoteWinograd13x13)) return "its Winograd tiles are large";
  return nullptr;
}

// For the target's GPU, and no more.
Descriptor new_plan(const Target& target) {
  Descriptor plan(*target.api, kExecutionPlanDescriptor);
  if (target.handle) plan.set(kPlanHandle, target.handle);
  if (target.properties) plan.set(kPlanDeviceProperties, *target.properties);
  return plan;
}

int64_t workspace_of(const Descriptor& plan) {
  return plan.read<int64_t>(kPlanWorkspaceSize, kTypeInt64);
}

}  // namespace

std::string Engine::text() const {
  std::string text = std::to_string(id);
  char separator = ':';
  for (const auto& [type, value] : knobs) {
    text.append(1, separator).append(std::to_string(type)).append(1, '=').append(std::to_string(value));
    separator = ',';
  }
  return text;
}

std::optional<Engine> Engine::parse(const std::string& text) {
  Engine engine;
  const char* at = text.data();
  const char* const end = at + text.size();
  const auto number = [&](auto& value, char after) {
    const auto [next, error] = std::from_chars(at, end, value);
    if (error != std::errc() || (next != end && *next != after)) return false;
    at = next + (next != end);
    return true;
  };
  if (!number(engine.id, ':') || engine.id < 0) return std::nullopt;
  while (at != end) {
    std::pair<int, int64_t> knob;
    if (!number(knob.first, '=') || !number(knob.second, ',')) return std::nullopt;
    engine.knobs.push_back(knob);
  }
  return engine;
}

std::vector<Descriptor> propose(const Target& target, const Graph& graph, std::string& why) {
  std::vector<Descriptor> configs;
  for (HeuristicMode mode : {kHeuristicA, kHeuristicFallback}) {
    Descriptor heuristic(*target.api, kEngineHeuristicDescriptor);
    heuristic.set(kHeuristicOperationGraph, graph.descriptor());
    heuristic.set(kHeuristicMode, mode);
    if (target.properties) heuristic.set(kHeuristicDeviceProperties, *target.properties);
    if (const Status status = heuristic.try_finalize(); status != kSuccess) {
      why = explain(*target.api, status, "engine heuristics");
      continue;
    }
    const int64_t most = heuristic.count(kHeuristicResults, kTypeDescriptor);
    for (Descriptor& config : heuristic.read_descriptors(kHeuristicResults, kEngineConfigDescriptor, most))
      configs.push_back(std::move(config));
  }
  if (configs.empty() && why.empty()) why = "cuDNN: the heuristics propose no engine";
  return configs;
}

std::optional<Descriptor> configure(const Target& target, const Graph& graph, const Engine& engine) {
  Descriptor descriptor(*target.api, kEngineDescriptor);
  descriptor.set(kEngineOperationGraph, graph.descriptor());
  descriptor.set(kEngineGlobalIndex, engine.id);
  if (target.properties) descriptor.set(kEngineDeviceProperties, *target.properties);
  if (descriptor.try_finalize() != kSuccess) return std::nullopt;
  std::vector<Descriptor> knobs;
  for (const auto& [type, value] : engine.knobs) {
    Descriptor knob(*target.api, kKnobChoiceDescriptor);
    knob.set(kKnobChoiceType, kTypeKnobType, 1, &type);
    knob.set(kKnobChoiceValue, value);
    if (knob.try_finalize() != kSuccess) return std::nullopt;
    knobs.push_back(std::move(knob));
  }
  Descriptor config(*target.api, kEngineConfigDescriptor);
  config.set(kEngineConfigEngine, descriptor);
  if (!knobs.empty()) config.set(kEngineConfigKnobChoices, knobs);
  if (config.try_finalize() != kSuccess) return std::nullopt;
  return config;
}

std::string write_plan(const Descriptor& plan) {
  try {
    return plan.read_text(kPlanJson);
  } catch (const Error&) {
    return "";
  }
}

std::optional<Descriptor> read_plan(const Target& target, const std::string& json) {
  Descriptor plan = new_plan(target);
  try {
    plan.set(kPlanJson, kTypeChar, static_cast<int64_t>(json.size()), json.data());
  } catch (const Error&) {
    return std::nullopt;
  }
  if (plan.try_finalize() != kSuccess) return std::nullopt;
  return plan;
}

// What an earlier process left, where cuDNN and the rules still take it.
static std::optional<Descriptor> kept_plan(const Target& target, const PlanStore& plans, const std::string& key,
                                           const Rules& rules) {
  const auto json = plans.find(key);
  std::optional<Descriptor> plan = json ? read_plan(target, *json) : std::nullopt;
  if (plan && workspace_of(*plan) > rules.workspace_most) plan.reset();
  return plan;
}

std::optional<Plan> make_plan(const Target& target, std::shared_ptr<Graph> graph, Descriptor config, const Rules& rules,
                              std::string& why) {
  std::vector<Descriptor> engines = config.read_descriptors(kEngineConfigEngine, kEngineDescriptor, 1);
  BANDLIFT_CHECK(engines.size() == 1, device, "cuDNN: an engine configuration without an engine");
  Engine engine;
  engine.id = engines[0].read<int64_t>(kEngineGlobalIndex, kTypeInt64);
  const std::string label = "engine " + std::to_string(engine.id);
  const auto notes = engines[0].read_all<int>(kEngineNumericalNote, kTypeNumericalNote, kMostNotes);
  if (const char* reason = forbidden(notes, rules)) {
    why = label + ": " + reason;
    return std::nullopt;
  }
  // Not counted first: cuDNN 9.10 to 9.28 say that there are none.
  for (const Descriptor& knob : config.read_descriptors(kEngineConfigKnobChoices, kKnobChoiceDescriptor, kMostKnobs))
    engine.knobs.emplace_back(knob.read<int>(kKnobChoiceType, kTypeKnobType),
                              knob.read<int64_t>(kKnobChoiceValue, kTypeInt64));
  const bool compiled =
      has(engines[0].read_all<int>(kEngineBehaviorNote, kTypeBehaviorNote, kMostNotes), kNoteRuntimeCompilation);

  const PlanStore* const plans = compiled ? target.plans : nullptr;
  const std::string key = graph->text() + ", engine " + engine.text();
  std::optional<Descriptor> descriptor = plans ? kept_plan(target, *plans, key, rules) : std::nullopt;
  const bool is_new = !descriptor;
  if (is_new) {
    descriptor = new_plan(target);
    descriptor->set(kPlanEngineConfig, config);
    if (const Status status = descriptor->try_finalize(); status != kSuccess) {
      why = explain(*target.api, status, label);
      return std::nullopt;
    }
  }
  const int64_t workspace = workspace_of(*descriptor);
  if (workspace > rules.workspace_most) {
    why = label + ": wants " + std::to_string(workspace) + " bytes of workspace, " +
          std::to_string(rules.workspace_most) + " allowed";
    return std::nullopt;
  }
  if (is_new && plans) plans->store(key, write_plan(*descriptor));
  Plan plan(*target.api, std::move(graph), std::move(config), std::move(*descriptor));
  plan.engine_ = std::move(engine);
  plan.workspace_bytes_ = static_cast<size_t>(std::max<int64_t>(workspace, 0));
  plan.compiled_at_run_time_ = compiled;
  return plan;
}

void Plan::execute(Handle handle, const std::vector<std::pair<TensorId, void*>>& tensors, void* workspace) const {
  std::vector<int64_t> ids;
  std::vector<void*> pointers;
  for (const auto& [id, pointer] : tensors) {
    ids.push_back(id);
    pointers.push_back(pointer);
  }
  const auto count = static_cast<int64_t>(ids.size());
  Descriptor pack(*api_, kVariantPackDescriptor);
  pack.set(kVariantPackUniqueIds, ids);
  pack.set(kVariantPackDataPointers, kTypeVoidPointer, count, pointers.data());
  pack.set(kVariantPackWorkspace, kTypeVoidPointer, 1, &workspace);
  pack.finalize("variant pack");
  check(*api_, api_->cudnnBackendExecute(handle, plan_.get(), pack.get()), "engine " + engine_.text());
}

}  // namespace bandlift::cuda::cudnn
