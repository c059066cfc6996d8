// The CUDA backend with several convolution providers: who is asked, what is remembered, and that a provider which
// fuses nothing gives the same numbers. The choice itself depends on time: asserted only where ways differ by 20 ms.
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "backends.h"
#include "check.h"
#include "emulated_backend.h"

using namespace bandlift;
using backends::Image;
using backends::Workspace;
using cuda::ConvBuffers;
using cuda::ConvEpilogue;
using cuda::ConvProblem;

namespace {

// Our own kernels under another name, counted; fuses nothing where told so.
class Counted final : public cuda::ConvProvider {
 public:
  Counted(const cuda::Context& context, const char* name, bool fuses)
      : own_(cuda::make_own_conv_provider(context)), name_(name), fuses_(fuses) {}
  const char* name() const override { return name_; }
  std::string version() const override { return version_; }
  bool supports(const ConvProblem& p) const override { return p.type != unsupported && own_->supports(p); }
  bool fuses(const ConvProblem& p, const ConvEpilogue& e) const override { return fuses_ && own_->fuses(p, e); }
  size_t workspace_bytes(const ConvProblem& p) const override { return own_->workspace_bytes(p); }
  DType weight_gradient_type(const ConvProblem& p) const override { return own_->weight_gradient_type(p); }
  void run(const cuda::Context& context, const ConvProblem& p, const ConvBuffers& b, const ConvEpilogue& e,
           void* workspace) override {
    REQUIRE(fuses_ || !e.any());
    for (const void* piece : {static_cast<const void*>(b.w), static_cast<const void*>(workspace)})
      REQUIRE(reinterpret_cast<uintptr_t>(piece) % 256 == 0);  // of workspaces that begin on 64 bytes
    ++runs;
    fused += e.any();
    tf32 = p.tf32;
    // on the stream, between the events that measure it
    if (e.any() && fused_takes > 0) REQUIRE(cudaLaunchHostFunc(context.stream, wait_for, &fused_takes) == cudaSuccess);
    if (fails) throw Error(ErrorCode::device, std::string(name_) + " does not work");
    own_->run(context, p, b, e, workspace);
  }
  int runs = 0, fused = 0;
  int fused_takes = 0;  // milliseconds more
  bool tf32 = false;    // of the last run
  std::string version_ = "1";
  bool fails = false;
  DType unsupported = DType::f64;

 private:
  static void wait_for(void* milliseconds) {
    std::this_thread::sleep_for(std::chrono::milliseconds(*static_cast<const int*>(milliseconds)));
  }

  std::shared_ptr<cuda::ConvProvider> own_;
  const char* name_;
  bool fuses_;
};

// An environment variable for the time of a test.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) { setenv(name, value.c_str(), 1); }
  ~Variable() { unsetenv(name_); }

 private:
  const char* name_;
};

// Where choices are kept, for the time of a test. One for all tests, as for a process: it is asked for once.
struct CacheFolder {
  CacheFolder() = default;
  ~CacheFolder() { std::filesystem::remove_all(path); }
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("bandlift-choice-" + std::to_string(getpid()));
  const Variable variable{"BANDLIFT_CACHE_DIR", path.string()};
};

struct Layer {
  int64_t n, h, w, ci, co;
  Conv2dParams params;
  int64_t extra;
};

// y and y in place with the residual; dx and dx in place with what is added; dw and db.
std::vector<Image> compute(Backend& backend, const Layer& l, DType type = DType::f32) {
  const int64_t r = l.params.shuffle, numbers = l.co * l.ci * l.params.kh * l.params.kw;
  const backends::Shape in{l.n, l.h, l.w, l.ci, l.extra}, out{l.n, l.h * r, l.w * r, l.co / (r * r), l.extra};
  const Image x = Image::random(in, 1, -1, 1, type), dy = Image::random(out, 2, -1, 1, type),
              residual = Image::random(out, 3, -1, 1, type), add = Image::random(in, 4, -1, 1, type),
              mask = Image::random(in, 5, -1, 1, type), w = Image::random({1, 1, 1, numbers}, 6),
              b = Image::random({1, 1, 1, l.co}, 7);
  std::vector<Image> results{Image(out, type), residual, Image(in, type), add, w, b};
  const Tensor with = r == 1 ? residual.t : Tensor{}, in_place = r == 1 ? results[1].t : Tensor{};
  const Workspace forward(backend.conv2d_forward_workspace(l.params, x.t, results[0].t));
  backend.conv2d_forward(l.params, x.t, w.t, b.t, with, results[0].t, forward.t);
  backend.conv2d_forward(l.params, x.t, w.t, b.t, in_place, results[1].t, forward.t);
  const Workspace data(backend.conv2d_backward_data_workspace(l.params, dy.t, results[2].t));
  backend.conv2d_backward_data(l.params, dy.t, w.t, add.t, mask.t, results[2].t, data.t);
  backend.conv2d_backward_data(l.params, dy.t, w.t, results[3].t, mask.t, results[3].t, data.t);
  const Workspace weights(backend.conv2d_backward_weights_workspace(l.params, x.t, dy.t));
  backend.conv2d_backward_weights(l.params, x.t, dy.t, results[4].t, results[5].t, weights.t);
  return results;
}

