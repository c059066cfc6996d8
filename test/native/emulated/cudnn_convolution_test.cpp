// The cuDNN provider computes what a plain double loop does, in every pass, type and fused epilogue.
#include "cudnn_fixture.h"

using namespace cudnn_fixture;

namespace {

// The convolution's triples: every product x[at_x] * w[at_w] belongs to y[at_y]; each pass sums over one of the three.
template <typename F>
void for_products(const ConvProblem& p, const F& product) {
  const int64_t pad_h = p.kh / 2, pad_w = p.kw / 2;
  for (int64_t n = 0; n < p.n; ++n)
    for (int64_t r = 0; r < p.h; ++r)
      for (int64_t s = 0; s < p.w; ++s)
        for (int64_t a = 0; a < p.kh; ++a)
          for (int64_t b = 0; b < p.kw; ++b) {
            const int64_t i = r - a + pad_h, j = s - b + pad_w;  // the output that reads pixel (r, s) with tap (a, b)
            if (i < 0 || i >= p.h || j < 0 || j >= p.w) continue;
            for (int64_t c = 0; c < p.ci; ++c)
              for (int64_t o = 0; o < p.co; ++o)
                product(((n * p.h + r) * p.w + s) * p.ci + c, ((o * p.kh + a) * p.kw + b) * p.ci + c,
                        ((n * p.h + i) * p.w + j) * p.co + o);
          }
}

std::vector<double> expected(const ConvProblem& p, const Tensors& t, const ConvEpilogue& e) {
  const auto &x = t.x.values(), &w = t.w.values(), &y = t.y.values();
  std::vector<double> sums(p.pass == ConvPass::forward         ? y.size()
                           : p.pass == ConvPass::backward_data ? x.size()
                                                               : w.size());
  for_products(p, [&](int64_t ix, int64_t iw, int64_t iy) {
    const auto sx = static_cast<size_t>(ix), sw = static_cast<size_t>(iw), sy = static_cast<size_t>(iy);
    if (p.pass == ConvPass::forward)
      sums[sy] += x[sx] * w[sw];
    else if (p.pass == ConvPass::backward_data)
      sums[sx] += y[sy] * w[sw];
    else
      sums[sw] += x[sx] * y[sy];
  });
  for (size_t i = 0; i < sums.size(); ++i) {
    if (e.add) sums[i] += t.add.values()[i];
    if (e.bias) sums[i] += t.bias.values()[i % static_cast<size_t>(p.co)];
    if (e.relu && sums[i] < 0) sums[i] = 0;
    if (e.mask && t.mask.values()[i] <= 0) sums[i] = 0;
  }
  return sums;
}

const DeviceVector& result_of(const ConvProblem& p, const Tensors& t) {
  return p.pass == ConvPass::forward ? t.y : p.pass == ConvPass::backward_data ? t.x : t.w;
}

// Sums of K products of numbers below 1 in f32 err by less than K (K + 1) / 2 ulps of 2^-24 in the worst case, by
// about sqrt(K) typically; K 2^-23 is far above that and far below a wrong product. Storing rounds to 2^-11 (f16),
// 2^-8 (bf16) of the value; tf32 rounds each operand to 2^-11, so a sum of K products below 1 by less than K 2^-10.
void check_result(const ConvProblem& p, const std::vector<double>& actual, const std::vector<double>& wanted,
                  const std::string& what) {
  const double products = static_cast<double>(p.pass == ConvPass::backward_weights ? p.n * p.h * p.w
                                              : p.pass == ConvPass::forward        ? p.kh * p.kw * p.ci
                                                                                   : p.kh * p.kw * p.co);
  const double atol = products * (p.tf32 ? 0x1p-10 : 0x1p-23);
  const double rtol = p.type == DType::f16 ? 0x1p-11 : p.type == DType::bf16 ? 0x1p-8 : 0;
  for (size_t i = 0; i < wanted.size(); ++i)
    check::close(actual[i], wanted[i], atol, rtol, what + "[" + std::to_string(i) + "]");
}

void compare(Machine& machine, ConvProvider& provider, const ConvProblem& p, const std::string& what,
             const std::vector<std::string>& parts, bool in_place = false) {
  Tensors t(p, 7);
  ConvEpilogue e;
  for (const std::string& part : parts) {
    if (part == "bias") e.bias = static_cast<const float*>(t.bias.data);
    if (part == "add") e.add = t.add.data;
    if (part == "mask") e.mask = t.mask.data;
    if (part == "relu") e.relu = true;
  }
  REQUIRE(provider.supports(p));
  if (e.any() && !provider.fuses(p, e)) check::fail(what + ": not fused");
  ConvBuffers b = t.buffers();
  if (in_place) (p.pass == ConvPass::backward_data ? b.x : b.y) = t.add.data;
  const Scratch scratch(provider.workspace_bytes(p));
  provider.run(machine.context, p, b, e, scratch.data);
  machine.finish();
  check_result(p, (in_place ? t.add : result_of(p, t)).read(), expected(p, t, e), what);
}

const ConvPass kPasses[] = {ConvPass::forward, ConvPass::backward_data, ConvPass::backward_weights};
const char* const kPassNames[] = {"forward", "backward_data", "backward_weights"};

// Not square, not symmetric: channels 8 and 16, borders on every side, two images.
ConvProblem problem(ConvPass pass, DType type, int kh = 3, int kw = 3) {
  return {pass, type, false, 2, 4, 5, 8, 16, kh, kw};
}

}  // namespace

