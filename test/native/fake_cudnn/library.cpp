// A stand-in for libcudnn.so.9, for tests on machines without a GPU: the functions of native/cuda/cudnn/api.h, checked
// strictly, computing on the emulation's memory in the order of its streams. Never shipped.
// BANDLIFT_FAKE_CUDNN_VERSION: the version it claims (default 91002); BANDLIFT_FAKE_CUDNN_CUDART: the CUDA it claims to
// be built for (default 12040); BANDLIFT_FAKE_CUDNN_CREATE=fails: no handle.
#include <dlfcn.h>
#include <link.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "plans.h"

namespace bandlift::cuda::cudnn {
struct HandleData {
  cudaStream_t stream = nullptr;
};
}  // namespace bandlift::cuda::cudnn

using namespace fake_cudnn;
using api::Attribute;
using api::AttributeType;
using api::BackendDescriptor;
using api::DescriptorType;
using api::Handle;
using api::Status;
using Enqueue = int (*)(void* stream, void (*work)(void*), void* data);

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT size_t cudnnGetCudartVersion() {
  const char* version = std::getenv("BANDLIFT_FAKE_CUDNN_CUDART");
  return version ? static_cast<size_t>(std::atoll(version)) : 12040;
}

EXPORT size_t cudnnGetVersion() {
  const char* version = std::getenv("BANDLIFT_FAKE_CUDNN_VERSION");
  return version ? static_cast<size_t>(std::atoll(version)) : 91002;
}

namespace {

// One execution.
struct Work {
  Problem problem;
  EngineFacts engine;
  std::map<int64_t, void*> pointers;
  void* workspace;
};

thread_local std::string last_error;
std::vector<std::unique_ptr<Work>> all_work;  // kept for good: a CUDA graph runs the same again and again
int64_t executed_engine = -1;
int64_t executions = 0, compilations = 0, texts_read = 0;

// bandlift_fake_cudnn_enqueue of the program or addon that holds the emulation (bridge.cpp).
Enqueue find_enqueue() {
  Enqueue found = nullptr;
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* out) {
        const char* name = info->dlpi_name && info->dlpi_name[0] ? info->dlpi_name : nullptr;
        void* object = dlopen(name, RTLD_LAZY | RTLD_NOLOAD);
        if (!object) return 0;
        void* symbol = dlsym(object, "bandlift_fake_cudnn_enqueue");
        dlclose(object);
        *static_cast<Enqueue*>(out) = reinterpret_cast<Enqueue>(symbol);
        return symbol ? 1 : 0;
      },
      &found);
  return found;
}

template <typename F>
Status guarded(const F& body) {
  try {
    last_error.clear();
    body();
    return api::kSuccess;
  } catch (const Failure& failure) {
    last_error = failure.message;
    return failure.status;
  } catch (const std::exception& error) {
    last_error = error.what();
    return 4000;
  }
}

std::shared_ptr<Descriptor>& held(BackendDescriptor d) {
  require(d != nullptr, kNullPointer, "a descriptor is null");
  return *static_cast<std::shared_ptr<Descriptor>*>(d);
}

Problem problem_of_engine(const Descriptor& engine) {
  return understand(engine.link(api::kEngineOperationGraph));
}
EngineFacts facts_of_engine(const Descriptor& engine) {
  return facts(engine.number(api::kEngineGlobalIndex), problem_of_engine(engine));
}
// What a plan is made of, or read from.
WrittenPlan content(const Descriptor& plan) {
  const auto version = static_cast<int64_t>(cudnnGetVersion());
  if (plan.has(api::kPlanJson)) {
    const auto& characters = plan.value(api::kPlanJson).numbers;
    return read({characters.begin(), characters.end()}, version);
  }
  const Descriptor& config = plan.link(api::kPlanEngineConfig);
  const Descriptor& engine = config.link(api::kEngineConfigEngine);
  WrittenPlan content{engine.number(api::kEngineGlobalIndex), {}, problem_of_engine(engine)};
  if (config.has(api::kEngineConfigKnobChoices))
    for (const Link& knob : config.value(api::kEngineConfigKnobChoices).descriptors)
      content.knobs.emplace_back(knob->number(api::kKnobChoiceType), knob->number(api::kKnobChoiceValue));
  return content;
}
EngineFacts facts_of_plan(const Descriptor& plan) {
  const WrittenPlan of = content(plan);
  return facts(of.engine, of.problem);
}

Value number(AttributeType type, int64_t v) {
  return {type, {v}, {}};
}

std::shared_ptr<Descriptor> make(DescriptorType type, std::map<int, Value> values) {
  return std::make_shared<Descriptor>(Descriptor{type, true, std::move(values)});
}

