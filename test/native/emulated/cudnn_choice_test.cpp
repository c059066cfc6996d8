// Which engine computes, and what is remembered of it. Of the stand-in's engines (test/native/fake_cudnn/engines.h)
// 1 is fastest but varies from run to run, 7 cannot be asked for again, 2 fails, 4 wants too much memory, 5 uses tensor
// cores, and 5 < 0 < 3 in time.
#include <sys/wait.h>

#include "cudnn_fixture.h"

using namespace cudnn_fixture;

namespace {

// Large enough a difference to be measured on a busy machine: engines differ by 10 ms and more, a convolution of this
// size takes a few hundredths of one.
constexpr const char* kDelay = "10";

ConvProblem problem(DType type, bool tf32 = false) {
  return {ConvPass::forward, type, tf32, 1, 2, 3, 8, 8, 3, 3};
}

int64_t engine_used(Machine& machine, ConvProvider& provider, const ConvProblem& p) {
  Tensors t(p, 1);
  const Scratch scratch(provider.workspace_bytes(p));
  provider.run(machine.context, p, t.buffers(), {}, scratch.data);
  machine.finish();
  return last_engine();
}

std::shared_ptr<ConvChoiceCache> cache_in(const Folder& folder) {
  return std::make_shared<ConvChoiceCache>(folder.path / "sub" / "conv_choices.txt");
}

}  // namespace

TEST("the fastest engine that the rules allow is chosen") {
  const Variable delay("BANDLIFT_FAKE_CUDNN_DELAY", kDelay);
  Machine machine;
  const Folder folder;
  const auto provider = machine.provider(cache_in(folder));
  REQUIRE(engine_used(machine, *provider, problem(DType::f16)) == 5);
  REQUIRE(engine_used(machine, *provider, problem(DType::f32)) == 0);  // 5 would round to tf32
  REQUIRE(engine_used(machine, *provider, problem(DType::f32, true)) == 5);
  machine.context.deterministic = false;
  const auto free = machine.provider(cache_in(folder));
  REQUIRE(engine_used(machine, *free, problem(DType::f16)) == 1);
}

TEST("images of more than 2^31 - 1 elements are left to others before cuDNN 9.3") {
  Machine machine;
  const auto supported = [&](const char* version, int64_t width) {
    const Variable claims("BANDLIFT_FAKE_CUDNN_VERSION", version);
    ConvProblem p = problem(DType::f16);
    p.h = 1, p.w = width;
    return machine.provider(nullptr)->supports(p);
  };
  constexpr int64_t kMost = (int64_t{1} << 31) / 8 - 1;  // of 8 channels
  REQUIRE(supported("90201", kMost) && !supported("90201", kMost + 1));
  REQUIRE(supported("90300", kMost + 1));
}

TEST("without measuring, the heuristics' first engine that is allowed") {
  Machine machine;
  const Folder folder;
  const auto provider = machine.provider(cache_in(folder), false);
  REQUIRE(engine_used(machine, *provider, problem(DType::f16)) == 3);
  REQUIRE(!fs::exists(folder.path / "sub"));
  const Variable measure("BANDLIFT_MEASURE", "0");
  REQUIRE(engine_used(machine, *machine.provider(cache_in(folder)), problem(DType::f16)) == 3);
}

TEST("a deterministic device measures only what it can remember") {
  const Variable delay("BANDLIFT_FAKE_CUDNN_DELAY", kDelay);
  Machine machine;
  const Folder folder;
  write_text(folder.path / "sub", "a file where the folder should be");
  REQUIRE(engine_used(machine, *machine.provider(cache_in(folder)), problem(DType::f16)) == 3);
  REQUIRE(engine_used(machine, *machine.provider(nullptr), problem(DType::f16)) == 3);
  machine.context.deterministic = false;
  REQUIRE(engine_used(machine, *machine.provider(nullptr), problem(DType::f16)) == 1);
}