const Layer kLayers[] = {
    {2, 5, 7, 3, 6, {3, 3, Activation::relu, 1}, 0},
    {1, 4, 9, 5, 8, {1, 3, Activation::none, 1}, 3},
    {2, 3, 5, 4, 12, {3, 3, Activation::relu, 2}, 1},
    {2, 3, 3, 4, 4, {1, 1, Activation::sigmoid, 1}, 0},
};

void require_same(const std::vector<Image>& a, const std::vector<Image>& b, const std::string& what) {
  for (size_t i = 0; i < a.size(); ++i)
    if (!a[i].same_bits(b[i])) check::fail(what + ": result " + std::to_string(i) + " has other bits");
}

}  // namespace

TEST("conv2d providers: one that fuses nothing gives the same bits in f32, in place too") {
  emulated::EmulatedBackend device;
  const cuda::Context& context = device.backend().context();
  cuda::CudaBackend plain(context, {std::make_shared<Counted>(context, "plain", false)});
  for (const Layer& l : kLayers) require_same(compute(plain, l), compute(device.backend(), l), "fuses nothing");
  device.finish();
}

TEST("conv2d providers: all that support a problem are measured once, then one of them computes it") {
  const CacheFolder cache;
  emulated::EmulatedBackend device;
  const cuda::Context& context = device.backend().context();
  const auto first = std::make_shared<Counted>(context, "first", true);
  const auto second = std::make_shared<Counted>(context, "second", false);
  const auto neither = std::make_shared<Counted>(context, "neither", true);
  neither->unsupported = DType::f32;
  cuda::CudaBackend backend(context, {first, second, neither});
  for (const Layer& l : kLayers) {
    const std::vector<Image> expected = compute(device.backend(), l);
    const int before_first = first->runs, before_second = second->runs;
    require_same(compute(backend, l), expected, "while it is measured");
    // Six runs of each way: two passes with an epilogue, which `first` also does itself (no sigmoid), one without; and
    // five calls that are computed by the chosen way.
    const int of_first = (l.params.activation == Activation::sigmoid ? 1 : 2) + 2 + 1, of_second = 3;
    REQUIRE(first->runs - before_first >= 6 * of_first && second->runs - before_second >= 6 * of_second);
    REQUIRE(first->runs - before_first + second->runs - before_second == 6 * (of_first + of_second) + 5);
    const int again_first = first->runs, again_second = second->runs;
    require_same(compute(backend, l), expected, "once it is chosen");
    REQUIRE(first->runs - again_first + second->runs - again_second == 5);
  }
  REQUIRE(neither->runs == 0);
  device.finish();
}

TEST("conv2d providers: a provider that is slow with an epilogue computes without it, in place too") {
  const CacheFolder cache;
  emulated::EmulatedBackend device;
  const cuda::Context& context = device.backend().context();
  const auto fuses = std::make_shared<Counted>(context, "fuses", true);
  const auto broken = std::make_shared<Counted>(context, "broken", true);
  fuses->fused_takes = 50;  // the convolutions take a tenth of a millisecond
  broken->fails = true;
  cuda::CudaBackend backend(context, {fuses, broken});
  for (const Layer& l : kLayers) {
    const std::vector<Image> expected = compute(device.backend(), l);
    require_same(compute(backend, l), expected, "while it is measured");
    const int measured = fuses->runs, with_epilogue = fuses->fused;
    require_same(compute(backend, l), expected, "once it is chosen");
    REQUIRE(fuses->runs == measured + 5 && fuses->fused == with_epilogue);
  }
  REQUIRE(fuses->fused == 6 * (2 + 2 + 2 + 1));  // while they were measured
  device.finish();
}

TEST("conv2d providers: another version of any of them is measured anew, a known one is not") {
  const CacheFolder cache;
  emulated::EmulatedBackend device;
  const cuda::Context& context = device.backend().context();
  const Layer& l = kLayers[0];
  const auto runs = [&](const char* library, const char* kernels) {
    const auto first = std::make_shared<Counted>(context, "library", true);
    const auto second = std::make_shared<Counted>(context, "kernels", true);
    first->version_ = library;
    second->version_ = kernels;
    cuda::CudaBackend backend(context, {first, second});
    compute(backend, l);
    return first->runs + second->runs;
  };
  constexpr int kMeasured = 6 * (4 + 4 + 2) + 5, kKnown = 5;  // as above, both fuse
  REQUIRE(runs("9.10.2", "1") == kMeasured);
  REQUIRE(runs("9.10.2", "1") == kKnown);
  REQUIRE(runs("9.14.0", "1") == kMeasured);
  REQUIRE(runs("9.14.0", "2") == kMeasured);
  REQUIRE(runs("9.10.2", "1") == kKnown);
  device.finish();
}