// An engine with its knobs, as the heuristics give it.
std::shared_ptr<Descriptor> make_config(const Link& graph, int64_t id, const Problem& p) {
  auto engine = make(api::kEngineDescriptor, {{api::kEngineOperationGraph, {api::kTypeDescriptor, {}, {graph}}},
                                              {api::kEngineGlobalIndex, number(api::kTypeInt64, id)}});
  Value knobs{api::kTypeDescriptor, {}, {}};
  for (const auto& [type, value] : facts(id, p).knobs)
    knobs.descriptors.push_back(
        make(api::kKnobChoiceDescriptor, {{api::kKnobChoiceType, number(api::kTypeKnobType, type)},
                                          {api::kKnobChoiceValue, number(api::kTypeInt64, value)}}));
  return make(api::kEngineConfigDescriptor, {{api::kEngineConfigEngine, {api::kTypeDescriptor, {}, {engine}}},
                                             {api::kEngineConfigKnobChoices, knobs}});
}

// What can be asked of a finalized descriptor.
Value answer(const Descriptor& d, Attribute a) {
  if (d.type == api::kEngineHeuristicDescriptor && a == api::kHeuristicResults) {
    const Link graph = d.value(api::kHeuristicOperationGraph).descriptors[0];
    const Problem p = understand(*graph);
    Value all{api::kTypeDescriptor, {}, {}};
    for (int64_t id : propose(p, static_cast<api::HeuristicMode>(d.number(api::kHeuristicMode))))
      all.descriptors.push_back(make_config(graph, id, p));
    return all;
  }
  if (d.type == api::kEngineDescriptor && a == api::kEngineNumericalNote) {
    Value notes{api::kTypeNumericalNote, {}, {}};
    for (int note : facts_of_engine(d).notes) notes.numbers.push_back(note);
    return notes;
  }
  if (d.type == api::kEngineDescriptor && a == api::kEngineBehaviorNote) {
    if (!facts_of_engine(d).compiled) return {api::kTypeBehaviorNote, {}, {}};
    return number(api::kTypeBehaviorNote, api::kNoteRuntimeCompilation);
  }
  if (d.type == api::kExecutionPlanDescriptor && a == api::kPlanWorkspaceSize)
    return number(api::kTypeInt64, facts_of_plan(d).workspace);
  if (d.type == api::kExecutionPlanDescriptor && a == api::kPlanJson) {
    const std::string text = write(content(d), static_cast<int64_t>(cudnnGetVersion()));
    return {api::kTypeChar, {text.begin(), text.end()}, {}};
  }
  if (d.type == api::kEngineConfigDescriptor && a == api::kEngineConfigKnobChoices && !d.has(a))
    return {api::kTypeDescriptor, {}, {}};
  return d.value(a);
}

void run(void* data) {
  const Work& work = *static_cast<Work*>(data);
  if (work.engine.workspace) std::memset(work.workspace, 0xa5, static_cast<size_t>(work.engine.workspace));
  compute(work.problem, work.engine.manner, [&](int64_t id) { return work.pointers.at(id); });
  const char* delay = std::getenv("BANDLIFT_FAKE_CUDNN_DELAY");
  if (delay)
    std::this_thread::sleep_for(std::chrono::duration<double, std::milli>(std::atof(delay) * work.engine.delay));
}

}  // namespace

EXPORT const char* cudnnGetErrorString(Status status) {
  switch (status) {
    case api::kSuccess:
      return "CUDNN_STATUS_SUCCESS";
    case kNotSupported:
      return "CUDNN_STATUS_NOT_SUPPORTED";
    case kExecutionFailed:
      return "CUDNN_STATUS_EXECUTION_FAILED";
    default:
      return "CUDNN_STATUS_BAD_PARAM";
  }
}

EXPORT void cudnnGetLastErrorString(char* message, size_t size) {
  std::strncpy(message, last_error.c_str(), size);
}

EXPORT Status cudnnCreate(Handle* handle) {
  return guarded([&] {
    if (std::getenv("BANDLIFT_FAKE_CUDNN_CREATE")) throw Failure{1001, "no handle"};  // NOT_INITIALIZED
    *handle = new api::HandleData;
  });
}

EXPORT Status cudnnDestroy(Handle handle) {
  delete handle;
  return api::kSuccess;
}

EXPORT Status cudnnSetStream(Handle handle, cudaStream_t stream) {
  handle->stream = stream;
  return api::kSuccess;
}

EXPORT Status cudnnBackendCreateDescriptor(DescriptorType type, BackendDescriptor* descriptor) {
  return guarded([&] {
    *descriptor = new std::shared_ptr<Descriptor>(std::make_shared<Descriptor>(Descriptor{type, false, {}}));
  });
}

EXPORT Status cudnnBackendDestroyDescriptor(BackendDescriptor descriptor) {
  delete static_cast<std::shared_ptr<Descriptor>*>(descriptor);
  return api::kSuccess;
}

EXPORT Status cudnnBackendSetAttribute(BackendDescriptor d, Attribute a, AttributeType type, int64_t count,
                                       const void* elements) {
  return guarded([&] { set_attribute(*held(d), a, type, count, elements); });
}