TEST("cudnn computes every pass in f32, tf32, f16 and bf16") {
  Machine machine;
  const auto provider = machine.provider(nullptr, false);
  for (ConvPass pass : kPasses)
    for (DType type : {DType::f32, DType::f16, DType::bf16})
      for (bool tf32 : {false, true}) {
        ConvProblem p = problem(pass, type);
        p.tf32 = tf32 && type == DType::f32;
        compare(machine, *provider, p, std::string(kPassNames[static_cast<int>(pass)]), {});
        REQUIRE(provider->weight_gradient_type(p) == type);
      }
}

TEST("cudnn computes rows, single pixels and 5 x 3 kernels") {
  Machine machine;
  const auto provider = machine.provider(nullptr, false);
  for (ConvPass pass : kPasses) {
    compare(machine, *provider, {pass, DType::f32, false, 1, 1, 40, 8, 8, 1, 3}, "row", {});
    compare(machine, *provider, {pass, DType::f32, false, 3, 1, 1, 16, 8, 3, 3}, "pixel", {});
    compare(machine, *provider, problem(pass, DType::f32, 5, 3), "5 x 3", {});
    compare(machine, *provider, problem(pass, DType::f32, 1, 1), "1 x 1", {});
  }
}

TEST("cudnn fuses bias, relu and a sum into the forward pass") {
  Machine machine;
  const auto provider = machine.provider(nullptr, false);
  const std::vector<std::vector<std::string>> epilogues = {{"bias"},         {"relu"},        {"add"},
                                                           {"bias", "relu"}, {"bias", "add"}, {"bias", "add", "relu"}};
  for (DType type : {DType::f32, DType::f16, DType::bf16})
    for (const auto& parts : epilogues)
      compare(machine, *provider, problem(ConvPass::forward, type), "forward with an epilogue", parts);
}

TEST("cudnn lets NaN pass the relu that it fuses") {
  Machine machine;
  const auto provider = machine.provider(nullptr, false);
  for (DType type : {DType::f32, DType::f16, DType::bf16}) {
    const ConvProblem p = {ConvPass::forward, type, false, 1, 1, 6, 8, 16, 1, 3};
    const Tensors t(p, 7);
    ConvEpilogue e;
    e.bias = static_cast<const float*>(t.bias.data);
    e.relu = true;
    REQUIRE(provider->fuses(p, e));
    const int64_t at = 8 * element_bytes(type);  // pixel 1, which outputs 0, 1 and 2 read
    char* const pixel = static_cast<char*>(t.x.data) + at;
    REQUIRE(cudaMemsetAsync(pixel, 0xff, 8, machine.context.stream) == cudaSuccess);  // NaN in every type
    const Scratch scratch(provider->workspace_bytes(p));
    provider->run(machine.context, p, t.buffers(), e, scratch.data);
    machine.finish();
    const auto y = t.y.read();
    for (size_t i = 0; i < y.size(); ++i) REQUIRE(std::isnan(y[i]) == (i < 3 * 16));
  }
}