TEST("a second start uses the engine of the first without measuring") {
  Machine machine;
  const Folder folder;
  {
    const Variable delay("BANDLIFT_FAKE_CUDNN_DELAY", kDelay);
    const auto provider = machine.provider(cache_in(folder));
    REQUIRE(engine_used(machine, *provider, problem(DType::f16)) == 5);
    const int64_t before = executions();
    REQUIRE(engine_used(machine, *provider, problem(DType::f16)) == 5);
    REQUIRE(executions() == before + 1);  // the first call had measured
  }
  const std::string text = read_text(folder.path / "sub" / "conv_choices.txt");
  require_text(text, "NVIDIA H200\t90\t9.10.2\tcudnn\tforward 3x3 f16 1x2x3 8->8 deterministic\t5:2=4,24=-1\t");
  const auto provider = machine.provider(cache_in(folder));
  const int64_t before = executions();
  REQUIRE(engine_used(machine, *provider, problem(DType::f16)) == 5);
  REQUIRE(executions() == before + 1);
}

TEST("another version of cuDNN is measured anew") {
  Machine machine;
  const Folder folder;
  engine_used(machine, *machine.provider(cache_in(folder)), problem(DType::f16));
  const Variable version("BANDLIFT_FAKE_CUDNN_VERSION", "91400");
  const int64_t before = executions();
  engine_used(machine, *machine.provider(cache_in(folder)), problem(DType::f16));
  REQUIRE(executions() > before + 1);
  const std::string text = read_text(folder.path / "sub" / "conv_choices.txt");
  require_text(text, "\t9.10.2\t");
  require_text(text, "\t9.14.0\t");
}

TEST("choices that cannot be used are measured anew") {
  Machine machine;
  const std::string key = "NVIDIA H200\t90\t9.10.2\tcudnn\tforward 3x3 f16 1x2x3 8->8 deterministic\t";
  for (const std::string& line : {
           "nonsense\n\t\t\t\n" + key + "5:2=4\n" + key + "5:2=4\t1e\n" + key + "\t12\n" + key +
               "5:2\t1\n",       // broken lines
           key + "77\t5\n",      // no such engine
           key + "5:99=1\t5\n",  // no such knob
           key + "five\t5\n",    // no engine at all
           key + "1\t5\n",       // varies from run to run
           key + "4\t5\n",       // too much workspace
       }) {
    const Folder folder;
    write_text(folder.path / "choices.txt", line);
    const auto cache = std::make_shared<ConvChoiceCache>(folder.path / "choices.txt");
    const int64_t before = executions();
    engine_used(machine, *machine.provider(cache), problem(DType::f16));
    REQUIRE(executions() > before + 1);
    require_text(read_text(folder.path / "choices.txt"), "# bandlift conv choices 1");
    require_text(read_text(folder.path / "choices.txt"), key);
  }
}

