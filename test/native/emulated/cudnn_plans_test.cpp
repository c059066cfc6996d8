// Plans that cuDNN compiles at run time are compiled once for a machine, and what lies on disk is never trusted further
// than its checksum. Of the stand-in's engines (test/native/fake_cudnn/engines.h) 5 is compiled, and 3 where anything
// is fused; without measuring 3 is taken.
#include <sys/wait.h>

#include <chrono>

#include "cuda/cudnn/plan.h"
#include "cuda/cudnn/plan_store.h"
#include "cudnn_fixture.h"

using namespace cudnn_fixture;
using cudnn::PlanStore;

namespace {

ConvProblem problem(ConvPass pass = ConvPass::forward, int64_t n = 1) {
  return {pass, DType::f16, false, n, 2, 3, 8, 8, 3, 3};
}

// What the provider computes, with bias and relu (forward) or a mask (backward_data).
std::vector<double> computed(Machine& machine, ConvProvider& provider, const ConvProblem& p) {
  Tensors t(p, 1);
  const Scratch scratch(provider.workspace_bytes(p));
  ConvEpilogue e;
  if (p.pass == ConvPass::forward) e.bias = static_cast<const float*>(t.bias.data), e.relu = true;
  if (p.pass == ConvPass::backward_data) e.mask = t.mask.data;
  provider.run(machine.context, p, t.buffers(), e, scratch.data);
  machine.finish();
  return p.pass == ConvPass::forward ? t.y.read() : p.pass == ConvPass::backward_data ? t.x.read() : t.w.read();
}

// How many plans a new process compiles for p, and how many texts it hands to cuDNN.
struct Start {
  int64_t compiled, texts;
  std::vector<double> result;
};
Start start(Machine& machine, const fs::path& folder, const ConvProblem& p = problem(),
            const std::string& gpu = "NVIDIA H200") {
  const auto provider = machine.provider(nullptr, false, folder, gpu);
  const int64_t compiled = compilations(), texts = texts_read();
  std::vector<double> result = computed(machine, *provider, p);
  return {compilations() - compiled, texts_read() - texts, std::move(result)};
}

bool compiles(const Start& s) {
  return s.compiled == 1 && s.texts == 0;
}
bool reads(const Start& s) {
  return s.compiled == 0 && s.texts == 1;
}

std::vector<fs::path> files_in(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) files.push_back(entry.path());
  return files;
}

fs::path only_file(const fs::path& folder) {
  const auto files = files_in(folder);
  REQUIRE(files.size() == 1);
  return files[0];
}

}  // namespace

TEST("cudnn plans: the first start compiles, the second reads and computes the same bits") {
  Machine machine;
  const Folder folder;
  const fs::path plans = folder.path / "sub" / "plans";
  int64_t files = 0;
  for (ConvPass pass : {ConvPass::forward, ConvPass::backward_data}) {
    const Start first = start(machine, plans, problem(pass)), second = start(machine, plans, problem(pass));
    REQUIRE(compiles(first) && reads(second));
    REQUIRE(last_engine() == 3);
    REQUIRE(first.result == second.result);
    REQUIRE(static_cast<int64_t>(files_in(plans).size()) == ++files);
  }
  const Start unfused = start(machine, plans, problem(ConvPass::backward_weights));  // 3 is not compiled then
  REQUIRE(unfused.compiled == 0 && unfused.texts == 0 && static_cast<int64_t>(files_in(plans).size()) == files);
}

TEST("cudnn plans: those that were measured are kept, and the choice is read back with its plan") {
  const Variable delay("BANDLIFT_FAKE_CUDNN_DELAY", "10");
  Machine machine;
  const Folder folder;
  const auto provider = [&] {
    return machine.provider(std::make_shared<ConvChoiceCache>(folder.path / "choices.txt"), true,
                            folder.path / "plans");
  };
  const int64_t none = compilations();
  const auto first = computed(machine, *provider(), problem());
  REQUIRE(last_engine() == 5);
  REQUIRE(compilations() == none + 2 && files_in(folder.path / "plans").size() == 2);  // 3 and 5
  const int64_t texts = texts_read();
  REQUIRE(computed(machine, *provider(), problem()) == first);
  REQUIRE(last_engine() == 5 && compilations() == none + 2 && texts_read() == texts + 1);
}

TEST("cudnn plans: another problem, fusion, GPU or version of cuDNN is compiled") {
  Machine machine;
  const Folder folder;
  REQUIRE(compiles(start(machine, folder.path)));
  REQUIRE(compiles(start(machine, folder.path, problem(ConvPass::forward, 2))));
  REQUIRE(compiles(start(machine, folder.path, problem(ConvPass::backward_data))));
  REQUIRE(compiles(start(machine, folder.path, problem(), "NVIDIA H100 PCIe")));
  {
    const auto provider = machine.provider(nullptr, false, folder.path);
    const Tensors t(problem(), 1);
    const int64_t before = compilations();
    ConvEpilogue bias;
    bias.bias = static_cast<const float*>(t.bias.data);
    REQUIRE(provider->fuses(problem(), bias) && compilations() == before + 1);  // without relu
  }
  {
    const Variable version("BANDLIFT_FAKE_CUDNN_VERSION", "91400");
    REQUIRE(compiles(start(machine, folder.path)));
  }
  {
    Machine ampere(8, 0);
    REQUIRE(compiles(start(ampere, folder.path)));
  }
  Machine again;
  REQUIRE(reads(start(again, folder.path)));
}