TEST("cudnn fuses a sum and a mask into the gradient of the input, in 16 bits") {
  Machine machine;
  const auto provider = machine.provider(nullptr, false);
  const std::vector<std::vector<std::string>> epilogues = {{"mask"}, {"add"}, {"add", "mask"}};
  for (DType type : {DType::f16, DType::bf16})
    for (const auto& parts : epilogues)
      compare(machine, *provider, problem(ConvPass::backward_data, type), "gradient with an epilogue", parts);
}

TEST("cudnn says what it does not fuse instead of failing later") {
  Machine machine;
  const auto provider = machine.provider(nullptr, false);
  ConvEpilogue mask;
  const float somewhere = 0;
  mask.mask = &somewhere;
  REQUIRE(!provider->fuses(problem(ConvPass::backward_data, DType::f32), mask));
  REQUIRE(!provider->fuses(problem(ConvPass::backward_weights, DType::f16), mask));
  REQUIRE(!provider->supports(problem(ConvPass::forward, DType::f64)));
}

TEST("cudnn adds in place, never with an engine that writes before it reads") {
  Machine machine;
  const Folder folder;
  const auto provider = machine.provider(std::make_shared<ConvChoiceCache>(folder.path / "c.txt"));
  compare(machine, *provider, problem(ConvPass::forward, DType::f16), "forward", {"bias", "add", "relu"}, true);
  compare(machine, *provider, problem(ConvPass::backward_data, DType::bf16), "gradient", {"add", "mask"}, true);
  REQUIRE(last_engine() != 6);
}

TEST("a captured convolution is repeated with the numbers of the time") {
  Machine machine;
  const auto provider = machine.provider(nullptr, false);
  const ConvProblem p = problem(ConvPass::forward, DType::f32);
  Tensors t(p, 3);
  const Tensors other(p, 33);
  const Scratch scratch(provider->workspace_bytes(p));
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  REQUIRE(cudaStreamBeginCapture(machine.context.stream, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
  provider->run(machine.context, p, t.buffers(), {}, scratch.data);
  REQUIRE(cudaStreamEndCapture(machine.context.stream, &graph) == cudaSuccess);
  REQUIRE(cudaGraphInstantiate(&executable, graph) == cudaSuccess);
  const auto before = t.y.read();
  REQUIRE(before == t.y.values());  // captured, not run
  for (const Tensors* inputs : {static_cast<const Tensors*>(&t), &other}) {
    const size_t bytes = inputs->x.values().size() * 4;
    REQUIRE(cudaMemcpyAsync(t.x.data, inputs->x.data, bytes, cudaMemcpyDeviceToDevice, machine.context.stream) ==
            cudaSuccess);
    REQUIRE(cudaGraphLaunch(executable, machine.context.stream) == cudaSuccess);
    machine.finish();
    auto wanted = std::vector<double>(t.y.values().size());
    for_products(p, [&](int64_t ix, int64_t iw, int64_t iy) {
      wanted[static_cast<size_t>(iy)] +=
          inputs->x.values()[static_cast<size_t>(ix)] * t.w.values()[static_cast<size_t>(iw)];
    });
    check_result(p, t.y.read(), wanted, "replay");
  }
  cudaGraphExecDestroy(executable);
  cudaGraphDestroy(graph);
}

TEST("cudnn names the problem of a convolution that fails") {
  Machine machine;
  const auto provider = machine.provider(nullptr, false);
  const ConvProblem p = problem(ConvPass::forward, DType::f32);
  Tensors t(p, 3);
  const Scratch scratch(provider->workspace_bytes(p));
  ConvBuffers b = t.buffers();
  b.x = static_cast<char*>(b.x) + 4;
  const std::string text = device_error([&] { provider->run(machine.context, p, b, {}, scratch.data); });
  require_text(text, "forward 3x3 f32 2x4x5 8->16: cuDNN: engine 3: ");
  require_text(text, "tensor 1 is not aligned");
}
