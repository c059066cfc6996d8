#include "cuda/cudnn/provider.h"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <map>
#include <mutex>
#include <string_view>
#include <utility>

#include "cuda/cudnn/plan_store.h"
#include "cuda/cudnn/tuner.h"

namespace bandlift::cuda {

namespace {

using namespace cudnn;

// How many plans are made ready and measured: those that are compiled at run time take most of a second each.
constexpr int kMostMeasured = 10, kMostCompiled = 4;
constexpr size_t kMiB = size_t{1} << 20;

// A problem with an epilogue: its graph, what the heuristics proposed, and the plan in use.
struct Entry {
  std::shared_ptr<Graph> graph;
  std::vector<Descriptor> proposed;  // in the heuristics' order, those not tried yet at the back
  std::optional<Plan> plan;
  bool settled = false;  // the plan is not to be measured (any more)
  std::string why;       // why there is no plan
};

// Of an image with this many channels.
int64_t elements(const ConvProblem& p, int64_t channels) {
  return p.n * p.h * p.w * channels;
}

class CudnnProvider final : public ConvProvider {
 public:
  CudnnProvider(const Context& context, const CudnnOptions& options)
      : deterministic_(context.deterministic),
        measure_(options.measure && (!deterministic_ || (options.cache && !options.cache->file().empty()))),
        device_(context.device),
        device_name_(options.device_name),
        capability_(context.major * 10 + context.minor),
        cache_(options.cache),
        make_room_(options.make_room),
        fuse_from_bytes_(options.fuse_from_bytes),
        library_(find_cudnn(options.folders), context.major, context.minor),
        plans_(options.plan_folder, machine()),
        target_{&library_.api(), library_.handle(), nullptr, &plans_} {}

  const char* name() const override { return "cudnn"; }
  std::string version() const override { return version_text(library_.version()); }
  bool supports(const ConvProblem& p) const override { return usable(p, {}); }
  bool fuses(const ConvProblem& p, const ConvEpilogue& e) const override {
    const Sizes s = sizes_of(p);
    return (p.pass == ConvPass::backward_data ? s.x : s.y) >= fuse_from_bytes_ && usable(p, fusion_of(e));
  }
  DType weight_gradient_type(const ConvProblem& p) const override { return p.type; }
  int64_t alignment() const override { return kAlignment; }
  size_t workspace_bytes(const ConvProblem& p) const override {
    const Sizes s = sizes_of(p);
    return std::min(256 * kMiB, std::max(8 * kMiB, 2 * static_cast<size_t>(s.x + s.y + s.w)));
  }
  void run(const Context& context, const ConvProblem& p, const ConvBuffers& b, const ConvEpilogue& epilogue,
           void* workspace) override;

 private:
  std::string machine() const;
  bool usable(const ConvProblem& p, const Fusion& f) const;
  void use_stream(cudaStream_t stream);
  Entry& entry(const ConvProblem& p, const Fusion& f) const;
  void open_cached(Entry& e, const ConvProblem& p, const Fusion& f) const;
  std::optional<Plan> next_plan(Entry& e, const ConvProblem& p) const;
  void settle(const Context& context, Entry& e, const ConvProblem& p, const Fusion& f);
  void measure(const Context& context, Entry& e, const ConvProblem& p, const Fusion& f);
  Rules rules(const ConvProblem& p) const {
    return {p.type, p.tf32, deterministic_, static_cast<int64_t>(workspace_bytes(p))};
  }
  ConvKey key(const ConvProblem& p, const Fusion& f) const {
    return {device_name_, capability_, version(), name(), describe(p, f) + (deterministic_ ? " deterministic" : "")};
  }