TEST("cudnn plans: damaged files are compiled anew and replaced, and cuDNN never sees them") {
  Machine machine;
  const Folder folder;
  REQUIRE(compiles(start(machine, folder.path)));
  const fs::path file = only_file(folder.path);
  const std::string whole = read_text(file);
  REQUIRE(whole.size() > 200);
  const auto replaced = [&](const std::string& text, const std::string& what) {
    write_text(file, text);
    if (!compiles(start(machine, folder.path))) check::fail(what + " was read");
    if (read_text(file) != whole) check::fail(what + " was not replaced");
  };
  for (size_t length = 0; length < whole.size(); length += 10)
    replaced(whole.substr(0, length), "a file cut at " + std::to_string(length));
  replaced(whole.substr(0, whole.size() - 1), "a file without its last byte");
  replaced(whole + "\n", "a file with one byte more");
  for (size_t at = 0; at < whole.size(); at += 7) {
    std::string flipped = whole;
    flipped[at] = static_cast<char>(flipped[at] ^ 1);
    replaced(flipped, "a file with another byte at " + std::to_string(at));
  }
  std::string huge = whole;
  huge.resize(size_t{17} << 20);
  replaced(huge, "a huge file");
  start(machine, folder.path, problem(ConvPass::forward, 2));
  for (const fs::path& other : files_in(folder.path))
    if (other != file) replaced(read_text(other), "another problem's plan");
  fs::remove(file);
  fs::create_directory(file);
  REQUIRE(compiles(start(machine, folder.path)) && read_text(file) == whole);
  REQUIRE(reads(start(machine, folder.path)));
}

TEST("cudnn plans: text that fits its checksum but that cuDNN or the rules refuse is compiled anew and replaced") {
  Machine machine;
  const Folder folder;
  const cudnn::Library library(find_cudnn({}), 9, 0);
  const PlanStore store(folder.path, "a machine");
  const cudnn::Target target{&library.api(), library.handle(), nullptr, &store};
  const cudnn::Rules rules{DType::f16, false, true, int64_t{8} << 20};
  const auto graph = std::make_shared<cudnn::Graph>(target, problem(), cudnn::Fusion{}, DType::f16);
  std::string why, good, huge;
  const auto make = [&] {
    auto config = cudnn::configure(target, *graph, {5, {{2, 4}, {24, -1}}});
    REQUIRE(config);
    const auto plan = cudnn::make_plan(target, graph, std::move(*config), rules, why);
    REQUIRE(plan && plan->engine().text() == "5:2=4,24=-1" && plan->compiled_at_run_time());
    REQUIRE(plan->workspace_bytes() == 256);
  };
  const std::string key = graph->text() + ", engine 5:2=4,24=-1";
  REQUIRE(key == "graph 2 forward 3x3 f16 1x2x3 8->8, dw f16, engine 5:2=4,24=-1");
  int64_t compiled = compilations();
  make();
  REQUIRE(compilations() == compiled + 1 && store.find(key));
  good = *store.find(key);
  {
    cudnn::Descriptor plan(library.api(), cudnn::kExecutionPlanDescriptor);  // of engine 4, which wants a gibibyte
    plan.set(cudnn::kPlanHandle, library.handle());
    plan.set(cudnn::kPlanEngineConfig, *cudnn::configure(target, *graph, {4, {}}));
    plan.finalize("engine 4");
    huge = cudnn::write_plan(plan);
  }
  REQUIRE(cudnn::read_plan(target, huge));
  std::string other_version = good;
  other_version.replace(other_version.find("91002"), 5, "91400");
  for (const std::string& text : {std::string("nonsense"), good + " ", other_version, huge}) {
    REQUIRE(store.store(key, text));
    const int64_t texts = texts_read();
    compiled = compilations();
    make();
    REQUIRE(texts_read() == texts + 1 && compilations() == compiled + 1);
    REQUIRE(store.find(key) == good);
  }
  make();
  REQUIRE(compilations() == compiled + 1);
}