EXPORT Status cudnnBackendFinalize(BackendDescriptor d) {
  return guarded([&] {
    Descriptor& descriptor = *held(d);
    finalize(descriptor);
    if (descriptor.type == api::kExecutionPlanDescriptor) {
      const bool written = descriptor.has(api::kPlanJson);
      texts_read += written;
      compilations += facts_of_plan(descriptor).compiled && !written;
    }
    if (descriptor.type == api::kEngineDescriptor)
      require(facts_of_engine(descriptor).id != kUnnamed, kNotSupported, "engine 7 cannot be asked for");
    if (descriptor.type != api::kEngineConfigDescriptor || !descriptor.has(api::kEngineConfigKnobChoices)) return;
    const auto known = facts_of_engine(descriptor.link(api::kEngineConfigEngine)).knobs;
    for (const Link& knob : descriptor.value(api::kEngineConfigKnobChoices).descriptors) {
      const int64_t type = knob->number(api::kKnobChoiceType);
      require(std::any_of(known.begin(), known.end(), [&](const auto& k) { return k.first == type; }), kNotSupported,
              "the engine has no such knob");
    }
  });
}

EXPORT Status cudnnBackendGetAttribute(BackendDescriptor d, Attribute a, AttributeType type, int64_t requested,
                                       int64_t* count, void* elements) {
  return guarded([&] {
    const Descriptor& descriptor = *held(d);
    require(descriptor.finalized, kNotFinalized, "the descriptor is not finalized");
    const Value value = answer(descriptor, a);
    require(value.type == type, kBadAttributeType, "the attribute has another type");
    const size_t available = std::max(value.numbers.size(), value.descriptors.size());
    *count = static_cast<int64_t>(available);
    if (a == api::kEngineConfigKnobChoices && requested == 0) *count = 0;  // as cuDNN 9.10 to 9.28 do
    for (size_t i = 0; i < std::min(available, static_cast<size_t>(requested)); ++i) {
      if (type == api::kTypeDescriptor) {
        auto& target = held(static_cast<BackendDescriptor*>(elements)[i]);
        require(target->type == value.descriptors[i]->type, kBadParam, "a descriptor of another type");
        *target = *value.descriptors[i];
      } else {
        const size_t bytes = element_bytes(type);
        std::memcpy(static_cast<char*>(elements) + i * bytes, &value.numbers[i], bytes);
      }
    }
  });
}

EXPORT Status cudnnBackendExecute(Handle handle, BackendDescriptor plan, BackendDescriptor variant_pack) {
  return guarded([&] {
    static const Enqueue enqueue = find_enqueue();
    require(enqueue != nullptr, kExecutionFailed, "no emulation in this process");
    const Descriptor &p = *held(plan), &pack = *held(variant_pack);
    require(p.finalized && pack.finalized, kNotFinalized, "plan or variant pack is not finalized");
    require(p.number(api::kPlanHandle) == reinterpret_cast<int64_t>(handle), kBadParam, "the plan of another handle");
    auto work = std::make_unique<Work>();
    work->problem = content(p).problem;
    work->engine = facts_of_plan(p);
    require(work->engine.id != kRefuses, kExecutionFailed, "engine 2 fails when it is executed");
    const auto& ids = pack.value(api::kVariantPackUniqueIds).numbers;
    for (size_t i = 0; i < ids.size(); ++i) {
      const int64_t pointer = pack.number(api::kVariantPackDataPointers, i);
      require(pointer != 0 && pointer % 16 == 0, 2003, "tensor " + std::to_string(ids[i]) + " is not aligned");
      work->pointers[ids[i]] = reinterpret_cast<void*>(pointer);
    }
    const Problem& problem = work->problem;
    const bool filter = problem.convolution == api::kOperationBackwardFilterDescriptor;
    const bool data = problem.convolution == api::kOperationBackwardDataDescriptor;
    std::vector<int64_t> needed = {problem.result};
    if (!data) needed.push_back(problem.x);
    if (!filter) needed.push_back(problem.filter);
    if (data || filter) needed.push_back(problem.y);
    for (const Step& step : problem.steps)
      if (step.operand) needed.push_back(step.operand);
    for (int64_t id : needed)
      require(work->pointers.count(id), kBadParam, "no pointer for tensor " + std::to_string(id));
    work->workspace = pack.has(api::kVariantPackWorkspace)
                          ? reinterpret_cast<void*>(pack.number(api::kVariantPackWorkspace))
                          : nullptr;
    require(work->workspace || work->engine.workspace == 0, kNullPointer, "no workspace");
    // what cudaMalloc gives, and cuBLASLt below some engines wants on Hopper
    require(reinterpret_cast<uintptr_t>(work->workspace) % 256 == 0, 2003, "the workspace is not aligned to 256 bytes");
    executed_engine = work->engine.id;
    ++executions;
    all_work.push_back(std::move(work));
    require(enqueue(handle->stream, run, all_work.back().get()) == 0, kExecutionFailed, "the stream took no work");
  });
}

// ---- for tests ----
EXPORT int64_t fake_cudnn_last_engine() {
  return executed_engine;
}
EXPORT int64_t fake_cudnn_executions() {
  return executions;
}
// Plans compiled at run time, and texts of plans taken for one.
EXPORT int64_t fake_cudnn_compilations() {
  return compilations;
}
EXPORT int64_t fake_cudnn_texts_read() {
  return texts_read;
}