  bool deterministic_, measure_;
  int device_;
  std::string device_name_;
  int capability_;
  std::shared_ptr<ConvChoiceCache> cache_;
  std::function<void()> make_room_;
  int64_t fuse_from_bytes_;
  Library library_;
  PlanStore plans_;
  Target target_;
  cudaStream_t stream_ = nullptr;
  mutable std::mutex mutex_;
  mutable std::map<std::string, Entry> entries_;  // by describe(p, f)
};

// What compiled code depends on. The driver, because nodes of different drivers may share a folder.
std::string CudnnProvider::machine() const {
  int driver = 0;
  cuda::check(cudaDriverGetVersion(&driver), "asking for the driver's version");
  const size_t runtime = library_.api().cudnnGetCudartVersion ? library_.api().cudnnGetCudartVersion() : 0;
  return device_name_ + ", sm_" + std::to_string(capability_) + ", driver " + std::to_string(driver) + ", cuDNN " +
         version() + " for CUDA " + std::to_string(runtime);
}

bool CudnnProvider::usable(const ConvProblem& p, const Fusion& f) const {
  if (p.type == DType::f64) return false;
  if (p.pass == ConvPass::backward_weights && f.any()) return false;
  // Before 9.3 engines count elements in 32 bits (pytorch/pytorch#134890).
  if (library_.version() < 90300 && std::max(elements(p, p.ci), elements(p, p.co)) > INT32_MAX) return false;
  const std::lock_guard lock(mutex_);
  cuda::check(cudaSetDevice(device_), "choosing the device");  // called from any thread
  return entry(p, f).plan.has_value();
}

void CudnnProvider::use_stream(cudaStream_t stream) {
  if (stream_ == stream) return;
  check(library_.api(), library_.api().cudnnSetStream(library_.handle(), stream), "cudnnSetStream");
  stream_ = stream;
}

// With the plan that was once chosen, or else the first of the heuristics' that can be made.
Entry& CudnnProvider::entry(const ConvProblem& p, const Fusion& f) const {
  const auto [it, is_new] = entries_.try_emplace(describe(p, f));
  Entry& e = it->second;
  if (!is_new) return e;
  try {
    e.graph = std::make_shared<Graph>(target_, p, f, weight_gradient_type(p));
    if (measure_) open_cached(e, p, f);
    if (e.plan) return e;
    e.proposed = propose(target_, *e.graph, e.why);
    std::reverse(e.proposed.begin(), e.proposed.end());  // taken from the back
    e.plan = next_plan(e, p);
    e.settled = !measure_;
  } catch (const Error& error) {  // cuDNN does not take such a graph
    e.why = error.what();
  }
  return e;
}

void CudnnProvider::open_cached(Entry& e, const ConvProblem& p, const Fusion& f) const {
  const auto choice = cache_ ? cache_->find(key(p, f)) : std::nullopt;
  const auto engine = choice ? Engine::parse(choice->choice) : std::nullopt;
  auto config = engine ? configure(target_, *e.graph, *engine) : std::nullopt;
  if (!config) return;
  e.plan = make_plan(target_, e.graph, std::move(*config), rules(p), e.why);
  e.settled = e.plan.has_value();
}

std::optional<Plan> CudnnProvider::next_plan(Entry& e, const ConvProblem& p) const {
  while (!e.proposed.empty()) {
    Descriptor config = std::move(e.proposed.back());
    e.proposed.pop_back();
    if (auto plan = make_plan(target_, e.graph, std::move(config), rules(p), e.why)) return plan;
  }
  return std::nullopt;
}

// Measures, unless there is nothing to choose between or no way to: while a stream is captured nothing may be run.
void CudnnProvider::settle(const Context& context, Entry& e, const ConvProblem& p, const Fusion& f) {
  if (e.settled) return;
  cudaStreamCaptureStatus capture = cudaStreamCaptureStatusNone;
  cuda::check(cudaStreamIsCapturing(context.stream, &capture), "asking for a stream's state");
  if (capture != cudaStreamCaptureStatusNone) return;
  e.settled = true;
  for (const bool last : {!make_room_, true}) {
    try {
      measure(context, e, p, f);
      break;
    } catch (const Error& error) {
      if (error.code != ErrorCode::out_of_memory) throw;
      if (last) break;  // with memory this short, as proposed
      make_room_();
    }
  }
  e.proposed.clear();
}

void CudnnProvider::measure(const Context& context, Entry& e, const ConvProblem& p, const Fusion& f) {
  Bench bench(context, library_.handle(), p, f, workspace_bytes(p));
  struct Measured {
    Plan plan;
    double microseconds;
  };
  std::vector<Measured> measured;
  double best = std::numeric_limits<double>::infinity();
  std::string failures;
  int compiled = 0;
  for (int tried = 0; tried < kMostMeasured && compiled < kMostCompiled; ++tried) {
    std::optional<Plan> plan = tried == 0 ? std::exchange(e.plan, std::nullopt) : next_plan(e, p);
    if (!plan) break;
    compiled += plan->compiled_at_run_time();
    try {
      const double microseconds = bench.time(*plan, best);
      best = std::min(best, microseconds);
      measured.push_back({std::move(*plan), microseconds});
    } catch (const Error& error) {
      // An engine that cuDNN refuses at the last moment is left out; a GPU that failed stays failed.
      cuda::check(cudaStreamSynchronize(context.stream), error.what());
      failures += (failures.empty() ? "" : "; ") + std::string(error.what());
    }
  }
  const auto fit = [&](const Measured& m) { return !f.add || bench.adds_in_place(m.plan); };
  // cuDNN 9.10 does not take every engine that it proposes when it is named: such a choice could not be repeated.
  const auto repeatable = [&](const Measured& m) { return configure(target_, *e.graph, m.plan.engine()).has_value(); };
  auto chosen = measured.end();
  for (auto m = measured.begin(); m != measured.end(); ++m)
    if ((chosen == measured.end() || m->microseconds < chosen->microseconds) && repeatable(*m) && fit(*m)) chosen = m;
  const bool kept = chosen != measured.end() && cache_ &&
                    cache_->store(key(p, f), {chosen->plan.engine().text(), chosen->microseconds});
  // What cannot be kept for the next run must not depend on the clock.
  if (chosen == measured.end() || (deterministic_ && !kept))
    chosen = std::find_if(measured.begin(), measured.end(), fit);
  if (chosen != measured.end())
    e.plan = std::move(chosen->plan);
  else
    e.why = "no engine works" + (failures.empty() ? "" : ": " + failures);
}

void CudnnProvider::run(const Context& context, const ConvProblem& p, const ConvBuffers& b,
                        const ConvEpilogue& epilogue, void* workspace) {
  const std::lock_guard lock(mutex_);
  const Fusion f = fusion_of(epilogue);
  Entry& e = entry(p, f);
  use_stream(context.stream);
  if (e.plan) settle(context, e, p, f);
  BANDLIFT_CHECK(e.plan, device, "cuDNN cannot compute " + describe(p, f) + ": " + e.why);
  try {
    e.plan->execute(library_.handle(), bind(b, epilogue), workspace);
  } catch (const Error& error) {
    throw Error(ErrorCode::device, describe(p, f) + ": " + error.what());
  }
  launched(context, "cudnn");
}

// Calls `open`, which throws, for a report, which does not.
template <typename Open>
void report_into(LibraryReport& report, const FoundLibrary& found, const std::string& missing, const Open& open) {
  report.tried = found.tried;
  report.path = found.path;
  if (!found.found()) {
    report.problem = found.why() + ". " + missing;
    return;
  }
  try {
    open();
  } catch (const std::exception& error) {
    report.problem = error.what();
  }
}

}  // namespace

std::shared_ptr<ConvProvider> make_cudnn_provider(const Context& context, const CudnnOptions& options) {
  CudnnOptions effective = options;
  const char* measure = std::getenv("BANDLIFT_MEASURE");
  if (measure && std::string_view(measure) == "0") effective.measure = false;
  return std::make_shared<CudnnProvider>(context, effective);
}

LibraryReport report_cudnn(const std::vector<std::string>& folders, int major, int minor) {
  LibraryReport report;
  const FoundLibrary found = find_cudnn(folders);
  report_into(report, found, "Install it (pip install nvidia-cudnn-cu12) or set BANDLIFT_CUDNN to its file or folder",
              [&] {
                const Api api = resolve(found);
                report.version = version_text(api.cudnnGetVersion());
                if (major == 0) return;
                report.problem = unfit(api.cudnnGetVersion(), major, minor);
                if (report.problem.empty()) report.problem = unfit_driver(api);
              });
  return report;
}

LibraryReport report_nccl(const std::vector<std::string>& folders) {
  LibraryReport report;
  const FoundLibrary found = find_nccl(folders);
  report_into(report, found, "Install it (pip install nvidia-nccl-cu12) or set BANDLIFT_NCCL to its file or folder",
              [&] {
                const int version = nccl_version(found);
                BANDLIFT_CHECK(version >= 20000, device, "NCCL at " + found.path + " does not tell its version");
                report.version = version_text(static_cast<size_t>(version));
              });
  return report;
}

}  // namespace bandlift::cuda
