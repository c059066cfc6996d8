#include <algorithm>
#include <cstdlib>
#include <limits>
#include <map>
#include <mutex>
#include <optional>

#include "core/error.h"
#include "cuda/conv_choice_cache.h"
#include "ops/conv2d/conv2d_choice_cuda.h"

namespace bandlift::cuda {
namespace {

constexpr int kTimedRuns = 5;

ConvChoiceCache& choices() {
  // never destroyed: a device's thread may still ask while the process ends
  static ConvChoiceCache& cache = *new ConvChoiceCache(ConvChoiceCache::default_file());
  return cache;
}

std::string device_name(int device) {
  static std::mutex mutex;
  static std::map<int, std::string> names;
  const std::lock_guard<std::mutex> lock(mutex);
  auto found = names.find(device);
  if (found == names.end()) {
    cudaDeviceProp properties;
    check(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
    found = names.emplace(device, properties.name).first;
  }
  return found->second;
}

ConvKey key_of(const Context& context, const std::vector<ConvWay>& ways, const std::string& what) {
  std::string versions;
  const ConvProvider* last = nullptr;
  for (const ConvWay& way : ways) {
    if (way.provider != last)
      versions += (last == nullptr ? "" : ", ") + std::string(way.provider->name()) + " " + way.provider->version();
    last = way.provider;
  }
  return {device_name(context.device), 10 * context.major + context.minor, versions, "*",
          what + (context.deterministic ? ", deterministic" : "")};
}

std::string name_of(const ConvWay& way) {
  return way.provider->name() + std::string(way.fused ? " fused" : "");
}

std::optional<ConvWay> remembered(const std::vector<ConvWay>& ways, const ConvKey& key) {
  const std::optional<ConvChoice> choice = choices().find(key);
  for (const ConvWay& way : ways)
    if (choice && choice->choice == name_of(way)) return way;
  return std::nullopt;
}

struct Event {
  Event() { check(cudaEventCreate(&event), "cudaEventCreate"); }
  ~Event() { cudaEventDestroy(event); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  cudaEvent_t event = nullptr;
};

// Microseconds of one run.
double time_of(const Context& context, const ConvWay& way, const std::function<void(const ConvWay&)>& run) {
  const Event begin, end;
  check(cudaEventRecord(begin.event, context.stream), "cudaEventRecord");
  run(way);
  check(cudaEventRecord(end.event, context.stream), "cudaEventRecord");
  check(cudaEventSynchronize(end.event), "convolution by " + name_of(way));
  float milliseconds = 0;
  check(cudaEventElapsedTime(&milliseconds, begin.event, end.event), "cudaEventElapsedTime");
  return 1e3 * milliseconds;
}

}  // namespace

std::string text_of(const ConvProblem& p) {
  constexpr const char* kPasses[] = {"forward", "backward_data", "backward_weights"};
  const char* type = p.type == DType::f16 ? "f16" : p.type == DType::bf16 ? "bf16" : p.tf32 ? "tf32" : "f32";
  const auto number = [](int64_t v) { return std::to_string(v); };
  return std::string(kPasses[static_cast<int>(p.pass)]) + " " + type + " " + number(p.n) + "x" + number(p.h) + "x" +
         number(p.w) + "x" + number(p.ci) + "->" + number(p.co) + " " + number(p.kh) + "x" + number(p.kw);
}

std::vector<ConvProvider*> providers_for(const ConvProviders& providers, const ConvProblem& p) {
  const char* forced = std::getenv("BANDLIFT_CONV");
  const std::string only = forced != nullptr ? forced : "";
  std::vector<ConvProvider*> candidates;
  std::string names;
  for (const auto& provider : providers) {
    names += (names.empty() ? "" : ", ") + std::string(provider->name());
    if ((only.empty() || only == provider->name()) && provider->supports(p)) candidates.push_back(provider.get());
  }
  BANDLIFT_CHECK(!candidates.empty(), device,
                 "convolution " + text_of(p) + ": found no provider for it among: " + names +
                     (only.empty() ? "" : "; BANDLIFT_CONV asks for '" + only + "'"));
  return candidates;
}

size_t provider_workspace(const std::vector<ConvProvider*>& candidates, const ConvProblem& p) {
  size_t most = 0;
  for (const ConvProvider* candidate : candidates) {
    const size_t bytes = candidate->workspace_bytes(p);
    if (bytes > most) most = bytes;
  }
  return most;
}

std::vector<ConvWay> ways_of(const std::vector<ConvProvider*>& candidates, const ConvProblem& p, const ConvEpilogue& e,
                             bool fusable) {
  std::vector<ConvWay> ways;
  for (ConvProvider* candidate : candidates) {
    const bool fuses = fusable && e.any() && candidate->fuses(p, e);
    if (fuses) ways.push_back({candidate, true});
    if (!fuses || candidates.size() > 1) ways.push_back({candidate, false});
  }
  return ways;
}

ConvWay chosen_way(const Context& context, const std::vector<ConvWay>& ways, const std::string& what) {
  if (ways.size() == 1) return ways.front();
  return remembered(ways, key_of(context, ways, what)).value_or(ways.front());
}

void measure_ways(const Context& context, const std::vector<ConvWay>& ways, const std::string& what,
                  const std::function<void(const ConvWay&)>& run) {
  const char* measure = std::getenv("BANDLIFT_MEASURE");
  if (ways.size() == 1 || (measure != nullptr && std::string(measure) == "0")) return;
  cudaStreamCaptureStatus capturing = cudaStreamCaptureStatusNone;
  check(cudaStreamIsCapturing(context.stream, &capturing), "asking the stream");
  const ConvKey key = key_of(context, ways, what);
  if (capturing != cudaStreamCaptureStatusNone || remembered(ways, key)) return;
  struct Timed {
    ConvWay way;
    double fastest;
  };
  std::vector<Timed> works;
  std::string failures;
  for (const ConvWay& way : ways) {  // may choose engines and load code: not timed
    try {
      run(way);
      check(cudaStreamSynchronize(context.stream), "convolution by " + name_of(way));
      works.push_back({way, std::numeric_limits<double>::infinity()});
    } catch (const Error& error) {
      // A library that fails at this problem is left out; a GPU that failed stays failed.
      check(cudaStreamSynchronize(context.stream), error.what());
      failures += (failures.empty() ? "" : "; ") + name_of(way) + ": " + error.what();
    }
  }
  BANDLIFT_CHECK(!works.empty(), device, "convolution " + what + ": " + failures);
  // By turns: a GPU that was idle speeds up meanwhile, which must not speak for those that come last.
  for (int i = 0; i < kTimedRuns; ++i)
    for (Timed& t : works) t.fastest = std::min(t.fastest, time_of(context, t.way, run));
  const auto by_time = [](const Timed& x, const Timed& y) { return x.fastest < y.fastest; };
  const Timed& best = *std::min_element(works.begin(), works.end(), by_time);
  // What cannot be kept for the next run must not decide how this one computes, or they would differ.
  if (!choices().store(key, {name_of(best.way), best.fastest}) && context.deterministic)
    choices().store(key, {name_of(works.front().way), 0});
}

}  // namespace bandlift::cuda