TEST("conv2d providers: one that fails while it is measured is left out; where all fail each says why") {
  const CacheFolder cache;
  emulated::EmulatedBackend device;
  const cuda::Context& context = device.backend().context();
  const auto broken = std::make_shared<Counted>(context, "broken", true);
  const auto works = std::make_shared<Counted>(context, "works", true);
  broken->fails = true;
  cuda::CudaBackend backend(context, {broken, works});
  require_same(compute(backend, kLayers[0]), compute(device.backend(), kLayers[0]), "beside a broken one");
  REQUIRE(broken->runs == 2 + 2 + 1 && works->runs == (2 + 2 + 1) * 6 + 5);  // each way is tried once and not chosen
  works->fails = true;
  try {
    compute(backend, kLayers[1]);
    check::fail("no error");
  } catch (const Error& e) {
    const std::string text = e.what();
    if (text !=
        "convolution forward f32 1x4x9x8->11 1x3 + bias + add: broken fused: broken does not work; broken: broken does "
        "not work; works fused: works does not work; works: works does not work")
      check::fail(text);
  }
  device.finish();
}

TEST("conv2d providers: an exact convolution is not rounded to tf32 where others are") {
  emulated::EmulatedBackend device;
  const auto provider = std::make_shared<Counted>(device.backend().context(), "kernels", true);
  for (const bool allowed : {false, true})
    for (const bool exact : {false, true}) {
      cuda::Context context = device.backend().context();
      context.tf32 = allowed;
      cuda::CudaBackend backend(context, {provider});
      Layer l = kLayers[0];
      l.params.exact = exact;
      compute(backend, l);
      REQUIRE(provider->tf32 == (allowed && !exact));
    }
  device.finish();
}

TEST("conv2d providers: nothing is measured while a stream is captured, or where BANDLIFT_MEASURE=0") {
  emulated::EmulatedBackend device;
  const cuda::Context& context = device.backend().context();
  const auto first = std::make_shared<Counted>(context, "one", true);
  const auto second = std::make_shared<Counted>(context, "two", true);
  cuda::CudaBackend backend(context, {first, second});
  const Conv2dParams params{3, 3, Activation::none, 1};
  const Image x = Image::random({1, 4, 5, 3}, 1), w = Image::random({1, 1, 1, 2 * 3 * 9}, 2);
  Image y({1, 4, 5, 2});
  const Workspace space(backend.conv2d_forward_workspace(params, x.t, y.t));
  {
    const Variable measure("BANDLIFT_MEASURE", "0");
    backend.conv2d_forward(params, x.t, w.t, {}, {}, y.t, space.t);
    REQUIRE(first->runs == 1 && second->runs == 0);
  }
  cudaGraph_t graph = nullptr;
  cuda::check(cudaStreamBeginCapture(context.stream, cudaStreamCaptureModeThreadLocal), "capture");
  backend.conv2d_forward(params, x.t, w.t, {}, {}, y.t, space.t);
  cuda::check(cudaStreamEndCapture(context.stream, &graph), "capture");
  cuda::check(cudaGraphDestroy(graph), "capture");
  REQUIRE(first->runs == 2 && second->runs == 0);
  device.finish();
}

TEST("conv2d providers: BANDLIFT_CONV names the one; a name nobody has is an error that lists them") {
  emulated::EmulatedBackend device;
  const cuda::Context& context = device.backend().context();
  const auto first = std::make_shared<Counted>(context, "here", true);
  const auto second = std::make_shared<Counted>(context, "there", true);
  cuda::CudaBackend backend(context, {first, second});
  {
    const Variable forced("BANDLIFT_CONV", "there");
    compute(backend, kLayers[0]);
    REQUIRE(first->runs == 0 && second->runs == 5);
  }
  const Variable forced("BANDLIFT_CONV", "nowhere");
  try {
    compute(backend, kLayers[0]);
    check::fail("no error");
  } catch (const Error& e) {
    REQUIRE(e.code == ErrorCode::device);
    const std::string text = e.what();
    if (text !=
        "convolution forward f32 2x5x7x3->6 3x3: found no provider for it among: here, there; BANDLIFT_CONV "
        "asks for 'nowhere'")
      check::fail(text);
  }
}

TEST("conv2d providers: our kernels refuse bf16 before compute capability 8.0, where its products do not exist") {
  cuda::Context volta;
  volta.major = 7;
  cuda::Context ampere;
  ampere.major = 8;
  ConvProblem p;
  p.n = p.h = p.w = 1, p.ci = p.co = 8;
  p.type = DType::bf16;
  REQUIRE(!cuda::make_own_conv_provider(volta)->supports(p) && cuda::make_own_conv_provider(ampere)->supports(p));
  p.type = DType::f16;
  REQUIRE(cuda::make_own_conv_provider(volta)->supports(p));
  p.h = int64_t{1} << 30;  // more pixels than the kernels count
  REQUIRE(!cuda::make_own_conv_provider(ampere)->supports(p));
}