TEST("nothing is measured while a stream is captured") {
  Machine machine;
  const Folder folder;
  const auto provider = machine.provider(cache_in(folder));
  const ConvProblem p = problem(DType::f16);
  Tensors t(p, 1);
  const Scratch scratch(provider->workspace_bytes(p));
  provider->supports(p);
  const int64_t before = executions();
  cudaGraph_t graph = nullptr;
  REQUIRE(cudaStreamBeginCapture(machine.context.stream, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
  provider->run(machine.context, p, t.buffers(), {}, scratch.data);
  REQUIRE(cudaStreamEndCapture(machine.context.stream, &graph) == cudaSuccess);
  cudaGraphDestroy(graph);
  REQUIRE(executions() == before + 1);
  REQUIRE(!fs::exists(folder.path / "sub"));
}

TEST("with no memory to measure in, the heuristics' first engine") {
  Machine machine;
  const Folder folder;
  const auto provider = machine.provider(cache_in(folder));
  const ConvProblem p = problem(DType::f16);
  Tensors t(p, 1);
  const Scratch scratch(provider->workspace_bytes(p));
  emulation::set_memory(emulation::allocated_bytes() + 1024);
  const size_t pieces = emulation::allocation_count();
  provider->run(machine.context, p, t.buffers(), {}, scratch.data);
  machine.finish();
  REQUIRE(last_engine() == 3);
  REQUIRE(emulation::allocation_count() == pieces);  // nothing of the attempt stays
}

TEST("with no memory to measure in, unused memory is given back and then it is measured") {
  const Variable delay("BANDLIFT_FAKE_CUDNN_DELAY", kDelay);
  Machine machine;
  const Folder folder;
  void* unused = nullptr;
  REQUIRE(cudaMalloc(&unused, 1 << 30) == cudaSuccess);
  int asked = 0;
  CudnnOptions options;
  options.device_name = "NVIDIA H200";
  options.cache = cache_in(folder);
  options.make_room = [&] {
    ++asked;
    REQUIRE(cudaFree(unused) == cudaSuccess);
  };
  const auto provider = make_cudnn_provider(machine.context, options);
  const ConvProblem p = problem(DType::f16);
  Tensors t(p, 1);
  const Scratch scratch(provider->workspace_bytes(p));
  emulation::set_memory(emulation::allocated_bytes() + 1024);
  provider->run(machine.context, p, t.buffers(), {}, scratch.data);
  machine.finish();
  REQUIRE(asked == 1 && last_engine() == 5);
}

TEST("measuring frees what it took") {
  Machine machine;
  const Folder folder;
  const auto provider = machine.provider(cache_in(folder));
  const size_t pieces = emulation::allocation_count();
  engine_used(machine, *provider, problem(DType::f32));
  REQUIRE(emulation::allocation_count() == pieces);
}

TEST("the workspace asked for is 8 MiB, then twice the tensors, then 256 MiB") {
  Machine machine;
  const auto provider = machine.provider(nullptr, false);
  REQUIRE(provider->workspace_bytes(problem(DType::f16)) == 8u << 20);
  // x 1x64x64x344 f32 5.37 MiB, y 1x64x64x128 2 MiB, w 128x9x344 1.51 MiB: twice 9310208 bytes
  REQUIRE(provider->workspace_bytes({ConvPass::forward, DType::f32, false, 1, 64, 64, 344, 128, 3, 3}) ==
          2u * (64 * 64 * 344 + 64 * 64 * 128 + 128 * 9 * 344) * 4);
  REQUIRE(provider->workspace_bytes({ConvPass::forward, DType::f32, false, 4, 256, 256, 344, 344, 3, 3}) == 256u << 20);
}

TEST("choices of a provider and writers at once") {
  const Folder folder;
  const fs::path file = folder.path / "choices.txt";
  constexpr int kWriters = 4, kEach = 25;
  for (int writer = 0; writer < kWriters; ++writer)
    if (fork() == 0) {
      ConvChoiceCache cache(file);
      bool kept = true;
      for (int i = 0; i < kEach; ++i)
        kept = cache.store({"GPU", 80, "1", "*", std::to_string(writer) + " " + std::to_string(i)}, {"own", 0.5 * i}) &&
               kept;
      _exit(kept ? 0 : 1);
    }
  for (int writer = 0; writer < kWriters; ++writer) {
    int status = 0;
    REQUIRE(wait(&status) > 0 && status == 0);
  }
  ConvChoiceCache cache(file);
  for (int writer = 0; writer < kWriters; ++writer)
    for (int i = 0; i < kEach; ++i) {
      const auto found = cache.find({"GPU", 80, "1", "*", std::to_string(writer) + " " + std::to_string(i)});
      REQUIRE(found && found->choice == "own" && found->microseconds == 0.5 * i);
    }
  REQUIRE(!cache.find({"GPU", 90, "1", "*", "0 0"}));
  for (const auto& entry : fs::directory_iterator(folder.path)) REQUIRE(entry.path().extension() != ".tmp");
}

TEST("where choices are kept") {
  const Variable own("BANDLIFT_CACHE_DIR", nullptr), xdg("XDG_CACHE_HOME", "/x"), home("HOME", "/home/u");
  REQUIRE(ConvChoiceCache::default_file() == "/x/bandlift/conv_choices.txt");
  {
    const Variable named("BANDLIFT_CACHE_DIR", "/scratch/c");
    REQUIRE(ConvChoiceCache::default_file() == "/scratch/c/conv_choices.txt");
  }
  const Variable no_xdg("XDG_CACHE_HOME", "");
  REQUIRE(ConvChoiceCache::default_file() == "/home/u/.cache/bandlift/conv_choices.txt");
  const Variable no_home("HOME", nullptr);
  REQUIRE(ConvChoiceCache::default_file().empty());
}