TEST("cudnn plans: a folder that cannot be written, or none, keeps nothing and computes the same") {
  Machine machine;
  const Folder folder;
  const Start kept = start(machine, folder.path / "plans");
  write_text(folder.path / "file", "");
  for (const fs::path& nowhere : {fs::path(""), fs::path("/proc/bandlift/plans"), folder.path / "file"}) {
    const Start first = start(machine, nowhere), second = start(machine, nowhere);
    REQUIRE(compiles(first) && compiles(second));
    REQUIRE(first.result == kept.result && second.result == kept.result);
  }
  REQUIRE(!PlanStore("", "m").store("key", "plan") && !PlanStore("", "m").find("key"));
  REQUIRE(!PlanStore("/proc/bandlift/plans", "m").store("key", "plan"));

  const fs::path file =
      only_file(folder.path / "plans");  // a folder full of somebody's where the plan's file should be
  fs::remove(file);
  fs::create_directories(file / "full");
  REQUIRE(compiles(start(machine, folder.path / "plans")) && fs::is_directory(file / "full"));
}

TEST("cudnn plans: a folder that may only be read is read") {
  Machine machine;
  const Folder folder;
  const fs::path plans = folder.path / "plans";
  const Start first = start(machine, plans);
  fs::permissions(plans, fs::perms::owner_read | fs::perms::owner_exec);
  const Start second = start(machine, plans);
  const Start other = start(machine, plans, problem(ConvPass::forward, 2));  // nobody but root can store this one
  fs::permissions(plans, fs::perms::owner_all);
  REQUIRE(reads(second) && second.result == first.result);
  REQUIRE(compiles(other));
}

TEST("cudnn plans: of more than 512 the oldest go, and what processes left half written") {
  const Folder folder;
  const PlanStore store(folder.path, "machine");
  const auto now = fs::file_time_type::clock::now();
  const auto key = [](int i) { return "key " + std::to_string(i); };
  constexpr int kMost = 512, kMore = 8;
  for (int i = 0; i < kMost; ++i) {
    REQUIRE(store.store(key(i), "plan " + std::to_string(i)));
    fs::last_write_time(store.file_of(key(i)), now - std::chrono::hours(24) + std::chrono::seconds((i * 37) % kMost));
  }
  write_text(folder.path / "a.1.2.tmp", "of a process that was killed");
  fs::last_write_time(folder.path / "a.1.2.tmp", now - std::chrono::hours(2));
  write_text(folder.path / "b.1.2.tmp", "being written");
  write_text(folder.path / "notes.txt", "somebody's");
  fs::last_write_time(folder.path / "notes.txt", now - std::chrono::hours(48));
  for (int i = 0; i < kMore; ++i) REQUIRE(store.store(key(kMost + i), "new"));
  REQUIRE(files_in(folder.path).size() == kMost + 2);
  REQUIRE(fs::exists(folder.path / "b.1.2.tmp") && fs::exists(folder.path / "notes.txt"));
  for (int i = 0; i < kMost; ++i) {
    const bool is_oldest = (i * 37) % kMost < kMore;
    REQUIRE(store.find(key(i)) == (is_oldest ? std::nullopt : std::optional("plan " + std::to_string(i))));
  }
  for (int i = 0; i < kMore; ++i) REQUIRE(store.find(key(kMost + i)) == "new");
}

TEST("cudnn plans: a store gives back what it was given, to the same machine and key") {
  const Folder folder;
  const PlanStore store(folder.path, "NVIDIA H200\n, sm_90"), other(folder.path, "NVIDIA H200, sm_80");
  std::string bytes;
  for (int i = 0; i < 70000; ++i) bytes += static_cast<char>(i * 31 + i / 256);
  REQUIRE(!store.find("a\nkey") && store.store("a\nkey", bytes));
  REQUIRE(store.find("a\nkey") == bytes && !other.find("a\nkey") && !store.find("a"));
  REQUIRE(store.store("a\nkey", "shorter") && store.find("a\nkey") == "shorter");
  REQUIRE(!store.store("empty", "") && !store.find("empty"));
  REQUIRE(!store.store("huge", std::string(size_t{16} << 20, ' ')) && !store.find("huge"));
  REQUIRE(files_in(folder.path).size() == 1);
  // 64-bit FNV-1a of "NVIDIA H200 , sm_90: a key", worked out by another program
  REQUIRE(store.file_of("a\nkey").filename() == "2e550f37ae3599a2.plan");
}

TEST("cudnn plans: several processes write and read one plan at once") {
  const Folder folder;
  constexpr int kProcesses = 4, kEach = 25;
  for (int process = 0; process < kProcesses; ++process)
    if (fork() == 0) {
      const PlanStore store(folder.path / "plans", "machine");
      bool good = true;
      for (int i = 0; i < kEach; ++i) {
        good = store.store("key", std::string(static_cast<size_t>(1000 * (process + 1)), 'a' + process)) && good;
        const auto found = store.find("key");  // somebody's, whole
        good = good && found && found->size() % 1000 == 0 &&
               *found == std::string(found->size(), static_cast<char>('a' + found->size() / 1000 - 1));
      }
      _exit(good ? 0 : 1);
    }
  for (int process = 0; process < kProcesses; ++process) {
    int status = 0;
    REQUIRE(wait(&status) > 0 && status == 0);
  }
  REQUIRE(files_in(folder.path / "plans").size() == 1);
}
